#!/bin/sh
# Packaged configs of every kind train some steps on shapes, and draw a sample.
. "$GAGAC_TESTS/helpers.sh"
must "$MKSHAPES" -n 40 --size 64 -o shapes.npy

# finite FILE: samples are numbers, and not all the same
finite() {
    od -An -v -tf4 -w4 -j128 "$1" >numbers
    grep -qi 'nan\|inf' numbers && note_failure "$name: samples are no numbers"
    [ "$(sort -u numbers | head -n 9 | wc -l)" -gt 8 ] || note_failure "$name: the samples are flat"
}

# trains TEMPLATE STEPS [OPTION]...: losses are numbers, the sample has its size
trains() {
    name=$1 steps=$2
    shift 2
    rm -rf run
    must "$GAGAC" "$name" -o run --data shapes.npy --resize "$@"
    must run/train --steps "$steps" --sample-every 0
    grep -q "^$steps/$steps\|[^0-9]$steps/$steps " words || note_failure "$name: $(cat words)"
    grep -qi 'loss -*\(nan\|inf\)' words && note_failure "$name: $(cat words)"
    must run/sample -n 2 --direct -o two.npy
    finite two.npy
}

# moves: one more step changes some weights of G and of D
moves() {
    before=$(newest run)
    must run/train --steps $((steps + 1)) --sample-every 0
    "$COMPARE" "$before" "$(newest run)" 0 >differences 2>&1
    for side in G D; do
        grep -q "'$side\.[0-9]*\.[a-z0-9.]*' is off" differences ||
            note_failure "$name: the weights of $side did not move"
    done
}
trains dcgan-configurable 2 -b 2
trains dcgan 1 -b 2
trains wgan 2 -b 2 -p trainer.d_update_steps=2
trains began 2 -b 2
trains default 2 -s 16x16x3 -b 2 -p trainer.search_steps=3
moves
trains stylegan 1 -b 1
trains gang 2 -b 2 -p trainer.mix_steps=1 -p trainer.fitness_test_points=1
trains self-supervised 1 -b 2
trains rolling1 2 -b 2
trains configurable 2 -b 2 -p generator.layer_regularizer=spectral_norm
moves

# the curriculum of the packaged sizes, with fewer steps: from 8 x 8 to 16 x 16, where new layers fade
# in and those with names go on
name=progressive
list='trainer.curriculum=[[3, "progressive_growing/pro8x8"], [4, "progressive_growing/pro16x16"]]'
must "$GAGAC" progressive_growing/pro8x8 -o grown --data shapes.npy -b 2 -p "$list"
must grown/train --steps 2
[ "$(cat grown/stage 2>/dev/null || echo 0)" = 0 ] || note_failure 'the second size came too early'
expect 0 'new in stage 1' grown/train
grep -q 'G\.0\.' words && note_failure 'the first layer of G did not go on'
[ "$(cat grown/stage)" = 1 ] || note_failure 'the second size was not reached'
must grown/sample -n 2 --direct -o two.npy
head -c 120 two.npy | grep -aq '(2, 16, 16, 3)' || note_failure 'samples are not of 16 x 16'
finite two.npy
finish
