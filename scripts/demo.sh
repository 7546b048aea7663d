#!/bin/sh
# The whole chain in a few minutes: sets up, builds, makes a data set, compiles a GAN for it,
# trains, samples a million particles and scores them. Everything it makes lies in demo/.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
config=configs/gaga/demo.json
mkdir -p demo

echo "demo: 200,000 photons of a small linac model to learn from, and others to compare with"
build/mkphsp -n 200000 --seed 1 -o demo/train.npy
build/mkphsp -n 200000 --seed 2 -o demo/test.npy

echo "demo: compiling $config"
build/gagac "$config" -o demo/run --data demo/train.npy

echo "demo: training (about a minute)"
demo/run/train --fresh

echo "demo: sampling a million particles"
demo/run/sample -n 1000000 -o demo/generated.npy

echo "demo: scores of the sample beside real photons it has not seen"
build/gagac score demo/test.npy demo/generated.npy --c2st

cat <<END

demo: done
  demo/generated.npy      a million particles (NumPy structured array)
  demo/run/report.html    losses and histograms: open it in a browser
  demo/run/sampler/       sampler.c and sampler.h: the generator as one C99 file
  demo/run/src/           the generated program, to read
  $config  the description all of it was made from
END
