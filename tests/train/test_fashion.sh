#!/bin/sh
# Fashion-MNIST as Debian ships it, 32 x 32: read, packed once, scored against itself; a training of
# half a minute comes near it. quality/test_fashion.sh trains longer.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/train/fashion.sh"
must "$GAGAC" score $data/train-images-idx3-ubyte.gz $data/t10k-images-idx3-ubyte.gz --json
swd=$(grep -m 1 '"swd"' words | tr -dc '0-9.')
error=$(grep -m 1 '"class_error"' words | tr -dc '0-9.')
grep -q '"real_images":.60000' words || note_failure 'not 60,000 images'
grep -q '"classes":.10' words || note_failure 'not ten classes'
awk "BEGIN { exit !($swd > 0 && $swd < 0.05 && $error < 0.1) }" ||
    note_failure "the two halves of Fashion-MNIST differ: swd $swd, classes $error"
expect 0 '60000 images' "$GAGAC" score $data $data/t10k-images-idx3-ubyte.gz

config small 24 64 48 24 16 32 64 'decay(range=0.0005:0.0001 steps=2000)'
must "$GAGAC" small.json -o run --data $data --crop
train_to 1
expect_far 0.3
train_to 500
expect_near 0.15 7 0.4
finish
