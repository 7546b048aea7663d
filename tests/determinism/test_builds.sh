#!/bin/sh
# The same bits from every instruction set with fused multiply-adds, from every compiler, and from
# the sources alone; and two compilations of a config give the same files.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/determinism/configs.sh"

# train_as NAME RUN: trains RUN and compares it with the training of NAME
train_as() {
    must "$2/train" --data photons.npy --iterations 8 --quiet
    same "$(newest "$1")" "$(newest "$2")"
}

for name in $configs; do
    for precision in f32 f64; do
        build=$name.$precision
        must "$GAGAC" $name.json -o $build --precision $precision
        must $build/train --data photons.npy --iterations 8 --quiet
        for isa in avx512 avx2; do
            [ $isa = avx2 ] || cpu_has avx512f avx512bw avx512dq avx512vl || continue
            cpu_has avx2 fma || continue
            must "$GAGAC" $name.json -o $build.$isa --precision $precision --isa $isa
            train_as $build $build.$isa
        done
    done
    must "$GAGAC" $name.json -o $name.again --no-cache
    diff -r $name.f32/src $name.again/src || note_failure "$name: two compilations differ"
    cmp $name.f32/train $name.again/train || note_failure "$name: two compilations differ"
done

for compiler in gcc clang; do
    command -v $compiler >/dev/null || continue
    must "$GAGAC" critic.json -o critic.$compiler --cc $compiler
    train_as critic.f32 critic.$compiler
done

if command -v make >/dev/null; then
    must cp -r critic.f32/src critic.made.src
    mkdir critic.made && mv critic.made.src critic.made/src
    must make -C critic.made/src
    train_as critic.f32 critic.made
fi

# Sources alone: the same, and no program of other sources stays beside them.
must "$GAGAC" critic.json -o critic.avx2 --isa avx2
mkdir critic.avx2/checkpoints
must "$GAGAC" critic.json -o critic.avx2 --emit-only
diff -r critic.again/src critic.avx2/src || note_failure '--emit-only writes other sources'
[ -e critic.avx2/train ] && note_failure 'an old program stays beside new sources'
[ -d critic.avx2/checkpoints ] || note_failure '--emit-only removes checkpoints'
finish
