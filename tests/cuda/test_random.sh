#!/bin/sh
# Random configs take the steps of the interpreter on a GPU: on the PTX virtual machine, the first of
# them without NVRTC too. GAGAC_DIFF_SEED chooses other configs: a multiple of 1000 is usual.
. "$GAGAC_TESTS/helpers.sh"
first=$((${GAGAC_DIFF_SEED:-0} + 101))
export GAGAC_CUDA_CODE=ptx PTXVM_LOG="$PWD/reports"

# replayed SEED PRECISION TOLERANCE
replayed() {
    must "$RANDOM_CASE" $1 case
    must "$GAGAC" replay case.json case.in.safetensors interpreted.safetensors
    must plainly "$GAGAC" case.json -o made --target cuda --precision $2
    run made/train --replay case.in.safetensors --out found.safetensors
    grep -q 'the CUDA compiler' words && finish
    [ "$status" -eq 0 ] || stop_test "seed $1: $(tail -n 2 words)"
    close_to interpreted.safetensors found.safetensors $3
    [ "$failures" -eq 0 ] || cat case.json
}

export GAGAC_LIBCUDA="$FAKE_CUDA" GAGAC_LIBNVRTC="$FAKE_CUDA"
replayed $((first + 1)) f64 1e-9
unset GAGAC_LIBNVRTC
export GAGAC_LIBCUDA="$PTXVM_LIBRARY"
for number in 1 2 3 4; do
    replayed $((first + number)) f64 1e-9
done
replayed $((first + 2)) f32 5e-3
[ -s reports ] && note_failure "$(head -n 3 reports)"
finish
