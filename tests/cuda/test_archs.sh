# The tests of instructions on every architecture that NVRTC emits PTX for, and with blocks and
# warps in other orders.
programs=$(dirname "$PTXVM_LIBRARY")/..
unset GAGAC_LIBCUDA

run()
{
    "$programs/cuda.$1" >log 2>&1
    status=$?
    test $status -eq 77 && exit 77
    if test $status -ne 0; then
        cat log
        echo "$1 fails: arch '$PTXVM_ARCH', order '$PTXVM_ORDER', check '$PTXVM_CHECK'"
        exit 1
    fi
}

for PTXVM_ARCH in 7.5 8.6 9.0 10.0 12.0; do
    export PTXVM_ARCH
    run test_arith
    run test_collective
done
PTXVM_ARCH=8.0

# Under the driver's own name: NVRTC finds it there, starts it and asks it for tables.
mkdir -p driver
ln -sf "$PTXVM_LIBRARY" driver/libcuda.so.1
(
    LD_LIBRARY_PATH=$PWD/driver
    export LD_LIBRARY_PATH
    run test_stat
) || exit 1

for PTXVM_ORDER in 1 2; do
    export PTXVM_ORDER
    run test_collective
    run test_faults
done
unset PTXVM_ORDER
export PTXVM_CHECK=0
run test_arith
export PTXVM_THREADS=2
run test_collective
