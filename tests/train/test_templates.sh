#!/bin/sh
# Packaged configs of every kind train some steps on shapes, and draw a sample.
. "$GAGAC_TESTS/helpers.sh"
export GAGAC_CACHE_DIR="$PWD/cache"
must "$MKSHAPES" -n 40 --size 64 -o shapes.npy

# finite FILE: samples are numbers, and not all the same
finite() {
    od -An -v -tf4 -w4 -j128 "$1" >numbers
    grep -qi 'nan\|inf' numbers && note_failure "$name: samples are no numbers"
    [ "$(sort -u numbers | head -n 9 | wc -l)" -gt 8 ] || note_failure "$name: the samples are flat"
}

# trains TEMPLATE STEPS [OPTION]...: losses are numbers, the weights of both networks move with
# every step, the sample has its size
trains() {
    name=$1 steps=$2
    shift 2
    rm -rf run
    must "$GAGAC" "$name" -o run --data shapes.npy --resize "$@"
    must run/train --steps $((steps - 1)) --sample-every 0
    before=$(newest run)
    must run/train --steps "$steps" --sample-every 0
    grep -q "^$steps/$steps\|[^0-9]$steps/$steps " words || note_failure "$name: $(cat words)"
    grep -qi 'loss -*\(nan\|inf\)' words && note_failure "$name: $(cat words)"
    moved "$before" "$(newest run)"
    must run/sample -n 2 --direct -o two.npy
    finite two.npy
}

# moved A B: some weights of G and of D are others
moved() {
    "$COMPARE" "$1" "$2" 0 >differences 2>&1
    for side in G D; do
        grep -q "'$side\.[0-9]*\.[a-z0-9.]*' is off" differences ||
            note_failure "$name: the weights of $side did not move"
    done
}
trains dcgan-configurable 3 -b 2
trains dcgan 2 -b 2
trains wgan 3 -b 2 -p trainer.d_update_steps=2
trains began 2 -b 2
trains default 3 -s 16x16x3 -b 2 -p trainer.search_steps=3
trains stylegan 2 -b 1
trains gang 3 -b 2 -p trainer.mix_steps=1 -p trainer.fitness_test_points=1
trains self-supervised 2 -b 2
trains configurable 2 -b 2 -p generator.layer_regularizer=spectral_norm

# the curriculum of the packaged sizes, with fewer steps: from 8 x 8 to 16 x 16 and 32 x 32, the new
# layers fading in while those with names go on
name=progressive
list='trainer.curriculum=[[3, "progressive_growing/pro8x8"], [4, "progressive_growing/pro16x16"],
    [3, "progressive_growing/pro32x32"]]'
must "$GAGAC" progressive_growing/pro8x8 -o grown --data shapes.npy -b 2 -p "$list"
must grown/train --steps 3
[ "$(cat grown/stage 2>/dev/null || echo 0)" -le 1 ] || note_failure 'a stage too far'
expect 0 'new in stage 1' grown/train --steps 7
grep -q 'g4\|G\.0\.weight' words && note_failure 'the first layer of G did not go on'
must grown/sample -n 2 --direct -o two.npy
head -c 120 two.npy | grep -aq '(2, 16, 16, 3)' || note_failure 'samples are not of 16 x 16'
finite two.npy
must grown/train
[ "$(cat grown/stage)" = 2 ] || note_failure 'the third size was not reached'
must grown/sample -n 2 --direct -o two.npy
head -c 120 two.npy | grep -aq '(2, 32, 32, 3)' || note_failure 'samples are not of 32 x 32'
finite two.npy
finish
