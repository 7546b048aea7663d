#!/bin/sh
# The shipped sampler.c: C99 without warnings, nothing asked of the system but memcpy and memset, the
# same bits from every compiler and flags, and the rows of RUN/sample.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/determinism/configs.sh"
rows=1500

# build CC FLAG...: the driver with the sampler in $folder, as ./driver
build() {
    must "$@" -Wall -Wextra -Wpedantic -Wconversion -Werror -c "$folder/sampler.c" -o sampler.o
    must "$@" -I "$folder" "$GAGAC_TESTS/determinism/sampler_rows.c" sampler.o -o driver
}

for name in $configs; do
    precision=f32
    [ $name = noisy ] && precision=f64
    must "$GAGAC" $name.json -o $name --precision $precision
    folder=$name/sampler
    build cc -std=c99
    expect 3 '' ./driver 10 untrained
    must $name/train --data photons.npy --quiet
    conditions=
    [ $name = conditional ] && conditions='--cond photons.npy'
    must $name/sample -n $rows --seed 7 --first 1000 -o $name.npy $conditions
    for compiler in clang gcc; do
        path=$(command -v $compiler) || continue
        for flags in -O0 -O2 '-O3 -march=native'; do
            build "$path" -std=c99 $flags
            must ./driver $rows rows $name.npy
            [ -e $name.rows ] || mv rows $name.rows
            [ ! -e rows ] || cmp $name.rows rows || note_failure "$name: other bits: $compiler $flags"
        done
    done
    must cc -std=c99 -O2 -ffreestanding -c $name/sampler/sampler.c -o sampler.o
    nm -u sampler.o | grep -vwE 'memcpy|memset|_GLOBAL_OFFSET_TABLE_' >asked &&
        note_failure "$name: sampler.c asks for $(cat asked)"
done

# Two models in one program, and the header in C++.
for name in critic noisy; do
    for file in sampler.c sampler.h; do
        sed "s/sampler/$name/g; s/SAMPLER/$name/g" $name/sampler/$file >$name.${file#sampler.}
    done
done
cat >two.c <<'END'
#include "critic.h"
#include "noisy.h"
int main(void) { return critic_trained() + noisy_trained() - 2; }
END
must cc -std=c99 -Wall -Wextra -Werror two.c critic.c noisy.c -o two
must ./two
if command -v c++ >/dev/null; then
    must c++ -fsyntax-only -Wall -Wextra -Werror -x c++ -include critic.h /dev/null
fi
finish
