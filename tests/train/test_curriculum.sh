#!/bin/sh
# A curriculum of two sizes: each stage is a program of its own, weights go on by the names of their
# layers, and a training that was cut anywhere is the same training.
. "$GAGAC_TESTS/helpers.sh"
defaults='"defaults": {"activation": "lrelu", "filter": [3, 3], "stride": [1, 1], "avg_pool": [1, 1]}'

# config NAME SIZE CURRICULUM G-LAYERS D-LAYERS
config() {
    cat >"$1.json" <<END
{"runtime": {"width": $2, "height": $2, "channels": 3, "batch_size": 4},
 "latent": {"class": "UniformDistribution", "z": 8, "min": -1, "max": 1},
 "generator": {"class": "ConfigurableGenerator", $defaults, "layers": [$4]},
 "discriminator": {"class": "ConfigurableDiscriminator", $defaults, "layers": [$5]},
 "loss": {"class": "LogisticLoss", "reduce": "reduce_mean"},
 "trainer": {"class": "class:hypergan.trainers.curriculum_trainer.CurriculumTrainer",
     $3, "delegate": {"class": "AlternatingTrainer",
         "optimizer": {"class": "GradientDescentOptimizer", "learn_rate": 1e-3}}}}
END
}
g='"linear 4*4*8 name=g4", "resize_conv 8 name=b8"'
d='"conv 8 avg_pool=2 name=d8", "linear 1 activation=null name=out"'
list='"curriculum": [[6, "small"], [5, "large"]]'
config small 8 "$list" "$g, \"conv 3 filter=1 activation=tanh name=rgb\"" "$d"
config large 16 "$list" "$g, \"resize_conv 8 name=b16\", \"conv 3 filter=1 activation=tanh name=rgb\"" \
    "\"conv 3 avg_pool=2 name=d16\", $d"
must "$MKSHAPES" -n 60 --size 16 -o shapes.npy
expect 0 'note: pictures are scaled' "$GAGAC" small.json -o whole --data shapes.npy
expect 0 '16x16x3' "$GAGAC" check small.json

expect 0 'new in stage 1' whole/train --checkpoint-every 100
[ "$(cat whole/stage)" = 1 ] || note_failure 'the second stage was not reached'
[ "$(newest whole)" = whole/checkpoints/000000006.safetensors ] ||
    note_failure 'the first stage ended elsewhere'
[ "$(newest whole/stages/1)" = whole/stages/1/checkpoints/000000005.safetensors ] ||
    note_failure 'the second stage ended elsewhere'
[ "$(grep -c 'G.2.weight' words)" -eq 1 ] || note_failure 'the new layer is not named'
grep -q 'G.3.weight\|D.1.weight\|D.2.weight' words && note_failure 'layers with names did not go on'
expect 0 'nothing to do' whole/train

# samples come from the stage that was reached
must whole/sample -n 4 --direct -o four.npy
head -c 120 four.npy | grep -aq '(4, 16, 16, 3)' || note_failure 'samples are not of the last stage'

# cut inside both stages and between them
must "$GAGAC" small.json -o cut --data shapes.npy
for steps in 3 6 8 11; do
    must cut/train --steps "$steps" --quiet
done
same "$(newest whole)" "$(newest cut)"
same "$(newest whole/stages/1)" "$(newest cut/stages/1)"

# --fresh starts at the first stage; --run keeps everything elsewhere
must cut/train --fresh --steps 2 --quiet
[ "$(cat cut/stage)" = 0 ] || note_failure '--fresh did not go back to the first stage'
mkdir elsewhere
must cut/train --run elsewhere --quiet
same "$(newest whole/stages/1)" "$(newest elsewhere/stages/1)"

# a cycle: the same networks again, with other draws and the weights of the stage before
config ring 8 '"curriculum": [[2, "ring"], [3, "ring"]], "cycle": true' \
    "$g, \"conv 3 filter=1 activation=tanh name=rgb\"" "$d"
must "$GAGAC" ring.json -o ring --data shapes.npy --resize
must ring/train --steps 7 --quiet
[ "$(cat ring/stage)" = 2 ] || note_failure 'the first stage did not follow the last'
same ring/stages/1/checkpoints/000000003.safetensors ring/checkpoints/000000000.safetensors

# mistakes
expect 1 'no config `nowhere`' "$GAGAC" check small.json -p 'trainer.curriculum=[[1,"x"],[1,"nowhere"]]'
expect 1 'list of a number of steps' "$GAGAC" check small.json -p 'trainer.curriculum=[[1]]'
expect 1 'whole number' "$GAGAC" check small.json -p 'trainer.curriculum=[[0,"small"]]'
echo 9 >whole/stage
expect 1 'does not name a stage' whole/train
finish
