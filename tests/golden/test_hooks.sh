#!/bin/sh
# Train hooks, penalties, losses and optimizers beyond the golden cases: the compiled program takes
# the same steps as the interpreter, from parameters and draws of golden cases.
. "$GAGAC_TESTS/helpers.sh"

# agrees CASE OPTION...
agrees() {
    case=$GAGAC_TESTS/golden/hypergan/$1
    shift
    rm -rf run interpreted.safetensors found.safetensors
    must "$GAGAC" replay "$case.json" "$case.in.safetensors" interpreted.safetensors "$@"
    must plainly "$GAGAC" "$case.json" -o run --precision f64 "$@"
    must run/train --replay "$case.in.safetensors" --out found.safetensors
    close_to interpreted.safetensors found.safetensors 1e-9
    "$COMPARE" "$case.out.safetensors" found.safetensors 1e-9 >words &&
        note_failure "no influence: $*"
}
rolling='"class": "RollingMemoryTrainHook"'
agrees trainer_simultaneous_adam -p "trainer.hooks=[{$rolling, \"lambdas\": [1, 0.5, 2],
    \"types\": [\"mx/mg\", \"mx-/g(mz-)\", \"x/mg+\"]}]"
agrees trainer_alternating -p "trainer.hooks=[
    {$rolling, \"reverse_mg\": true, \"steps_between_memory_update\": 2, \"offset_memory_update\": 1},
    {$rolling, \"types\": [\"mg+/g\", \"x/mx-\"], \"top_k\": 2, \"reverse_top\": true}]"
agrees trainer_simultaneous_adam -p "trainer.hooks=[{$rolling, \"types\": [\"mg-/g\"], \"only\": true}]"
agrees trainer_alternating -p 'trainer.hooks=[{"class": "KLipschitzTrainHook",
    "lambda": "on(random offset=0.2 onvalue=2)"}, {"class": "GradientPenaltyTrainHook",
    "lambda": "on(random offset=-0.2 onvalue=0.5)"}]'
match='"class": "MatchSupportTrainHook", "optimizer": {"class": "AdamOptimizer", "learn_rate": 0.01}'
agrees trainer_simultaneous_adam -p "trainer.hooks=[{$match, \"loss\": \"xor\",
    \"variables\": [\"generator\"], \"max_steps\": 4, \"loss_threshold\": 1}]"
agrees trainer_alternating -p "trainer.hooks=[{$match, \"loss\": \"base\", \"layer\": \"at\",
    \"max_steps\": 3, \"max_depth\": 1}, {\"class\": \"WeightConstraintTrainHook\",
    \"constraints\": [\"ortho\", \"ortho2\", \"lipschitz\", \"l2nn\"], \"constraint_every\": 2,
    \"weight_constraint_k\": 0.5, \"weight_bounce\": true}]" \
    -p 'discriminator.layers=["conv 4", "match_support name=at", "conv 5", "linear 1 activation=null"]'
agrees trainer_simultaneous_adam -p 'trainer.optimizer={"class": "ElasticWeightConsolidationOptimizer",
    "add_ewc_loss_gradients": true, "optimizer": {"class": "AdamirrorOptimizer", "learn_rate": 0.01}}'
loss='"class": "LogisticLoss"'
agrees trainer_simultaneous_adam -p "loss={$loss, \"k_lipschitz_penalty_ragan\": 1, \"jg_penalty\": true,
    \"l2nn_penalty\": 0.5, \"ortho_penalty\": 0.1}"
agrees trainer_simultaneous_adam -p 'loss={"class": "FDivergenceLoss", "type": "alpha1", "alpha": 0.3,
    "g_loss_type": "alpha2"}'
finish
