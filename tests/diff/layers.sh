#!/bin/sh
# layers.sh NUMBER: random HyperGAN networks, compiled in several ways, take the steps of the
# interpreter. GAGAC_DIFF_SEED chooses other ones.
. "$GAGAC_TESTS/helpers.sh"
seed=$((${GAGAC_DIFF_SEED:-0} + $1))

# replay TOLERANCE OPTION...: compiles with the options and compares with the interpreter
replay() {
    tolerance=$1
    shift
    must "$GAGAC" case.json -o run "$@"
    must run/train --replay case.in.safetensors --out found.safetensors
    close_to interpreted.safetensors found.safetensors "$tolerance"
}

# Three networks a number: each in the usual way, and one in another one too.
for case in 0 1 2; do
    must "$RANDOM_LAYERS" $((seed * 3 + case)) case
    must "$GAGAC" replay case.json case.in.safetensors interpreted.safetensors
    replay 1e-8 --precision f64
    if [ "$case" = $((seed % 3)) ]; then
        case $((seed / 3 % 3)) in
        0) replay 1e-8 --precision f64 --plain ;;
        1) replay 1e-8 --precision f64 --isa generic ;;
        2) cpu_has avx2 fma && replay 1e-8 --precision f64 --isa avx2 ;;
        esac
    fi
    [ "$failures" -eq 0 ] || { cat case.json && break; }
done
finish
