#!/bin/sh
# A training that a signal stops ends with status 75 and a checkpoint of the last iteration; the
# same command goes on, and ends with the bits of a training that was never stopped. SIGUSR1 asks
# for a checkpoint.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/fault/network.sh"
must made/train --run whole --data photons.npy --quiet

stops=0
for signal in INT TERM HUP INT TERM HUP; do
    run timeout --foreground --preserve-status -s $signal 0.4 \
        made/train --run parts --data photons.npy --quiet
    [ "$status" -eq 0 ] && break
    [ "$status" -eq 75 ] || note_failure "status $status after SIG$signal"
    grep -q 'the same command goes on' words || note_failure "no word about going on"
    usable parts
    stops=$((stops + 1))
done
[ $stops -gt 0 ] || note_failure 'the training ended before the first signal'
must made/train --run parts --data photons.npy --quiet
same "$(newest whole)" "$(newest parts)"

made/train --run asked --data photons.npy --iterations 100000 --quiet >words 2>&1 &
training=$!
tries=0
until [ -e asked/checkpoints ] || [ $tries -gt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
sleep 0.2
kill -USR1 $training
until [ -e "$(newest asked)" ] || [ $tries -gt 200 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
kill -0 $training || note_failure 'SIGUSR1 ended the training'
kill -TERM $training
wait $training
status=$?
[ $status -eq 75 ] || note_failure "status $status after SIGUSR1 and SIGTERM"
[ $tries -le 200 ] || note_failure 'no checkpoint after SIGUSR1'
usable asked
finish
