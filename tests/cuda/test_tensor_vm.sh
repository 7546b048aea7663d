#!/bin/sh
# --precision tf32, 3xtf32 and bf16: golden steps of each kind of network on the PTX virtual machine without
# a report, within what rounding to 11 and 8 bits can do; what NVRTC makes of the kernels; the
# command line. Skipped without NVRTC.
. "$GAGAC_TESTS/helpers.sh"
unset GAGAC_LIBNVRTC
export GAGAC_LIBCUDA="$PTXVM_LIBRARY" GAGAC_CUDA_CODE=ptx PTXVM_LOG="$PWD/reports"
golden=$GAGAC_TESTS/golden/gaga

# replayed CASE PRECISION TOLERANCE...
replayed() {
    case=$golden/$1 precision=$2
    shift 2
    must plainly "$GAGAC" "$case.json" -o made --target cuda --precision "$precision"
    run made/train --replay "$case.in.safetensors" --out "out.$precision"
    grep -q 'the CUDA compiler' words && exit 77
    [ "$status" -eq 0 ] || stop_test "$case: $(tail -n 2 words)"
    close_to "$case.out.safetensors" "out.$precision" "$@"
}

# An operand is off by at most u = 2^-11 (tf32) or 2^-8 (bf16) of itself, a product by 2 u. What a
# step leaves has gone through at most 16 products one after the other: two nets of four linears each
# and their way back, twice for a penalty. That makes 32 u of the largest number. Where a sample
# comes so to the other side of a corner (hinge, relu, the largest of a norm) it counts otherwise: up
# to two of a batch may. RMSprop makes whole steps of small gradients; what is reported after such
# steps of D is a small difference of large numbers and not compared.
# both NAME BATCH [PATTERN=TOLERANCE]...
both() {
    name=$1 batch=$2
    shift 2
    replayed "$name" tf32 "$(awk "BEGIN { print 32 / 2048 + 2 / $batch }")" "$@"
    replayed "$name" bf16 "$(awk "BEGIN { print 32 / 256 + 2 / $batch }")" "$@"
}
both v1_wgan_noise_gp_ln_sgd 13
both v3_sn_hinge_0gp_leaky 21
both v3_cond_0gp_adam 18
both v4_pe_input_0gp_cond 16 '*_loss=1'
PTXVM_ARCH=9.0 PTXVM_ORDER=7 replayed v1_wgan_gp_sgd tf32 1.6e-2
"$COMPARE" "$case.out.safetensors" out.tf32 2e-5 >/dev/null && note_failure 'tf32 rounds nothing'
# Split numbers are as good as single precision.
replayed v1_wgan_gp_sgd 3xtf32 2e-5
replayed v3_cond_0gp_adam 3xtf32 2e-4 'D.*.bias=2e-3'
[ -s reports ] && note_failure "$(head -n 3 reports)"

# An older GPU is refused.
PTXVM_ARCH=7.5 expect 6 'no tensor cores' made/train --replay "$case.in.safetensors" --out none

# Tensor cores multiply in every product, without a spill.
for precision in tf32 3xtf32 bf16; do
    run "$GAGAC" bench "$GAGAC_TESTS/../configs/gaga/linac_3x400.json" --device cuda --static \
        --json --precision $precision --arch sm_80,sm_90,sm_120
    [ "$status" -eq 0 ] || stop_test "$precision: $(tail -n 2 words)"
    sed -n 's/.*"kernel": "\([^"]*\)", "arch": "\([^"]*\)".*"spills": \([0-9]*\).*"local": \([0-9]*\).*"tensor": \([0-9]*\).*/\2 \1 \3 \4 \5/p' words >figures
    grep -q 'sm_120 weight_gradient' figures || note_failure "no figures in $precision"
    awk '$3 > 0 || $4 > 0 || (/ (linear|back|weight_gradient)_/ && $5 == 0)' figures >worse
    [ -s worse ] && note_failure "$precision: $(cat worse)"
done

# Times of every launch, on the machine that runs the kernels.
. "$GAGAC_TESTS/cuda/network.sh"
must "$GAGAC" bench network.json --device cuda --precision bf16
grep -q 'weight_gradient_9x9 .* ms' words || note_failure "no times: $(tail -n 2 words)"

# The command line.
case=$golden/v1_wgan_gp_sgd
expect 2 'tensor cores of a GPU' "$GAGAC" "$case.json" -o x --precision tf32
expect 2 'no tensor cores for bf16' "$GAGAC" "$case.json" -o x --target both --precision bf16 \
    --arch sm_80,sm_75
expect 2 'f32, f64, tf32, 3xtf32 or bf16' "$GAGAC" "$case.json" -o x --precision f16
finish
