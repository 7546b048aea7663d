#!/bin/sh
# After kill -9 at any instant a good checkpoint is there, the training goes on from it, and ends
# with the bits of one that was never killed.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/fault/network.sh"
must made/train --run whole --data photons.npy --quiet

kills=0
for delay in 0.11 0.23 0.31 0.17 0.37 0.29 0.13 0.41 0.19 0.33 0.27 0.21; do
    run timeout --foreground -s KILL $delay made/train --run parts --data photons.npy --quiet \
        --checkpoint-every 7
    [ "$status" -eq 0 ] && break
    [ "$status" -eq 137 ] || note_failure "status $status"
    kills=$((kills + 1))
    [ -e "$(newest parts)" ] && usable parts
done
[ $kills -ge 3 ] || note_failure "only $kills kills"
[ -e "$(newest parts)" ] || note_failure 'no checkpoint after all kills'
# Half-written files of a dead program go, those of a running one stay.
dead=$(sh -c 'echo $$')
for folder in parts parts/checkpoints parts/sampler; do
    mkdir -p $folder
    : >"$folder/.tmp-$dead-1-file" && : >"$folder/.tmp-$$-1-file"
done
must made/train --run parts --data photons.npy --quiet
same "$(newest whole)" "$(newest parts)"
[ "$(find parts -name '.*' -type f ! -name ".tmp-$$-1-file" | wc -l)" -eq 0 ] ||
    note_failure 'temporary files are left'
[ "$(find parts -name ".tmp-$$-1-file" | wc -l)" -eq 3 ] ||
    note_failure 'files of a running program were removed'
[ "$(find parts/checkpoints -name '*.safetensors' | wc -l)" -le 3 ] ||
    note_failure 'more than three checkpoints are kept'

# A damaged newest checkpoint: the one before counts. All damaged: nothing is guessed.
must made/train --run damaged --data photons.npy --iterations 30 --checkpoint-every 10 --quiet
printf 'xx' | dd of="$(newest damaged)" bs=1 seek=20000 conv=notrunc 2>/dev/null
expect 0 'warning' made/train --run damaged --data photons.npy --iterations 40
must made/train --run plain --data photons.npy --iterations 40 --quiet
same "$(newest plain)" "$(newest damaged)"
for checkpoint in damaged/checkpoints/*.safetensors; do
    head -c 5000 "$checkpoint" >cut && mv cut "$checkpoint"
done
expect 1 '--fresh starts over' made/train --run damaged --data photons.npy --iterations 50
expect 0 '' made/train --run damaged --data photons.npy --iterations 50 --fresh --quiet
finish
