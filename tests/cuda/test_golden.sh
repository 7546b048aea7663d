#!/bin/sh
# The golden steps of the GAGA dialect on the tests' own driver: one of each kind of network.
. "$GAGAC_TESTS/helpers.sh"
export GAGAC_LIBCUDA="$FAKE_CUDA" GAGAC_LIBNVRTC="$FAKE_CUDA" GAGAC_CUDA_CODE=ptx
for name in v1_bce_gpmax_ln_rmsprop v1_wgan_noise_gp_ln_sgd v3_sn_hinge_0gp_leaky \
    v4_pe_input_0gp_cond; do
    case=$GAGAC_TESTS/golden/gaga/$name
    must plainly "$GAGAC" "$case.json" -o f64 --target cuda --precision f64
    must f64/train --replay "$case.in.safetensors" --out f64.safetensors
    close_to "$case.out.safetensors" f64.safetensors 1e-9
done
must plainly "$GAGAC" "$case.json" -o f32 --target cuda
must f32/train --replay "$case.in.safetensors" --out f32.safetensors
close_to "$case.out.safetensors" f32.safetensors 2e-4 'D.*.bias=2e-3'
finish
