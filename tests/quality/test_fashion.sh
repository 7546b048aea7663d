#!/bin/sh
# A training on Fashion-MNIST, 32 x 32, of some minutes: patches near those of pictures that no
# training saw, and at least eight of the ten kinds of clothes. Two cores take one.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/train/fashion.sh"
config fashion 24 96 64 32 24 48 96 'decay(range=0.0005:0.0001 steps=2000)'
must "$GAGAC" fashion.json -o run --data $data --crop
train_to 1
expect_far 0.3
train_to 1000
expect_near 0.1 8 0.35
finish
