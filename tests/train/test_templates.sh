#!/bin/sh
# Packaged configs of every kind train a few steps on shapes, and draw a sample.
. "$GAGAC_TESTS/helpers.sh"
export GAGAC_CACHE_DIR="$PWD/cache"
must "$MKSHAPES" -n 40 --size 64 -o shapes.npy

# trains TEMPLATE STEPS [OPTION]...: losses are numbers, weights move, the sample has its size
trains() {
    name=$1 steps=$2
    shift 2
    rm -rf run
    must "$GAGAC" "$name" -o run --data shapes.npy --resize "$@"
    must run/train --steps "$steps" --sample-every 0
    grep -q "^$steps/$steps\|[^0-9]$steps/$steps " words || note_failure "$name: $(cat words)"
    must run/sample -n 2 --direct -o two.npy
    od -An -tf4 -j128 two.npy | grep -qi nan && note_failure "$name: samples are no numbers"
}
trains dcgan 1 -b 2
trains wgan 1 -b 2 -p trainer.d_update_steps=1
trains began 1 -b 2
trains default 2 -s 16x16x3 -b 2 -p trainer.search_steps=3
trains stylegan 1 -b 1
trains progressive_growing/pro16x16 1 -b 2 -p 'trainer.curriculum=[[1, "pro16x16"]]'
trains gang 2 -b 2 -p trainer.mix_steps=1 -p trainer.fitness_test_points=1
trains self-supervised 1 -b 2
trains rolling1 2 -b 2
trains configurable 1 -b 2 -p generator.layer_regularizer=spectral_norm
finish
