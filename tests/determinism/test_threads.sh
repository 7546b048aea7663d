#!/bin/sh
# A training and its samples have the same bits for any number of threads, also one that was stopped
# and went on with another number.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/determinism/configs.sh"

for name in $configs; do
    must "$GAGAC" $name.json -o $name
    conditions=
    [ $name = conditional ] && conditions='--cond photons.npy'
    for threads in 1 2 3; do
        run=$name.$threads
        must $name/train --run $run --data photons.npy --threads $threads --quiet
        must $name/sample --run $run -n 7001 -o $run.npy --threads $threads $conditions
        same "$(newest $name.1)" "$(newest $run)"
        cmp $name.1.npy $run.npy || note_failure "other rows with $threads threads"
    done

    must $name/train --run $name.two --data photons.npy --threads 2 --iterations 13 --quiet
    must $name/train --run $name.two --data photons.npy --threads 1 --quiet
    same "$(newest $name.1)" "$(newest $name.two)"

    # rows 3000 .. 3999 alone
    must $name/sample --run $name.1 -n 5000 -o all.npy --seed 9 $conditions
    [ $name = conditional ] && continue
    must $name/sample --run $name.1 -n 1000 --first 3000 -o part.npy --seed 9
    width=$((($(wc -c <all.npy) - $(wc -c <part.npy)) / 4000))
    tail -c $((1000 * width)) part.npy >part
    tail -c $((2000 * width)) all.npy | head -c $((1000 * width)) >expected
    cmp part expected || note_failure "$name: rows depend on where a call starts"
done
finish
