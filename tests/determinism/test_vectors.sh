#!/bin/sh
# The functions, draws and transposes of generated code give the same bits for every vector length,
# instruction set, compiler and optimisation, and the bits of vectors.expected on every machine.
set -eu
here=$GAGAC_TESTS/determinism
failed=0

# check COMPILER FLAGS...: both precisions against the expected bits
check()
{
    for precision in f32 f64; do
        define=-U_
        test $precision = f64 && define=-DGAGAC_F64
        "$@" -std=c11 -ffp-contract=off $define -I "$here/../../runtime/kernel" "$here/vectors.c" \
            -o vectors -lm
        ./vectors | sed "s/^/$precision /"
    done > vectors.out
    if cmp -s vectors.out "$here/vectors.expected"; then
        echo "same bits: $*"
    else
        echo "other bits: $*"
        diff "$here/vectors.expected" vectors.out || failed=1
    fi
}

cpu_has()
{
    for flag; do
        grep -qw "$flag" /proc/cpuinfo || return 1
    done
}

for compiler in clang clang-19 clang-16 clang-14 gcc gcc-12 gcc-13 gcc-14 cc; do
    path=$(command -v $compiler) || continue
    path=$(readlink -f "$path")
    case " ${seen-} " in *" $path "*) continue ;; esac
    seen="${seen-} $path"
    check $compiler -O0
    check $compiler -O2
    cpu_has fma && check $compiler -O2 -mfma
    cpu_has avx2 fma bmi2 && check $compiler -O2 -march=x86-64-v3 -DGAGAC_VECTOR_BYTES=32
    cpu_has avx512f avx512bw avx512dq avx512vl &&
        check $compiler -O2 -march=x86-64-v4 -mprefer-vector-width=512 -DGAGAC_VECTOR_BYTES=64
done
test -n "${seen-}" || { echo "no compiler found"; exit 1; }
exit $failed
