#!/bin/sh
# hypergan.sh CASE: the interpreter takes the golden steps of a HyperGAN config; CASE names files in
# golden/hypergan.
. "$GAGAC_TESTS/helpers.sh"
case=$GAGAC_TESTS/golden/hypergan/$1
must "$GAGAC" replay "$case.json" "$case.in.safetensors" interpreted.safetensors
close_to "$case.out.safetensors" interpreted.safetensors 1e-9
finish
