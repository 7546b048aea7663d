#!/bin/sh
# Gang trainers: mixing with anchors, and at equilibria of remembered networks; cut anywhere and with
# other threads it is the same training.
. "$GAGAC_TESTS/helpers.sh"
defaults='"defaults": {"activation": "lrelu", "filter": [3, 3], "stride": [1, 1], "avg_pool": [1, 1]}'

# config NAME KEYS
config() {
    cat >"$1.json" <<END
{"runtime": {"width": 8, "height": 8, "channels": 3, "batch_size": 4},
 "latent": {"class": "UniformDistribution", "z": 8, "min": -1, "max": 1},
 "generator": {"class": "ConfigurableGenerator", $defaults,
     "layers": ["linear 4*4*8", "resize_conv 3 activation=tanh"]},
 "discriminator": {"class": "ConfigurableDiscriminator", $defaults,
     "layers": ["conv 8 avg_pool=2", "linear 1 activation=null"]},
 "loss": {"class": "LogisticLoss", "reduce": "reduce_mean"},
 "trainer": {"class": "class:hypergan.trainers.gang_trainer.GangTrainer", "mix_steps": 2, $2,
     "rbbr": {"class": "SimultaneousTrainer",
         "optimizer": {"class": "AdamOptimizer", "learn_rate": 1e-2}}}}
END
}
must "$MKSHAPES" -n 60 --size 8 -o shapes.npy

# a share that rounds to nothing: the networks go back to the anchors, which are the first ones
config back '"decay": 1e-60'
must "$GAGAC" back.json -o back --data shapes.npy
must back/train --steps 4 --checkpoint-every 2 --quiet
same back/checkpoints/000000002.safetensors back/checkpoints/000000004.safetensors
config half '"decay": 0.5'
must "$GAGAC" half.json -o half --data shapes.npy
must half/train --steps 4 --checkpoint-every 2 --quiet
"$COMPARE" half/checkpoints/000000002.safetensors half/checkpoints/000000004.safetensors 0 >words &&
    note_failure 'mixed networks do not move'

# equilibria: memory for two, so that the third mixing forgets
number=0
for keys in '"use_nash": true, "nash_method": "support", "fitness_method": "-gl-dl"' \
    '"use_nash": true, "nash_method": "lemke", "fitness_method": "least_squares"' \
    '"use_nash": true, "fitness_method": "ragan2", "use_crossover": true, "crossover_random": true' \
    '"fitness_method": "f-r", "mutate_child": true, "mutation_chance": 0.5'; do
    number=$((number + 1))
    config "gang$number" "\"nash_memory\": true, \"nash_memory_size\": 2, \"fitness_test_points\": 2, $keys"
    must "$GAGAC" "gang$number.json" -o "whole$number" --data shapes.npy
    cp -r "whole$number" "cut$number"
    must "whole$number/train" --steps 9 --threads 1 --quiet
    for steps in 3 6 9; do
        must "cut$number/train" --steps $steps --threads 2 --quiet
    done
    same "$(newest "whole$number")" "$(newest "cut$number")"
done

# a side is trained on what is remembered of the other; networks of an earlier training are
# remembered from the start; until iteration 4 the networks begin anew; noise on weights
rest='"nash_memory": true, "nash_memory_size": 2, "fitness_test_points": 1, "fitness_method": "double"'
config plain "$rest"
config full "$rest, \"train_d_on_sgs\": true, \"sgs_steps\": 3, \"train_g_on_sds\": true,
    \"sds_steps\": 2, \"reset_before_step\": 4, \"preload\": [\"half/checkpoints/000000002.safetensors\"]"
for name in plain full; do
    must "$GAGAC" $name.json -o $name --data shapes.npy
done
cp -r full cut_full
must plain/train --steps 2 --checkpoint-every 2 --quiet
must full/train --steps 7 --checkpoint-every 2 --threads 1 --quiet
for steps in 2 5 7; do
    must cut_full/train --steps $steps --threads 2 --quiet
done
same "$(newest full)" "$(newest cut_full)"
"$COMPARE" plain/checkpoints/000000002.safetensors full/checkpoints/000000002.safetensors 0 >words &&
    note_failure 'options of a gang without influence'
config away "$rest, \"preload\": [\"nothing.safetensors\"]"
must "$GAGAC" away.json -o away --data shapes.npy
run away/train --steps 1 --quiet
[ "$status" -ne 0 ] || note_failure 'a missing checkpoint is not missed'
grep -q "nothing.safetensors" words || note_failure "no name in: $(cat words)"
must "$GAGAC" half.json -o shaken --data shapes.npy -p trainer.rbbr.shake_weights_d=0.5
cp -r shaken cut_shaken
must shaken/train --steps 3 --threads 1 --quiet
must cut_shaken/train --steps 1 --threads 2 --quiet
must cut_shaken/train --steps 3 --threads 2 --quiet
same "$(newest shaken)" "$(newest cut_shaken)"
"$COMPARE" half/checkpoints/000000002.safetensors "$(newest shaken)" 0 >words &&
    note_failure 'shaken weights do not move'

# mistakes
expect 1 'of one' "$GAGAC" check half.json -p 'trainer.mutations=["a"]'
expect 1 'networks that are remembered' "$GAGAC" check half.json -p trainer.train_d_on_sgs=true
expect 1 'must be a list' "$GAGAC" check gang1.json -p trainer.preload=true
expect 1 'unknown nash_method' "$GAGAC" check gang1.json -p trainer.nash_method=guess
expect 1 'at most 11' "$GAGAC" check half.json -p trainer.nash_memory_size=12
finish
