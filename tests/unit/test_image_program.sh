#!/bin/sh
# test_image_program.sh -- a program for images from its data to its samples: tests/tools/image_toy.c
# with the mains of every program. Also mkshapes and `gagac score` of images.
. "$GAGAC_TESTS/helpers.sh"
export GAGAC_CACHE_DIR="$PWD/cache"
train=${IMAGE_TOY}_train sample=${IMAGE_TOY}_sample

# header FILE TEXT: a .npy file's header holds the text
header() {
    head -c 256 "$1" | grep -aqF "$2" || note_failure "$1 has no $2 in its header"
}

# mkshapes: deterministic, a longer set starts with a shorter one, two forms of the same images
must "$MKSHAPES" -n 200 --seed 5 -o a.npy
must "$MKSHAPES" -n 200 --seed 5 -o b.npy
must "$MKSHAPES" -n 100 --seed 5 -o c.npy
must "$MKSHAPES" -n 200 --seed 6 -o d.npy
cmp -s a.npy b.npy || note_failure 'mkshapes gives other bytes for the same seed'
cmp -s a-labels.npy b-labels.npy || note_failure 'mkshapes gives other classes for the same seed'
cmp -s a.npy d.npy && note_failure 'mkshapes gives the same bytes for another seed'
[ "$(tail -c +129 a.npy | head -c 307200 | cksum)" = "$(tail -c +129 c.npy | cksum)" ] ||
    note_failure 'a longer set of shapes does not start with the shorter one'
header a.npy "'|u1', 'fortran_order': False, 'shape': (200, 32, 32, 3)"
must "$MKSHAPES" -n 200 --seed 5 --classes 3 -o folder/
[ "$(ls folder | tr '\n' ' ')" = 'disc square triangle ' ] || note_failure "classes: $(ls folder)"
[ "$(find folder -name '*.png' | wc -l)" -eq 200 ] || note_failure 'not 200 PNG files'
expect 2 '--channels is 1 (grey) or 3 (RGB)' "$MKSHAPES" --channels 2 -o x.npy
expect 2 'no output is given' "$MKSHAPES"

# training: errors of the data come before anything is written
expect 2 'no data are given' "$train" --run run
expect 1 "is 32 x 32 pixels (width x height), not 10 x 12" "$train" --data a.npy --run run
expect 2 'exclude each other' "$train" --data a.npy --run run --crop --resize
expect 4 "cannot read 'nowhere'" "$train" --data nowhere --run run

expect 0 '' "$train" --data folder --run run --resize --steps 60 --sample-every 20 --save-every 30 \
    --width 4 --quiet
[ "$(ls run/samples | tr '\n' ' ')" = '000000.png 000020.png 000040.png 000060.png ' ] ||
    note_failure "samples: $(ls run/samples)"
cmp -s run/samples/000000.png run/samples/000060.png && note_failure 'the samples do not change'
grep -q '"classes": \["disc", "square", "triangle"\]' run/run.json || note_failure 'no classes'
[ "$(grep -c 'data:image/png;base64,' run/report.html)" -ge 12 ] ||
    note_failure 'the report shows no images'
for words in 'Samples over time' 'Quality' 'nearest real images' '>triangle<' '</html>'; do
    grep -qF "$words" run/report.html || note_failure "no '$words' in the report"
done
grep -oE 'https?://[^" ]*|<script' run/report.html && note_failure 'the report is not whole'
tail -n 1 run/metrics.jsonl | grep -qE '"swd": 0\.[0-9]+' || note_failure 'no swd in the metrics'

# options that stand before those of the command line
cp "$train" run/train
printf -- '--data=../folder\n--resize\n' >run/train.options
mv run/train.options run/train.later
(cd run && mkdir -p other && cp ../run/train other/train && cp train.later other/train.options)
expect 0 'nothing to do' env -C run/other ./train --data "$PWD/folder" --run "$PWD/run" --steps 60
expect 0 '' \
    env -C run/other ./train --data "$PWD/a.npy" --run "$PWD/x" --random-crop --steps 2 --quiet
rm -rf run/other run/train run/train.later

# resumed, cut into pieces, on other threads: the same bits
must "$train" --data folder --run cut --resize --steps 25 --sample-every 20 --quiet --threads 1
must "$train" --data folder --run cut --resize --steps 60 --sample-every 20 --quiet --threads 2
same run/checkpoints/000000060.safetensors cut/checkpoints/000000060.safetensors
must "$train" --data folder --run wide --resize --steps 60 --sample-every 20 --width 4 --quiet
cmp -s run/samples/000040.png wide/samples/000040.png || note_failure 'other samples'
cp "$(find folder -name '*.png' | head -n 1)" folder/disc/again.png
expect 1 'belongs to other data' "$train" --data folder --run run --resize --steps 61
expect 0 '' "$train" --data folder --run run --resize --steps 20 --sample-every 20 --fresh --quiet
[ "$(ls run/samples | tr '\n' ' ')" = '000000.png 000020.png ' ] ||
    note_failure "--fresh leaves samples: $(ls run/samples)"

# replay: images are [height][width][channels] in the file
must "$sample" --run run -n 5 -o s.npy
header s.npy "'<f4', 'fortran_order': False, 'shape': (5, 12, 10, 2)"
must "$sample" --run run -n 2 --first 3 -o t.npy
[ "$(tail -c 1920 s.npy | cksum)" = "$(tail -c 1920 t.npy | cksum)" ] ||
    note_failure 'a sample depends on more than its index'
must "$sample" --run run -n 5 --first 3 -o singles/
[ "$(ls singles | tr '\n' ' ')" = '000003.png 000004.png 000005.png 000006.png 000007.png ' ] ||
    note_failure "single samples: $(ls singles)"
must "$sample" --run run -n 10 -w 5 -o grid.png
must "$sample" --run run -n 10 -w 5 -o stretched.png --stretch
cmp -s grid.png stretched.png && note_failure '--stretch changes nothing'
expect 2 'does not say what to write' "$sample" --run run -n 10 -o grid.gif
expect 2 'larger than 32767 pixels' "$sample" --run run -n 1000000 -o grid.png
expect 2 'exclude each other' "$sample" --run run -n 1 -o grid.png --stretch --direct
rm -rf singles/*
must "$sample" --run run -n 3 -o singles # a folder that is there

# scores
must "$MKSHAPES" -n 250 --seed 7 --size 16 --channels 1 -o real.npy
must "$MKSHAPES" -n 250 --seed 8 --size 16 --channels 1 -o good.npy
must "$MKSHAPES" -n 250 --seed 8 --size 16 --channels 1 --classes 2 -o few.npy
must "$GAGAC" score real.npy good.npy --json
good=$(grep -m 1 '"swd"' words | tr -dc '0-9.')
grep -q '"classes":.8,' words || note_failure 'not all classes are covered'
must "$GAGAC" score real.npy few.npy --json
few=$(grep -m 1 '"class_error"' words | tr -dc '0-9.')
awk "BEGIN { exit !($good < 0.2 && $few > 0.4) }" || note_failure "scores: $good, $few"
expect 0 'SWD' "$GAGAC" score real.npy good.npy
expect 0 'triangle' "$GAGAC" score folder folder
expect 4 "cannot read 'nothing.npy'" "$GAGAC" score s.npy s.npy --labels nothing.npy
expect 2 '--c2st is for rows' "$GAGAC" score real.npy good.npy --c2st
expect 2 '--labels is for images' "$GAGAC" score a-labels.npy a-labels.npy --labels a-labels.npy
expect 1 'is 32 x 32 pixels' "$GAGAC" score a.npy good.npy
finish
