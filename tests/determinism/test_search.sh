#!/bin/sh
# A training that searches for its latents is the same in one go and in two, and for any number of
# threads.
. "$GAGAC_TESTS/helpers.sh"

# 96 images of 8 x 8 pixels, bytes 48 to 57: the decimal digits of 1, 2, 3 ...
header="{'descr': '|u1', 'fortran_order': False, 'shape': (96, 8, 8, 1), }"
{
    printf '\223NUMPY\001\000\166\000'
    printf '%-117s\n' "$header"
    seq 1 9999 | tr -d '\n' | head -c 6144
} >images.npy

# config NAME TRAINER-KEYS
config() {
    cat >"$1.json" <<END
{
    "latent": {"class": "UniformDistribution", "z": 4},
    "generator": {"layers": ["linear 4*4*4 activation=tanh", "noise", "resize_conv 1"]},
    "discriminator": {"layers": ["conv 4 stride=2 activation=lrelu", "linear 1"]},
    "loss": {"class": "LogisticLoss"},
    "trainer": {
        $2,
        "trainer": {
            "class": "AlternatingTrainer",
            "optimizer": {"class": "AdamOptimizer", "learn_rate": 0.01, "beta1": 0.5}
        }
    },
    "runtime": {"width": 8, "height": 8, "channels": 1, "batch_size": 8}
}
END
}

config batch '"class": "BatchFitnessTrainer", "search_steps": 6, "heuristic": 1'
config single '"class": "FitnessTrainer", "type": "std"'
for name in batch single; do
    must "$GAGAC" "$name.json" -o "$name"
    cp -r "$name" "$name.parts"
    must "$name/train" --data images.npy --iterations 16 --threads 1
    must "$name.parts/train" --data images.npy --iterations 7 --threads 2
    must "$name.parts/train" --data images.npy --iterations 16 --threads 2
    same "$(newest "$name")" "$(newest "$name.parts")"
done
finish
