#!/bin/sh
# What can go wrong with a GPU: each driver call fails once; no driver, an old one, no GPU, too
# little memory. One sentence, status 6, and a checkpoint that goes on.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/cuda/network.sh"
must "$GAGAC" network.json -o made --target both
GAGAC_CUDA_CODE=ptx
export GAGAC_CUDA_CODE
trained whole --device cuda
trained start --device cuda --iterations 5

# Calls that start a training, then calls that fail while it runs.
for call in cuInit cuDriverGetVersion cuDeviceGetCount cuDeviceGet cuDeviceGetName \
    cuDeviceGetAttribute cuDevicePrimaryCtxRetain cuCtxSetCurrent cuMemGetInfo_v2 cuMemAlloc_v2 \
    cuMemAllocHost_v2 cuMemsetD8Async cuModuleLoadData cuModuleGetFunction cuLaunchKernel \
    cuStreamCreate cuStreamBeginCapture_v2 cuStreamEndCapture cuGraphInstantiateWithFlags \
    cuMemcpyHtoDAsync_v2:2 cuMemcpyDtoHAsync_v2:1 cuStreamSynchronize:3 cuGraphLaunch:3; do
    number=${call#*:}
    [ "$number" = "$call" ] && number=1
    name=${call%:*}
    rm -rf broken
    cp -r start broken
    FAKE_FAIL=$name:$number
    export FAKE_FAIL
    expect 6 'error:' made/train --data photons.npy --run broken --device cuda --quiet
    unset FAKE_FAIL
    grep -q 'CUDA_ERROR_LAUNCH_FAILED' words || note_failure "$name: $(head -n 1 words)"
    must made/train --data photons.npy --run broken --device cuda --quiet
    same "$(newest whole)" "$(newest broken)"
done
FAKE_FAIL=cuLaunchKernel:4 expect 6 'grid' made/train --data photons.npy --run none --device cuda

# Nothing there: a sentence, or the CPU.
GAGAC_LIBCUDA=./none.so
expect 6 'no GPU driver' made/train --data photons.npy --run none --device cuda
expect 0 'training on the CPU' made/train --data photons.npy --run cpu --device auto
expect 0 'training on the CPU' made/train --data photons.npy --run cpu_2
GAGAC_LIBCUDA=$FAKE_CUDA
FAKE_DRIVER=11010 expect 6 'is for CUDA 11.1; 11.2 or later is needed' \
    made/train --data photons.npy --run none --device cuda
FAKE_NO_GPU=1 expect 6 'sees no GPU' made/train --data photons.npy --run none --device cuda
GAGAC_LIBNVRTC=./none.so expect 6 'CUDA compiler' \
    made/train --data photons.npy --run none --device cuda
must "$GAGAC" network.json -o wide --target both -p batch_size=300
FAKE_MEMORY=560000 expect 6 'a batch_size of about' \
    wide/train --data photons.npy --run none --device cuda
FAKE_MEMORY=10000 expect 6 'the nets alone do not fit' \
    wide/train --data photons.npy --run none --device cuda

# A driver before CUDA 11.4 has the older form of a function.
LC_ALL=C sed 's/cuGraphInstantiateWithFlags/cuGraphInstantiateOfLaterOn/g' "$FAKE_CUDA" >old.so
GAGAC_LIBCUDA=./old.so FAKE_LOG=$PWD/calls trained old --device cuda
grep -q '^cuGraphInstantiate_v2$' calls || note_failure 'the older form is not called'
same "$(newest whole)" "$(newest old)"
LC_ALL=C sed 's/cuGraphInstantiate/cuGraphOfOtherName/g' "$FAKE_CUDA" >older.so
GAGAC_LIBCUDA=./older.so expect 6 'it has no cuGraphInstantiate' \
    made/train --data photons.npy --run none --device cuda

# An NVRTC that cannot compile on several cores.
FAKE_OLD_NVRTC=1 GAGAC_CACHE_DIR=$PWD/other trained old_nvrtc --device cuda
same "$(newest whole)" "$(newest old_nvrtc)"

# A damaged entry of the cache is made anew.
GAGAC_CACHE_DIR=$PWD/cache
export GAGAC_CACHE_DIR
must made/train --data photons.npy --run first --device cuda --quiet
for entry in cache/*[0-9a-f]; do
    printf x | dd of="$entry" bs=1 seek=100 conv=notrunc 2>/dev/null
done
must made/train --data photons.npy --run second --device cuda --quiet
same "$(newest first)" "$(newest second)"

# The command line.
expect 2 'did you mean sm_' "$GAGAC" network.json -o x --target cuda --arch sm_09
expect 2 '--arch needs' "$GAGAC" network.json -o x --arch sm_90
expect 2 '--target needs cpu, cuda or both' "$GAGAC" network.json -o x --target gpu
expect 2 '--device is cpu, cuda or auto' made/train --data photons.npy --device tpu
must "$GAGAC" network.json -o host
expect 3 'no code for a GPU' host/train --data photons.npy --device cuda
finish
