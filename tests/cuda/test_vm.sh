#!/bin/sh
# What NVRTC makes of the kernels runs on the PTX virtual machine without a report: golden steps of
# each kind of network, single steps with convolutions, a training; on old and new architectures, and
# with blocks and warps in another order. Skipped without NVRTC.
. "$GAGAC_TESTS/helpers.sh"
unset GAGAC_LIBNVRTC
export GAGAC_LIBCUDA="$PTXVM_LIBRARY" GAGAC_CUDA_CODE=ptx PTXVM_LOG="$PWD/reports"

# replayed CASE PRECISION TOLERANCE...
replayed() {
    case=$GAGAC_TESTS/golden/$1 precision=$2
    shift 2
    must plainly "$GAGAC" "$case.json" -o made --target cuda --precision "$precision"
    run made/train --replay "$case.in.safetensors" --out out.safetensors
    grep -q 'the CUDA compiler' words && exit 77
    [ "$status" -eq 0 ] || stop_test "$case: $(tail -n 2 words)"
    close_to "$case.out.safetensors" out.safetensors "$@"
}

for name in v1_bce_gpmax_ln_rmsprop v1_wgan_noise_gp_ln_sgd v3_sn_hinge_0gp_leaky v3_cond_0gp_adam \
    v4_pe_input_0gp_cond; do
    replayed gaga/$name f32 2e-4 'D.*.bias=2e-3'
done
PTXVM_ARCH=7.5 replayed gaga/v1_wgan_gp_sgd f32 2e-4
PTXVM_ARCH=9.0 PTXVM_ORDER=7 replayed gaga/v1_wgan_gp_sgd f32 2e-4

for name in attention; do
    [ -f "$GAGAC_TESTS/golden/hypergan/$name.json" ] && replayed hypergan/$name f64 1e-9
done

ops=$(dirname "$COMPARE")/cuda.test_ops
must "$ops"
PTXVM_ARCH=7.5 PTXVM_ORDER=3 must "$ops"
PTXVM_ARCH=7.5 PTXVM_ORDER=3 must "$(dirname "$COMPARE")/cuda.test_chain"

# The same draws and rows as on the CPU, three iterations and a pause, 0.1 s for the cached code.
. "$GAGAC_TESTS/cuda/network.sh"
must "$GAGAC" network.json -o made --target both --precision f64
trained cpu --device cpu --iterations 3
trained gpu --device cuda --iterations 2
trained gpu --device cuda --iterations 3
close_to "$(newest cpu)" "$(newest gpu)" 1e-9

# Images: convolutions, pooling, a data set of pixels, the whole of it there or a window.
must "$MKSHAPES" -o shapes.npy -n 60 --size 8 --channels 3
must "$GAGAC" "$GAGAC_TESTS/cuda/images.json" -o pictures --target both --precision f64
for device in cpu cuda; do
    must pictures/train --data shapes.npy --run pictures_$device --device $device --iterations 3 \
        --quiet
done
close_to "$(newest pictures_cpu)" "$(newest pictures_cuda)" 1e-9
GAGAC_CUDA_DATA=30000 must pictures/train --data shapes.npy --run pictures_window --device cuda \
    --iterations 3 --quiet
same "$(newest pictures_cuda)" "$(newest pictures_window)"

# Shaken weights, chosen pictures, inner trainings, memories.
must "$MKSHAPES" -o grey.npy -n 60 --size 8 --channels 1
must "$GAGAC" "$GAGAC_TESTS/cuda/hooked.json" -o hooked --target both --precision f64
for device in cpu cuda; do
    must hooked/train --data grey.npy --run hooked_$device --device $device --iterations 3 --quiet
done
close_to "$(newest hooked_cpu)" "$(newest hooked_cuda)" 1e-9
[ -s reports ] && note_failure "$(head -n 3 reports)"
finish
