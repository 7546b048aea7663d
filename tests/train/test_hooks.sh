#!/bin/sh
# Hooks with loops around the updates: a training with them is the same training cut anywhere and
# with other threads; what they do shows in the losses.
. "$GAGAC_TESTS/helpers.sh"
defaults='"defaults": {"activation": "lrelu", "filter": [3, 3], "stride": [1, 1], "avg_pool": [1, 1]}'
optimizer='"optimizer": {"class": "AdamOptimizer", "learn_rate": 1e-3}'

# config NAME HOOKS [TRAINER KEYS]
config() {
    cat >"$1.json" <<END
{"runtime": {"width": 8, "height": 8, "channels": 3, "batch_size": 4},
 "latent": {"class": "UniformDistribution", "z": 8, "min": -1, "max": 1},
 "generator": {"class": "ConfigurableGenerator", $defaults,
     "layers": ["linear 4*4*8", "resize_conv 3 activation=tanh"]},
 "discriminator": {"class": "ConfigurableDiscriminator", $defaults,
     "layers": ["conv 8 avg_pool=2", "match_support name=at", "linear 1 activation=null"]},
 "loss": {"class": "LogisticLoss", "reduce": "reduce_mean"},
 "trainer": {"class": "SimultaneousTrainer", $optimizer, "hooks": [$2]}, "fixed_input": true}
END
    must "$GAGAC" "$1.json" -o "$1" --data shapes.npy
}

# metric RUN NAME: of the last line
metric() {
    sed -n 's/.*"'"$2"'": *\([-+.e0-9]*\).*/\1/p' "$1/metrics.jsonl" | tail -n 1
}

# below A B
below() {
    awk "BEGIN { exit !($1 < $2) }" || note_failure "$1 is not below $2: $3"
}
must "$MKSHAPES" -n 60 --size 8 -o shapes.npy
match='"class": "MatchSupportTrainHook", "loss": "base", "layer": "at", "max_depth": 1, '$optimizer
rolling='{"class": "RollingMemoryTrainHook", "types": ["mx-/g(mz-)", "mg/g"]}'
number=0
for hooks in "{$match, \"variables\": [\"generator\"], \"max_steps\": 5, \"loss_threshold\": 0.1}" \
    "{$match, \"max_steps\": 4}, $rolling" \
    "{\"class\": \"InputFitnessTrainHook\", \"search_steps\": 4, \"heuristic\": 1}, {$match, \"variables\": [\"g\"], \"max_steps\": 3}"; do
    number=$((number + 1))
    config "whole$number" "$hooks"
    cp -r "whole$number" "cut$number"
    must "whole$number/train" --steps 7 --threads 1 --quiet
    for steps in 2 5 7; do
        must "cut$number/train" --steps $steps --threads 2 --quiet
    done
    same "$(newest "whole$number")" "$(newest "cut$number")"
done

# longer inner trainings bring the outputs together
for steps in 1 40; do
    config "match$steps" "{$match, \"variables\": [\"generator\"], \"max_steps\": $steps}"
    must "match$steps/train" --steps 1 --quiet
done
below "$(metric match40 match_loss)" "$(metric match1 match_loss)" 'loss of a longer match'

# the pictures with the smallest outputs of D of many: their mean is lower
config few '{"class": "InputFitnessTrainHook", "search_steps": 0}'
config many '{"class": "InputFitnessTrainHook", "search_steps": 20}'
for name in few many; do
    must $name/train --steps 1 --quiet
done
below "$(metric many d_real)" "$(metric few d_real)" 'D of chosen pictures'

# mistakes
expect 1 'needs `loss` and `optimizer`' "$GAGAC" check few.json \
    -p 'trainer.hooks=[{"class": "MatchSupportTrainHook"}]'
expect 1 'no layer has offsets' "$GAGAC" check few.json -p "trainer.hooks=[{
    \"class\": \"MatchSupportTrainHook\", \"loss\": \"base\", $optimizer}]"
expect 1 'unknown memory `my`' "$GAGAC" check few.json \
    -p 'trainer.hooks=[{"class": "RollingMemoryTrainHook", "types": ["my/g"]}]'
finish
