#!/bin/sh
# compare.sh NUMBER: a random config, compiled in several ways, takes the steps of the interpreter.
# GAGAC_DIFF_SEED chooses other configs: a multiple of 1000 is usual.
. "$GAGAC_TESTS/helpers.sh"
seed=$((${GAGAC_DIFF_SEED:-0} + $1))
must "$RANDOM_CASE" $seed case
must "$GAGAC" replay case.json case.in.safetensors interpreted.safetensors

# replay TOLERANCE OPTION...: compiles with the options and compares with the interpreter
replay() {
    tolerance=$1
    shift
    must "$GAGAC" case.json -o run "$@"
    must run/train --replay case.in.safetensors --out found.safetensors
    close_to interpreted.safetensors found.safetensors "$tolerance"
}

f64=1e-9 f32=5e-3
replay $f64 --precision f64
replay $f32
case $((seed % 4)) in
0) replay $f64 --precision f64 --plain ;;
1) replay $f32 --plain ;;
2) replay $f64 --precision f64 --isa generic ;;
3) cpu_has avx2 fma && replay $f64 --precision f64 --isa avx2 ;;
esac
[ "$failures" -eq 0 ] || cat case.json
finish
