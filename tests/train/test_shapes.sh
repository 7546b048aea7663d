#!/bin/sh
# A short training on pictures of shapes: samples come near the data, and more than one kind is drawn.
. "$GAGAC_TESTS/helpers.sh"

must "$MKSHAPES" -n 4000 --size 16 --channels 1 --seed 1 -o shapes.npy
must "$MKSHAPES" -n 1000 --size 16 --channels 1 --seed 2 -o others.npy
cat >small.json <<'END'
{
    "latent": {"class": "UniformDistribution", "z": 32},
    "generator": {"defaults": {"activation": "relu", "filter": 3, "stride": 1, "avg_pool": 1},
        "layers": ["linear 4*4*48", "resize_conv 32", "resize_conv 1 activation=tanh"]},
    "discriminator": {"defaults": {"activation": "lrelu", "filter": 3, "stride": 1, "avg_pool": 2},
        "layers": ["conv 24", "conv 48", "linear 1 activation=null"]},
    "loss": {"class": "LogisticLoss", "gradient_penalty": 1},
    "trainer": {"class": "AlternatingTrainer",
        "optimizer": {"class": "AdamOptimizer", "learn_rate": 0.001, "beta1": 0.0}},
    "runtime": {"width": 16, "height": 16, "channels": 1, "batch_size": 16}
}
END

# distance ITERATIONS: sliced Wasserstein distance of patches after a training to so many
distance() {
    must run/train --data shapes.npy --iterations "$1"
    must run/sample -n 500 -o drawn.npy
    must "$GAGAC" score others.npy drawn.npy --json
    sed -n 's/.*"swd":[[:space:]]*\([0-9.e-]*\).*/\1/p' words | head -n 1
}

must "$GAGAC" small.json -o run
first=$(distance 1)
last=$(distance 700)
echo "distance of patches: $first untrained, $last after 700 iterations"
awk "BEGIN { exit !($last < 0.3 && $last < 0.4 * $first) }" ||
    note_failure "the samples stayed $last from the data ($first at first)"
finish
