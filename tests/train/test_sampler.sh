#!/bin/sh
# test_sampler.sh -- the shipped sampler gives the rows of RUN/sample: for several kinds of networks,
# with every compiler that is here, without a warning, and with nothing asked of the system but
# memcpy and memset.
set -u
failures=0
strict='-std=c99 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror'
compilers=
for cc in gcc clang; do
    command -v $cc >/dev/null && compilers="$compilers $cc"
done
if [ -z "$compilers" ]; then
    compilers=cc
fi

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# check NAME [FIRST [LATENTS]]: compares NAME/rows.npy with the sampler, built in two ways by each
# compiler; without FIRST it is not trained yet.
check() {
    for cc in $compilers; do
        for level in -O0 '-O3 -march=native'; do
            # shellcheck disable=SC2086
            $cc $strict $level -c "$1/sampler/sampler.c" -o "$1/sampler.o" || fail "$1: $cc $level"
            $cc $strict -Wno-conversion -I "$1/sampler" "$GAGAC_TESTS/train/sampler_check.c" \
                "$1/sampler.o" -o "$1/check" || fail "$1: $cc cannot link it without libm"
            if command -v nm >/dev/null && nm -u "$1/sampler.o" | grep -v -e memcpy -e memset; then
                fail "$1: $cc $level: undefined symbols"
            fi
            if [ $# -gt 1 ]; then
                "$1/check" "$1/rows.npy" 5 "$2" ${3:-} || fail "$1: $cc $level"
            else
                "$1/check" || fail "$1, not trained: $cc $level"
            fi
        done
    done
}

# run NAME DATA OPTION...: compiles NAME.json, checks the empty sampler, trains.
run() {
    name=$1 data=$2
    shift 2
    "$GAGAC" "$name.json" -o "$name" "$@" 2>/dev/null || fail "$name: gagac"
    check "$name"
    "$name/train" --data "$data" --fresh >/dev/null 2>&1 || fail "$name: train"
}

rates='"optimiser": "RMSprop", "d_learning_rate": 1e-3, "g_learning_rate": 1e-3,
 "batch_size": 100, "iterations": 60'
cat >conditional.json <<END
{"#": "conditions, encoding, bounds, uniform latents, tables, an average; odd widths",
 "keys": "X Y cx cy", "cond_keys": "cx cy", "model": "v4", "activation": "leaky_relu",
 "positional_encoding": "cx 2", "positional_encoding_options": {"num_encoding_functions": 2},
 "d_layers": 1, "d_dim": 20, "g_layers": 2, "g_dim": 33, "z_dim": 5, "z_rand_type": "rand",
 "constraints": {"X": [0.5, 3.5]}, "normalisation": "blend", "ema_decay": 0.9,
 "loss": "wasserstein", "penalty": "GP_L2_LS", "penalty_weight": 1, $rates}
END
cat >sigmoid.json <<END
{"#": "the network of 2019, ranks", "keys": "Ekine X Y dX dY dZ", "model": "v1",
 "d_layers": 1, "d_dim": 16, "g_layers": 2, "g_dim": 40, "z_dim": 6, "normalisation": "rank",
 "loss": "wasserstein", "penalty": "clamp", "clamp_lower": -0.01, "clamp_upper": 0.01, $rates}
END
cat >narrow.json <<END
{"#": "fewer units than a block", "keys": "X Y", "model": "v3", "normalisation": "std",
 "d_layers": 0, "d_dim": 3, "g_layers": 0, "g_dim": 3, "z_dim": 2,
 "loss": "hinge", "penalty": "no_penalty", $rates}
END
"$MKPHSP" --gauss-cond -n 3000 -o gauss_conditional.npy || exit 1
"$MKPHSP" --gauss-cond -n 333 --seed 3 -o conditions.npy || exit 1
"$MKPHSP" --gauss v2 -n 3000 -o gauss.npy || exit 1
"$MKPHSP" -n 3000 -o photons.npy || exit 1

run conditional gauss_conditional.npy
conditional/sample -n 333 --seed 5 --first 5000000000 --cond conditions.npy \
    -o conditional/rows.npy || exit 1
check conditional 5000000000
run sigmoid photons.npy
sigmoid/sample -n 500 --seed 5 -o sigmoid/rows.npy || exit 1
check sigmoid 0
sigmoid/sample -n 3000 --latent photons.npy -o sigmoid/rows.npy || exit 1
check sigmoid 0 photons.npy
run narrow gauss.npy --precision f64
narrow/sample -n 100 --seed 5 --first 3 -o narrow/rows.npy || exit 1
check narrow 3

# Two models in one program, as docs/sampler.md tells; from C++ where there is a compiler for it.
sed 's/sampler/photon/g; s/SAMPLER/PHOTON/g' sigmoid/sampler/sampler.h >photon.h
sed 's/sampler/photon/g; s/SAMPLER/PHOTON/g' sigmoid/sampler/sampler.c >photon.c
cat >two.c <<'END'
#include "narrow/sampler/sampler.h"
#include "photon.h"
int main()
{
    double row[PHOTON_COLUMNS];
    return sampler_generate(1, 0, 1, 0, row) || photon_generate(1, 0, 1, 0, row);
}
END
for cc in $compilers; do
    for part in photon narrow/sampler/sampler; do
        $cc $strict -c $part.c -o "$(basename $part).o" || fail "two models: $cc $part"
    done
    $cc -Wno-strict-prototypes two.c photon.o sampler.o -o two && ./two || fail "two models: $cc"
done
if command -v c++ >/dev/null; then
    c++ -Wall -Wextra -x c++ two.c -x none photon.o sampler.o -o two && ./two ||
        fail "two models in C++"
fi
[ $failures -eq 0 ]
