#!/bin/sh
# The shipped sampler.c gives the same bits with every compiler and all flags that keep to the
# standard's arithmetic, also where the machine could fuse a product and a sum.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/determinism/configs.sh"

for name in $configs; do
    precision=f32
    [ $name = noisy ] && precision=f64
    must "$GAGAC" $name.json -o $name --precision $precision
    must $name/train --data photons.npy --quiet
    for compiler in clang gcc cc; do
        command -v $compiler >/dev/null || continue
        for flags in -O0 -O2 '-O3 -march=native'; do
            must $compiler -std=c99 $flags -I $name/sampler \
                "$GAGAC_TESTS/determinism/sampler_rows.c" $name/sampler/sampler.c -o rows
            must ./rows 1500 fresh.rows
            [ -e $name.rows ] || cp fresh.rows $name.rows
            cmp $name.rows fresh.rows || note_failure "$name: other bits from $compiler $flags"
        done
    done
done
finish
