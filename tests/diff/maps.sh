#!/bin/sh
# maps.sh SEED: random graphs over images, emitted in the wide order, beside the interpreter.
. "$GAGAC_TESTS/helpers.sh"
seed=$1
compiler=clang
command -v clang >/dev/null 2>&1 || compiler=cc

# agree BATCH SET PRECISION FLAG...: value and first derivatives; second ones lose digits, and in
# single precision the value alone is compared
agree() {
    batch=$1 set=$2 precision=$3
    shift 3
    tolerance=1e-9 sums=4
    [ "$precision" = f64 ] || tolerance=1e-3 sums=2
    must "$RANDOM_MAPS" "$seed" "$batch" "$set" "$precision" .
    [ "$precision" = f32 ] || set -- "$@" -DGAGAC_F64
    for room in "$GAGAC_TESTS"/../runtime "$GAGAC_TESTS"/../runtime/*/; do
        set -- "$@" -I "$room"
    done
    must $compiler -std=gnu11 -O1 -ffp-contract=off -Wall -Wextra -Werror "$@" maps.c runtime.a \
        -o maps -lm -pthread
    ./maps >found
    awk -v tolerance="$tolerance" -v sums="$sums" '
        NR == FNR { for (i = 2; i < 5; i++) want[$1 i] = $i; next }
        { for (i = 2; i <= sums; i++) {
            size = want[$1 i] < 0 ? -want[$1 i] : want[$1 i]; off = $i - want[$1 i]
            off = off < 0 ? -off : off; lines++
            limit = tolerance * (size > 1e-3 ? size : 1e-3) * (i == 4 ? 1000 : 1)
            if (!(off <= limit)) {
                print "seed '"$seed $batch $set $precision"':", $1, $i, "is not", want[$1 i]; bad = 1 } } }
        END { exit bad || lines != 4 * (sums - 1) }' expected found ||
        note_failure "seed $seed, batch $batch, $set, $precision"
}

# rows of whole vectors, of any length, and of single images, whose maps are one row
case $((seed % 3)) in
0) lanes=16 ;;
1) lanes=6 ;;
*) lanes=1 ;;
esac
agree 3 plain f64
agree 5 generic f32
if cpu_has avx512f avx512dq avx512bw avx512vl; then
    agree $lanes avx512 f64 -march=skylake-avx512 -mprefer-vector-width=512 -DGAGAC_VECTOR_BYTES=64
elif cpu_has avx2 fma; then
    agree $lanes avx2 f64 -mavx2 -mfma -DGAGAC_VECTOR_BYTES=32
fi
finish
