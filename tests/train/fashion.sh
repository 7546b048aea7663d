# fashion.sh -- trainings on Fashion-MNIST and bounds on what they draw. The test is skipped where
# the data are not there.
export GAGAC_CACHE_DIR="$PWD/cache"
data=/usr/share/datasets/fashion-mnist
if ! [ -f $data/train-images-idx3-ubyte.gz ]; then
    echo "skipped: no $data; sh scripts/test.sh installs dataset-fashion-mnist as root"
    exit 77
fi

# config NAME BATCH G0 G1 G2 D0 D1 D2 RATE: NAME.json, for 32 x 32 pixels: channels of the layers. A
# generator without norms may die at a full black picture, which some seeds do.
config() {
    norm='"batch_norm", "activation relu"'
    cat >"$1.json" <<JSON
{
    "latent": {"class": "UniformDistribution", "z": 64},
    "generator": {"defaults": {"activation": "null", "filter": 3, "stride": 1, "avg_pool": 1},
        "layers": ["linear 4*4*$3", $norm, "resize_conv $4", $norm, "resize_conv $5", $norm,
            "resize_conv 1 activation=tanh"]},
    "discriminator": {"defaults": {"activation": "lrelu", "filter": 3, "stride": 1, "avg_pool": 2},
        "layers": ["conv $6", "conv $7", "conv $8", "linear 1 activation=null"]},
    "loss": {"class": "LogisticLoss", "gradient_penalty": 2},
    "trainer": {"class": "AlternatingTrainer",
        "optimizer": {"class": "AdamOptimizer", "learn_rate": "$9", "beta1": 0.0}},
    "runtime": {"width": 32, "height": 32, "channels": 1, "batch_size": $2}
}
JSON
}

# train_to ITERATIONS: goes on, and scores 1000 samples beside the pictures that no training sees:
# $swd, $classes of ten that are drawn, $error of their shares
train_to() {
    must run/train --steps "$1" --seed 1 --quiet
    must run/sample -n 1000 -o drawn.npy
    must "$GAGAC" score $data/t10k-images-idx3-ubyte.gz drawn.npy --crop \
        --labels $data/t10k-labels-idx1-ubyte.gz --json
    swd=$(grep -m 1 '"swd"' words | tr -dc '0-9.')
    classes=$(grep -m 1 '"classes"' words | tr -dc '0-9')
    error=$(grep -m 1 '"class_error"' words | tr -dc '0-9.')
    echo "after $1 iterations: distance of patches $swd, $classes classes of 10, error $error"
}

# expect_far SWD: what is not trained is at least so far away
expect_far() {
    awk "BEGIN { exit !($swd > $1) }" || note_failure "untrained samples are $swd from the data"
}

# expect_near SWD CLASSES ERROR
expect_near() {
    awk "BEGIN { exit !($swd < $1) }" || note_failure "the samples stayed $swd from the data"
    [ "$classes" -ge "$2" ] || note_failure "$classes classes of 10 are drawn"
    awk "BEGIN { exit !($error < $3) }" || note_failure "shares of classes are off by $error"
}
