#!/bin/sh
# What a user finds in RUN, and that the config of 2019 with all its options runs unchanged.
. "$GAGAC_TESTS/helpers.sh"
must "$MKPHSP" -n 20000 --seed 1 -o photons.npy

must "$GAGAC" "$GAGAC_TESTS/../configs/gaga/seed.json" -o run --data photons.npy \
    -p dump_epoch_start=4 -p dump_epoch_every=10 -p dump_last_n_epoch=2 -p iterations=40
must run/train
stored=$(cd run/checkpoints && echo generator-*)
[ "$stored" = "$(printf 'generator-0000000%s.safetensors ' 14 24 34 39 40 | sed 's/ $//')" ] ||
    note_failure "stored generators: $stored"
must run/sample -n 10 -o rows.npy --checkpoint run/checkpoints/generator-000000014.safetensors
[ "$(tail -n 1 run/metrics.jsonl | grep -c '"iteration": 40')" -eq 1 ] ||
    note_failure 'the last line of metrics.jsonl is not of the last iteration'
grep -q '"iterations_done": 40' run/run.json || note_failure 'run.json does not say 40 iterations'
grep -q '</html>' run/report.html || note_failure 'report.html is not whole'
grep -oE 'https?://[^" ]*|<script|src=' run/report.html | grep -v 'www.w3.org' &&
    note_failure 'report.html needs something from outside'
for file in sampler/sampler.c sampler/sampler.h src/model.c src/Makefile train sample; do
    [ -s run/$file ] || note_failure "no run/$file"
done

# Each shipped config is valid and compiles into steps.
for config in "$GAGAC_TESTS"/../configs/gaga/*.json; do
    must "$GAGAC" check "$config" --json
    must "$GAGAC" "$config" -o emitted --emit-only
done

# The same command trains on, or has nothing to do; --fresh starts over; other builds keep RUN.
expect 0 'nothing to do' run/train
expect 0 'going on' run/train --iterations 41
must "$GAGAC" "$GAGAC_TESTS/../configs/gaga/seed.json" -o run --data photons.npy -p iterations=45
expect 0 'going on' run/train
expect 0 '' run/train --fresh --iterations 5 --quiet
[ "$(newest run)" = run/checkpoints/000000005.safetensors ] ||
    note_failure "--fresh leaves checkpoints: $(ls run/checkpoints)"

# The seed: of the config, or of the command line; another one gives another training.
must "$GAGAC" "$GAGAC_TESTS/../configs/gaga/seed.json" -o seeded -p seed=11
must seeded/train --data photons.npy --iterations 3 --quiet
must run/train --run again --seed 11 --iterations 3 --quiet
same "$(newest seeded)" "$(newest again)"
"$COMPARE" "$(newest seeded)" "$(newest run)" 0 >/dev/null && note_failure 'the seed has no effect'

# start_from: weights of another training.
must "$GAGAC" "$GAGAC_TESTS/../configs/gaga/seed.json" -o started \
    -p start_from="$(newest run)" -p d_learning_rate=0 -p g_learning_rate=0
must started/train --data photons.npy --iterations 1 --quiet
"$COMPARE" "$(newest run)" "$(newest started)" 1e9 '[DG].?.weight=0' '[DG].?.bias=0' >words ||
    note_failure "start_from: $(cat words)"
finish
