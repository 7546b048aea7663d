#!/bin/sh
# The short settings (configs/gaga/electron.json, photons.json) on real phase space, seeds 1, 2, 3,
# each scored on 100,000 rows: the mean of every score stays below its bound (docs/quality.md).
# Skipped where the data are not there.
. "$GAGAC_TESTS/helpers.sh"
data=${GAGAC_TEST_DATA:-$GAGAC_TESTS/../../shared/data}
[ -f "$data/electron_train.npy" ] || exit 77

# train_and_score CONFIG DATA: writes CONFIG.SEED.json
train_and_score() {
    must "$GAGAC" "$GAGAC_TESTS/../configs/gaga/$1.json" -o "$1"
    for seed in 1 2 3; do
        must "$1/train" --data "$data/$2_train.npy" --seed "$seed" --fresh --quiet
        must "$1/sample" -n 100000 --seed "$seed" -o rows.npy
        "$GAGAC" score "$data/$2_test.npy" rows.npy --c2st --json >"$1.$seed.json" ||
            note_failure "no scores of $1, seed $seed"
    done
}

# mean_below CONFIG NAME BOUND: the mean of the three seeds
mean_below() {
    mean=$(cat "$1".?.json | awk -v name="\"$2\":" '
        /"floor"/ { floor = 1 } /^{/ { floor = 0 }
        !floor && $1 == name { sum += $2 + 0; count++ } END { if (count == 3) print sum / 3 }')
    echo "$1: mean $2 $mean, bound $3"
    awk -v mean="$mean" -v bound="$3" 'BEGIN { exit !(mean != "" && mean <= bound) }' ||
        note_failure "mean $2 of $1 is '$mean', above $3"
}

train_and_score electron electron
mean_below electron sw1 0.0334
mean_below electron sw1q 0.0255
mean_below electron mean_ks 0.0218
mean_below electron c2st 0.544
mean_below electron c2stq 0.566
train_and_score photons truebeam
mean_below photons sw1 0.0321
mean_below photons sw1q 0.0293
mean_below photons mean_ks 0.0196
mean_below photons c2st 0.534
mean_below photons c2stq 0.546
finish
