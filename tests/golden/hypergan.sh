#!/bin/sh
# hypergan.sh CASE: the interpreter and the compiled programs take the golden steps of a HyperGAN
# config; CASE names files in golden/hypergan.
. "$GAGAC_TESTS/helpers.sh"
case=$GAGAC_TESTS/golden/hypergan/$1

# replay TOLERANCE OPTION...: in double precision, which compares the steps to the last digits,
# compiled plainly; networks in single precision and those of diff/ are compiled as they ship
replay() {
    tolerance=$1
    shift
    case " $* " in
    *' f64 '*) must plainly "$GAGAC" "$case.json" -o run "$@" ;;
    *) must "$GAGAC" "$case.json" -o run "$@" ;;
    esac
    must run/train --replay "$case.in.safetensors" --out found.safetensors
    close_to "$case.out.safetensors" found.safetensors "$tolerance"
}

must "$GAGAC" replay "$case.json" "$case.in.safetensors" interpreted.safetensors
close_to "$case.out.safetensors" interpreted.safetensors 1e-9
replay 1e-9 --precision f64

# Other ways to compile for some of each kind.
case $1 in
seed_networks | began_wgan | consensus_conv | deconv_k4_k3_s2 | attention | lists | penalty_input)
    replay 2e-4
    replay 1e-9 --precision f64 --plain
    ;;
act_smooth | noise | trainer_flat_adam | shared_names | conv_pools_odd)
    replay 2e-4 --isa generic
    cpu_has avx2 fma && replay 1e-9 --precision f64 --isa avx2
    ;;
esac
finish
