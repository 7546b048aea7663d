#!/bin/sh
# replay.sh CASE: the programs compiled from a golden config and the interpreter take the golden
# steps; CASE names files in golden/gaga.
. "$GAGAC_TESTS/helpers.sh"
case=$GAGAC_TESTS/golden/gaga/$1

# replay NAME OPTION...: compiles with the options and replays to NAME.safetensors; in double
# precision, which compares the steps to the last digits, plainly
replay() {
    name=$1
    shift
    case " $* " in
    *' f64 '*) must plainly "$GAGAC" "$case.json" -o "$name" "$@" ;;
    *) must "$GAGAC" "$case.json" -o "$name" "$@" ;;
    esac
    must "$name/train" --replay "$case.in.safetensors" --out "$name.safetensors"
}

# Biases of D that only rounding moves: see golden/gaga/README.md.
wide=
if grep -q '"optimiser": "\(RMSprop\|adam\)"' "$case.json" && ! grep -q '"epoch": 1,' "$case.json"
then
    wide='D.*.bias=2e-3'
fi

must "$GAGAC" replay "$case.json" "$case.in.safetensors" interpreted.safetensors
close_to "$case.out.safetensors" interpreted.safetensors 1e-9
replay f64 --precision f64
close_to "$case.out.safetensors" f64.safetensors 1e-9
replay f32
close_to "$case.out.safetensors" f32.safetensors 2e-4 $wide

# Other ways to compile for one case of each kind of network.
case $1 in
v1_bce_gpmax_ln_rmsprop | v3_sn_hinge_0gp_leaky | v3_wgan_l2ls_adam | v4_pe_input_0gp_cond)
    for options in --plain '--isa generic' '--isa avx2' --wide '--wide --plain' '--wide --isa avx2'; do
        cpu_has avx2 fma || [ "${options%avx2}" = "$options" ] || continue
        replay other $options
        close_to "$case.out.safetensors" other.safetensors 2e-4 $wide
        replay other --precision f64 $options
        close_to "$case.out.safetensors" other.safetensors 1e-9
    done
    ;;
esac
finish
