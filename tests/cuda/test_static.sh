#!/bin/sh
# What NVRTC makes of the kernels, without a GPU: every architecture compiles without a warning and
# without a spill; figures of the 3x400 network stay as good as in static.expected. Skipped without
# NVRTC.
. "$GAGAC_TESTS/helpers.sh"
unset GAGAC_LIBNVRTC
configs=$GAGAC_TESTS/../configs/gaga
golden=$GAGAC_TESTS/golden/gaga

# figures OUTPUT CONFIG OPTION...: one line a kernel: arch, kernel, registers, spills, local, FMA %
figures() {
    out=$1
    shift
    run "$GAGAC" bench "$@" --device cuda --static --json
    grep -q 'the CUDA compiler' words && exit 77
    [ "$status" -eq 0 ] || stop_test "$*: $(tail -n 2 words)"
    sed -n 's/.*"kernel": "\([^"]*\)", "arch": "\([^"]*\)".*"registers": \([0-9]*\), "spills": \([0-9]*\).*"local": \([0-9]*\).*"fma_percent": \([0-9.]*\).*/\2 \1 \3 \4 \5 \6/p' words >"$out"
    [ -s "$out" ] || stop_test "no figures: $*"
}

all=sm_75,sm_80,sm_86,sm_89,sm_90,sm_100,sm_103,sm_120
figures matrix "$golden/v1_wgan_clamp_ln_sgd.json" --arch $all
figures matrix_sn "$golden/v3_sn_hinge_0gp_leaky.json" --arch sm_75,sm_120
figures matrix_f64 "$golden/v1_wgan_noise_rmsprop.json" --precision f64 --arch sm_90
figures matrix_chain "$golden/v1_wgan_gp_sgd.json" --arch sm_75,sm_90,sm_120
figures matrix_split "$golden/v1_wgan_gp_sgd.json" --precision 3xtf32 --arch sm_80,sm_120
grep -q ' chain_' matrix_chain || note_failure 'no chain'
figures linac "$configs/linac_3x400.json" --arch sm_80,sm_90
sed -n 's/.*"arch": "\([^"]*\)".*"instructions": \([0-9]*\).*/\1 \2/p' words |
    awk '{ sum[$1] += $2 } END { for (arch in sum) print arch, "all", sum[arch] }' >>linac
cat matrix matrix_sn matrix_chain matrix_split linac | awk '$4 > 0 || $5 > 0' >spills
[ -s spills ] && note_failure "spills: $(cat spills)"
[ "$(cut -d' ' -f1 matrix | sort -u | wc -l)" -eq 8 ] || note_failure 'not every architecture'

# Large products: the share of multiply-adds in the main loop, and registers, as expected or better.
# All kernels: not 2 % more instructions, with which the time of compiling grows.
awk 'NR == FNR { registers[$1 " " $2] = $3; share[$1 " " $2] = $6; next }
    { key = $1 " " $2 }
    !(key in registers) { print "gone: " key; next }
    $2 == "all" && registers[key] > 1.02 * $3 { print key ": " registers[key] " instructions, not " $3 }
    $2 == "all" { next }
    registers[key] > $3 { print key ": " registers[key] " registers, not " $3 }
    share[key] < $4 - 0.5 { print key ": " share[key] " % multiply-adds, not " $4 }' \
    linac "$GAGAC_TESTS/cuda/static.expected" >worse
"$GAGAC" doctor | grep -q 'NVRTC *13.0' || exit 77 # the figures are those of one compiler
[ -s worse ] && note_failure "$(cat worse)"
finish
