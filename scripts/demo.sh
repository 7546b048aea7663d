#!/bin/sh
# The whole chain in a few minutes: sets up, builds, makes a data set, compiles a GAN for it,
# trains, samples a million particles and scores them. Everything it makes lies in demo/.
#
#     sh scripts/demo.sh            particles of a small linac model
#     sh scripts/demo.sh images     pictures of shapes, in demo/images/
set -eu
cd "$(dirname "$0")/.."

images() {
    config=configs/hypergan/demo.json
    mkdir -p demo/images

    echo "demo: 20,000 pictures of shapes to learn from, and others to compare with"
    build/mkshapes -n 20000 --channels 1 --seed 1 -o demo/images/shapes.npy
    build/mkshapes -n 4000 --channels 1 --seed 2 -o demo/images/test.npy

    echo "demo: compiling $config"
    build/gagac "$config" -o demo/images/run --data demo/images/shapes.npy

    echo "demo: training (some minutes); demo/images/run/samples/ shows how it goes"
    demo/images/run/train --fresh --steps 3000 --sample-every 250

    echo "demo: sampling"
    demo/images/run/sample -n 64 -o demo/images/grid.png
    demo/images/run/sample -n 1000 -o demo/images/generated.npy

    echo "demo: scores of the sample beside pictures it has not seen"
    build/gagac score demo/images/test.npy demo/images/generated.npy

    cat <<END

demo: done
  demo/images/grid.png           64 samples
  demo/images/run/report.html    samples over time, losses, nearest neighbours: open it in a browser
  demo/images/run/sampler/       sampler.c and sampler.h: the generator as one C99 file
  $config    the description all of it was made from
END
}

case ${1:-} in
'') ;;
images)
    sh scripts/setup.sh
    images
    exit 0
    ;;
*)
    echo "usage: sh scripts/demo.sh [images]" >&2
    exit 2
    ;;
esac

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
