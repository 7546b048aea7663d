#!/bin/sh
# A training on images and its samples have the same bits for any number of threads, cut or not, for
# AVX-512 and AVX2, clang and gcc; the shipped sampler draws the images of RUN/sample.
. "$GAGAC_TESTS/helpers.sh"

must "$MKSHAPES" -n 64 --size 12 --channels 3 --seed 3 -o images.npy
cat >maps.json <<'END'
{
    "latent": {"class": "UniformDistribution", "z": 5},
    "generator": {"defaults": {"activation": "relu", "filter": 3, "stride": 1, "avg_pool": 1},
        "layers": ["linear 6 name=w", "const 3*3*6", "adaptive_instance_norm", "noise learned",
                   "deconv 7 filter=5 stride=2", "resize_conv 3 activation=tanh"]},
    "discriminator": {"defaults": {"activation": "lrelu", "filter": 3, "stride": 1, "avg_pool": 2},
        "layers": ["conv 9", "conv 5 stride=2 avg_pool=1", "linear 1 activation=null"]},
    "loss": {"class": "LogisticLoss", "gradient_penalty": 0.5},
    "trainer": {"class": "AlternatingTrainer",
        "optimizer": {"class": "AdamOptimizer", "learn_rate": 0.005, "beta1": 0.5}},
    "runtime": {"width": 12, "height": 12, "channels": 3, "batch_size": 5}
}
END

# train NAME THREADS OPTION...: six iterations of a program compiled with the options
train() {
    name=$1 threads=$2
    shift 2
    must "$GAGAC" maps.json -o "$name" "$@"
    must "$name/train" --data images.npy --threads "$threads" --iterations 6
    [ "$name" = one ] || same "$(newest one)" "$(newest "$name")"
}

train one 1
train other 3
rm -r other
must "$GAGAC" maps.json -o other
must other/train --data images.npy --threads 2 --iterations 2
must other/train --data images.npy --threads 1 --iterations 6
same "$(newest one)" "$(newest other)"
cpu_has avx2 fma && cpu_has avx512f && train avx2 2 --isa avx2
command -v gcc >/dev/null 2>&1 && train gcc 2 --cc gcc

# Images 3 and 4 alone, and by another number of threads.
must one/sample -n 20 -o all.npy --threads 2
must one/sample -n 2 --first 3 -o two.npy
size=$((12 * 12 * 3 * 4))
tail -c $((2 * size)) two.npy >part
tail -c $((17 * size)) all.npy | head -c $((2 * size)) >expected
cmp part expected || note_failure "images depend on where a call starts"

# The shipped sampler sums in another order: bytes may differ by one.
cat >draw.c <<'END'
#include "sampler.h"
#include <stdio.h>
int main(void)
{
    static unsigned char pixels[2 * SAMPLER_PIXELS];
    static double work[SAMPLER_WORK / sizeof(double) + 1];
    if (sampler_generate(1, 3, 2, pixels, work) != SAMPLER_OK)
        return 1;
    return fwrite(pixels, 1, sizeof pixels, stdout) != sizeof pixels;
}
END
must cc -std=c99 -O1 -Wall -Wextra -Wpedantic -Werror -I one/sampler draw.c one/sampler/sampler.c -o draw
./draw >drawn || note_failure "the shipped sampler failed"
od -An -v -t f4 -w4 part | awk '{ x = ($1 < -1 ? -1 : $1 > 1 ? 1 : $1); printf "%d\n", (x + 1) * 127.5 + 0.5 }' >wanted
od -An -v -t u1 -w1 drawn | paste - wanted | awk '{ d = $1 - $2; if (d < -1 || d > 1) bad = 1 }
    END { exit bad || NR != 864 }' || note_failure "the shipped sampler draws other images"
finish
