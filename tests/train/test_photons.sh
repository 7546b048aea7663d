#!/bin/sh
# A short training on the photons of mkphsp, with the settings of configs/gaga/photons.json, in one
# go by `gagac train`: bounds on the scores of rows that the training has not seen.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/train/scores.sh"
must "$MKPHSP" -n 100000 --seed 1 -o photons.npy
must "$MKPHSP" -n 50000 --seed 2 -o test.npy
must "$GAGAC" train "$GAGAC_TESTS/../configs/gaga/photons.json" --data photons.npy -o run --seed 3
must run/sample -n 100000 -o rows.npy
at_most sw1 0.0321 test.npy rows.npy
at_most sw1q 0.0293 test.npy rows.npy
at_most mean_ks 0.0196 test.npy rows.npy

# The dialect of 2019: binary cross-entropy, no penalty, Adam.
must "$GAGAC" "$GAGAC_TESTS/../configs/gaga/photons_bce.json" -o bce
must bce/train --data photons.npy --iterations 1000
must bce/sample -n 50000 -o bce.npy
at_most sw1 0.11 test.npy bce.npy
finish
