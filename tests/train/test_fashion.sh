#!/bin/sh
# test_fashion.sh -- Fashion-MNIST as Debian ships it: read, packed once, scored against itself.
. "$GAGAC_TESTS/helpers.sh"
export GAGAC_CACHE_DIR="$PWD/cache"
data=/usr/share/datasets/fashion-mnist
if ! [ -f $data/train-images-idx3-ubyte.gz ]; then
    echo "skipped: no $data; sh scripts/test.sh installs dataset-fashion-mnist as root"
    exit 77
fi
must "$GAGAC" score $data/train-images-idx3-ubyte.gz $data/t10k-images-idx3-ubyte.gz --json
swd=$(grep -m 1 '"swd"' words | tr -dc '0-9.')
error=$(grep -m 1 '"class_error"' words | tr -dc '0-9.')
grep -q '"real_images":.60000' words || note_failure 'not 60,000 images'
grep -q '"classes":.10' words || note_failure 'not ten classes'
awk "BEGIN { exit !($swd > 0 && $swd < 0.05 && $error < 0.1) }" ||
    note_failure "the two halves of Fashion-MNIST differ: swd $swd, classes $error"
expect 0 '60000 images' "$GAGAC" score $data $data/t10k-images-idx3-ubyte.gz
finish
