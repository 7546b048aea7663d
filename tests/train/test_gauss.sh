#!/bin/sh
# Known truth: a training on a Gaussian comes to the noise of finite samples; three iterations do
# not.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/train/scores.sh"
must "$MKPHSP" --gauss v1 -n 800000 --seed 1 -o gauss.npy
must "$MKPHSP" --gauss v1 -n 200000 --seed 2 -o test.npy
must "$GAGAC" "$GAGAC_TESTS/../configs/gaga/gauss.json" -o run --data gauss.npy

must run/train --iterations 3
must run/sample -n 100000 -o early.npy
above sw1 0.1 test.npy early.npy

must run/train
must run/sample -n 100000 -o rows.npy
at_most sw1 0.012 test.npy rows.npy
finish
