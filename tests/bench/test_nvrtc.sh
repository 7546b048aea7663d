#!/bin/sh
# What compiling the kernels of the 3x400 networks takes: processor time of the whole command, with
# nothing cached and from the cache. Skipped without NVRTC. The gates are loose, as in test_speed.sh:
# 6 s are 3 s on two cores; how much code there is test_static.sh watches to the instruction.
. "$GAGAC_TESTS/helpers.sh"
unset GAGAC_LIBNVRTC
"$GAGAC" doctor | grep -q 'NVRTC *[0-9]' || exit 77
GAGAC_CACHE_DIR=$PWD/cache
export GAGAC_CACHE_DIR
penalty='-p penalty_type=GP_L2_LS -p penalty_weight=10 -p activation=leaky_relu'

# spent COMMAND...: its processor time goes to $seconds
spent() {
    times >before
    must "$@"
    times >after
    seconds=$(awk 'FNR == 2 { for (k = 1; k <= 2; k++) { split($k, part, "[ms]");
        sum[NR > 2] += 60 * part[1] + part[2] } } END { printf "%.2f", sum[1] - sum[0] }' \
        before after)
}

for options in '--arch sm_80' "--arch sm_90 $penalty"; do
    set -- "$GAGAC" "$GAGAC_TESTS/../configs/gaga/linac_3x400.json" -o made --target cuda \
        --emit-only $options
    spent "$@"
    cold=$seconds warm=$seconds
    cp made/src/cuda.c first
    for attempt in 1 2 3; do
        spent "$@"
        warm=$(awk -v a="$warm" -v b="$seconds" 'BEGIN { print a < b ? a : b }')
    done
    cmp -s first made/src/cuda.c || note_failure "other code from the cache: $options"
    echo "$options: $cold s of processor time, $warm s from the cache"
    awk -v c="$cold" -v w="$warm" 'BEGIN { exit !(c <= 6 && w <= c / 10) }' ||
        note_failure "slow: $options"
done
finish
