#!/bin/sh
# Loops of the host around a training's updates do on the GPU what they do on the CPU: latents that
# are searched for, networks that are mixed, weights that are constrained, pictures that are chosen,
# inner trainings; so does noise on weights. All data on the GPU or a window on them, in one go or
# cut.
. "$GAGAC_TESTS/helpers.sh"
if [ -z "${GAGAC_LIBCUDA-}" ]; then
    export GAGAC_LIBCUDA="$FAKE_CUDA" GAGAC_LIBNVRTC="$FAKE_CUDA"
fi
must "$MKSHAPES" -n 60 --size 8 --channels 1 -o shapes.npy
simultaneous='{"class": "SimultaneousTrainer",
    "optimizer": {"class": "AdamOptimizer", "learn_rate": 0.01, "beta1": 0.5}'

# config NAME TRAINER
config() {
    cat >"$1.json" <<END
{
    "latent": {"class": "UniformDistribution", "z": 4, "min": -1, "max": 1},
    "generator": {"layers": ["linear 4*4*3 activation=tanh", "resize_conv 1"]},
    "discriminator": {"layers": ["conv 3 stride=2 activation=lrelu", "match_support", "linear 1"]},
    "loss": {"class": "LogisticLoss"},
    "trainer": $2,
    "runtime": {"width": 8, "height": 8, "channels": 1, "batch_size": 6}
}
END
}
gang='"class": "GangTrainer", "mix_steps": 2, "rbbr": '"$simultaneous"'}'
nash='"nash_memory": true, "nash_memory_size": 2, "fitness_test_points": 2'
config batch "{\"class\": \"BatchFitnessTrainer\", \"search_steps\": 4, \"heuristic\": 1,
    \"trainer\": $simultaneous}}"
config single "{\"class\": \"FitnessTrainer\", \"type\": \"std\", \"trainer\": $simultaneous}}"
config anchors "{\"decay\": 0.5, $gang}"
config nash "{\"use_nash\": true, \"nash_method\": \"support\", \"fitness_method\": \"-gl-dl\",
    \"mutate_child\": true, \"mutation_chance\": 0.5, $nash, $gang}"
config ratio "{\"fitness_method\": \"f-r\", \"use_crossover\": true, \"train_d_on_sgs\": true,
    \"sgs_steps\": 1, \"train_g_on_sds\": true, \"sds_steps\": 2, $nash, $gang}"
config constrained "$simultaneous, \"hooks\": [{\"class\": \"WeightConstraintTrainHook\",
    \"constraints\": [\"ortho\", \"l2nn\"], \"constraint_every\": 2}]}"
match='"class": "MatchSupportTrainHook", "loss": "base", "optimizer"'
adam='{"class": "AdamOptimizer", "learn_rate": 0.02}'
wild='{"class": "GradientDescentOptimizer", "learn_rate": 1e200}'
config shaken '{"class": "AlternatingTrainer", "d_trainer": "AdamOptimizer", "d_learn_rate": 0.01,
    "g_trainer": "AdamOptimizer", "g_learn_rate": 0.01, "shake_weights_d": 0.01,
    "shake_weights_g": 0.02}'
config inner "$simultaneous, \"hooks\": [{$match: $wild, \"variables\": [\"generator\",
    \"discriminator\"]}, {$match: {\"class\": \"GigaWolfOptimizer\", \"optimizer\": $adam,
    \"optimizer2\": {\"class\": \"RMSPropOptimizer\", \"learn_rate\": 0.01}},
    \"variables\": [\"generator\"], \"max_steps\": 3, \"loss_threshold\": 0.01}]}"

cp "$GAGAC_TESTS/cuda/hooked.json" .

# trained PROGRAM RUN OPTION...
trained() {
    program=$1 folder=$2
    shift 2
    must "$program/train" --data shapes.npy --run "$folder" --quiet "$@"
}
for name in batch single anchors nash ratio constrained shaken hooked inner; do
    must "$GAGAC" "$name.json" -o "$name" --target both --precision f64
    trained "$name" "$name.cpu" --device cpu --iterations 5
    trained "$name" "$name.gpu" --device cuda --iterations 5
    close_to "$(newest "$name.cpu")" "$(newest "$name.gpu")" 1e-9
    GAGAC_CUDA_DATA=4000 trained "$name" "$name.cut" --device cuda --iterations 2
    trained "$name" "$name.cut" --device cuda --iterations 5
    same "$(newest "$name.gpu")" "$(newest "$name.cut")"
    tail -n 1 "$name.cpu/metrics.jsonl" | cut -d, -f1-3 >line.cpu
    tail -n 1 "$name.gpu/metrics.jsonl" | cut -d, -f1-3 >line.gpu
    cmp -s line.cpu line.gpu || note_failure "$name: $(cat line.cpu) on the CPU, $(cat line.gpu)"
done

# Updates that are no part of every iteration are measured too.
expect 0 'GFLOP' batch/train --bench

# An inner training that came to no number was taken back.
grep -q '"match_loss": null, "match_loss": [0-9]' inner.gpu/metrics.jsonl ||
    note_failure "inner: $(tail -n 1 inner.gpu/metrics.jsonl)"

# A step of the host that fails names its call; the training goes on from its checkpoint.
trained batch broken --device cuda --iterations 2
FAKE_FAIL=cuGraphLaunch:6 expect 6 'cuGraphLaunch() of the update fitness failed' \
    batch/train --data shapes.npy --run broken --device cuda --iterations 5 --quiet
trained batch broken --device cuda --iterations 5
same "$(newest batch.gpu)" "$(newest broken)"
FAKE_FAIL=cuMemcpyDtoDAsync_v2:1 expect 6 'keeping the state' \
    hooked/train --data shapes.npy --run none --device cuda --iterations 5 --quiet
finish
