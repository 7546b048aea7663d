#!/bin/sh
# Data and checkpoints that do not fit: a clear answer, status 1 or 4, nothing written.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/fault/network.sh"
width=24 # bytes of a row
size=$(wc -c <photons.npy)
header=$((size - 20000 * width))

# refuse STATUS TEXT FILE: the training does not start on the file
refuse() {
    expect "$1" "$2" made/train --run refused --data "$3"
    [ -e refused/checkpoints ] && [ -e "$(newest refused)" ] && note_failure "a checkpoint with $3"
    rm -rf refused
}

head -c $((size - 1000)) photons.npy >cut.npy
refuse 1 'cut.npy' cut.npy
head -c 40 photons.npy >header.npy
refuse 1 'header.npy' header.npy
: >empty.npy
refuse 1 'empty.npy' empty.npy
echo 'not an array' >text.npy
refuse 1 'text.npy' text.npy
refuse 4 'absent.npy' absent.npy
refuse 4 'made' made
"$MKPHSP" -n 1000 --columns 'Ekine X dX dY dZ' -o missing.npy
refuse 1 "'Y'" missing.npy
"$MKPHSP" -n 150 -o few.npy
refuse 1 'fewer than the 200 of a batch' few.npy
cp photons.npy nan.npy
printf '\0\0\300\177' | dd of=nan.npy bs=1 seek=$((header + 777 * width)) conv=notrunc 2>/dev/null
refuse 1 'Ekine' nan.npy
cp photons.npy infinite.npy
printf '\0\0\200\377' | dd of=infinite.npy bs=1 seek=$((header + 5 * width + 8)) conv=notrunc \
    2>/dev/null
refuse 1 "'Y'" infinite.npy

# Columns in another order, and more of them, are the same data.
"$MKPHSP" -n 20000 --seed 5 --columns 'dZ dY dX Y X Ekine' -o reversed.npy
must made/train --run first --data photons.npy --iterations 5 --quiet
must made/train --run second --data reversed.npy --iterations 5 --quiet
same "$(newest first)" "$(newest second)"

# A column of one value is generated as that value.
"$MKPHSP" --gauss-cond --modes 1 -n 2000 -o constant.npy
must "$GAGAC" network.json -o narrow -p keys='X Y cx cy'
expect 0 'is constant' narrow/train --data constant.npy --iterations 5
must narrow/sample -n 10 -o constant_rows.npy
tail -c 160 constant_rows.npy | od -An -v -tx4 -w16 | while read -r x y cx cy; do
    echo "$cx $cy"
done | sort -u >values
[ "$(cat values)" = '00000000 00000000' ] || note_failure 'a constant column has other values'

# Checkpoints of something else.
expect 1 'another network' narrow/train --run first --data constant.npy
"$MKPHSP" -n 20000 --seed 6 -o other.npy
expect 1 'other data' made/train --run first --data other.npy
expect 1 'seed' made/train --run first --data photons.npy --seed 77
must "$GAGAC" network.json -o wide -p d_dim=41
expect 1 '--fresh starts over' wide/train --run first --data photons.npy
expect 1 '' wide/sample --run first -n 10 -o none.npy
must "$GAGAC" network.json -o double --precision f64
expect 1 '' double/train --run first --data photons.npy
must made/train --run first --data photons.npy --iterations 8 --quiet

# The file shrinks while it is read: more than what is kept in memory, so it stays mapped.
"$MKPHSP" -n 1500000 --seed 5 -o large.npy
made/train --run shrunk --data large.npy --iterations 1000000 --quiet >words 2>&1 &
training=$!
tries=0
until [ -e shrunk/checkpoints ] || [ $tries -gt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
sleep 0.5
dd if=/dev/null of=large.npy bs=1 seek=100000 2>/dev/null # cuts the file
tries=0
while kill -0 $training 2>/dev/null && [ $tries -lt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
kill -KILL $training 2>/dev/null && note_failure 'the training reads on in a file that is gone'
wait $training
status=$?
[ $status -eq 4 ] || note_failure "status $status after the data shrank"
grep -q 'large.npy' words || note_failure 'no word about the file that shrank'
finish
