#!/bin/sh
# The shipped sampler.cu on the PTX virtual machine makes the rows of sampler.c: NVRTC compiles it as
# it is, without a word, and its host side calls the machine through a runtime of the tests' own.
# nvcc takes it too, where it is there. Skipped without NVRTC.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/determinism/configs.sh"
unset GAGAC_LIBNVRTC
export GAGAC_LIBCUDA="$PTXVM_LIBRARY" PTXVM_LOG="$PWD/reports"
tests=$GAGAC_TESTS/cuda/sampler
nvcc=${CUDA_HOME:-/usr/local/cuda}/bin/nvcc

must cc -O1 -c "$tests/runtime.c" -o runtime.o
# built NAME PROGRAM: NAME_host and NAME_device from NAME/sampler
built() {
    must cc -std=c99 -O1 -I $1/sampler "$tests/$2.c" $1/sampler/sampler.c -o $1_host
    must c++ -std=c++17 -O1 -w -I $1/sampler -I "$tests" -x c++ -c $1/sampler/sampler.cu -o device.o
    must cc -std=c99 -O1 -DDEVICE -I $1/sampler -c "$tests/$2.c" -o calls.o
    must c++ -rdynamic calls.o device.o runtime.o -ldl -o $1_device
    must ./$1_host
    cp words $1_host.txt
    SAMPLER_CU=$1/sampler/sampler.cu run ./$1_device
    [ "$status" -eq 77 ] && exit 77
    [ "$status" -eq 0 ] || stop_test "$1: $status $(tail -n 2 words)"
    cp words $1_device.txt
    if [ -x "$nvcc" ] && [ $1 != noisy ] && [ $1 != mixed ]; then
        must "$nvcc" -O3 -fmad=false -Werror all-warnings -arch=sm_80 -c $1/sampler/sampler.cu -o n.o
        grep -q warning words && note_failure "nvcc: $(head -n 2 words)"
    fi
}

# alike NAME TOLERANCE: the same words, and numbers within TOLERANCE of the larger of 1 and their size
alike() {
    paste -d ' ' $1_host.txt $1_device.txt | awk -v most=$2 '
        { half = NF / 2
          for (k = 1; k <= half; k++) {
              a = $k; b = $(k + half)
              if (a == b) continue
              d = a - b; size = (a < 0 ? -a : a) + 1
              if (k < 3 || d != d || (d < 0 ? -d : d) > most * size) { print "line " NR ": " $0; bad = 1; exit }
          } }
        END { exit bad || NR < 100 }' >differences || note_failure "$1: $(head -n 1 differences)"
}

for name in $configs; do
    precision=f32 tolerance=2e-5
    [ $name = noisy ] && precision=f64 tolerance=2e-6
    must "$GAGAC" $name.json -o $name --precision $precision --target both
    must $name/train --data photons.npy --device cpu --iterations 10 --quiet
    built $name rows
    alike $name $tolerance
done
# Images: a byte may round to the other side.
must "$MKSHAPES" -o shapes.npy -n 60 --size 8 --channels 3
# In the second network samples mix, so each is made alone.
sed -e 's/resize_conv 2/resize_conv 3/' -e 's/"channels": 2/"channels": 3/' \
    "$GAGAC_TESTS/golden/hypergan/minibatch.json" >mixed.json
cp "$GAGAC_TESTS/cuda/images.json" pictures.json
for name in pictures mixed; do
    must "$GAGAC" $name.json -o $name --target both
    must $name/train --data shapes.npy --device cpu --iterations 2 --quiet
    built $name images
    alike $name 4e-3
done

PTXVM_ARCH=7.5 SAMPLER_CU=critic/sampler/sampler.cu must ./critic_device
cmp -s words critic_device.txt || note_failure 'other rows on sm_75'
for call in cudaMalloc:1 cudaStreamCreateWithFlags:1 cudaMemcpyAsync:1 cudaLaunchKernel:2 \
    cudaStreamSynchronize:1; do
    SAMPLER_CU=critic/sampler/sampler.cu RUNTIME_FAIL=$call run ./critic_device
    [ "$status" -eq 3 ] || note_failure "$call fails: $status"
done
[ -s reports ] && note_failure "$(head -n 3 reports)"
finish
