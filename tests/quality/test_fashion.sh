#!/bin/sh
# A training on Fashion-MNIST, 32 x 32, of some minutes: patches near those of pictures that no
# training saw, and at least eight of the ten kinds of clothes. Two cores take two minutes.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/train/fashion.sh"
config fashion 24 'linear 4*4*96' 'resize_conv 64' 'resize_conv 32' 'conv 24' 'conv 48' 'conv 96' \
    'decay(range=0.0005:0.00005 steps=3000)'
must "$GAGAC" fashion.json -o run --data $data --crop
train_to 1
expect_far 0.5
train_to 3000
expect_near 0.1 8 0.35
finish
