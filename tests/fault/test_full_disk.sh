#!/bin/sh
# A full disk, or a limit on the size of files: status 4, and everything that was there stays.
. "$GAGAC_TESTS/helpers.sh"
. "$GAGAC_TESTS/fault/network.sh"

# check_kept RUN: its checkpoint of iteration 20 still is what it was
check_kept() {
    same kept.safetensors "$1/checkpoints/000000020.safetensors"
    usable "$1"
}

# By a limit: checkpoints have about 150 kB, a block of ulimit has 512 bytes.
must made/train --run limited --data photons.npy --iterations 20 --quiet
cp "$(newest limited)" kept.safetensors
expect 4 'free some space' sh -c \
    'ulimit -f 100; exec made/train --run limited --data photons.npy --iterations 40'
check_kept limited
expect 0 '' made/train --run limited --data photons.npy --iterations 40 --quiet
must cp rows.npy kept.npy
expect 4 'cannot write' sh -c 'ulimit -f 100; exec made/sample --run limited -n 100000 -o rows.npy'
cmp rows.npy kept.npy || note_failure 'sample touched the file that was there'
expect 4 '' sh -c 'ulimit -f 100; exec "$GAGAC" network.json -o unmade --no-cache'
[ -e unmade ] && note_failure 'half a RUN'
[ -w /dev/full ] && expect 4 '' made/sample --run limited -n 100000 -o /dev/full

# A file system of one megabyte, where one may be mounted.
mkdir disk
if mount -t tmpfs -o size=1m none disk 2>/dev/null; then
    trap 'umount disk' EXIT
    must made/train --run disk/run --data photons.npy --iterations 20 --quiet
    cp "$(newest disk/run)" kept.safetensors
    head -c 2000000 /dev/zero >disk/filler 2>/dev/null
    expect 4 'No space left' made/train --run disk/run --data photons.npy --iterations 40
    check_kept disk/run
    expect 4 '' made/sample --run disk/run -n 10000 -o disk/rows.npy
    expect 4 '' "$GAGAC" network.json -o disk/unmade
    [ -e disk/unmade ] && note_failure 'half a RUN'
    [ "$(find disk -name '*rows.npy*' -o -name '*.tmp-*' | wc -l)" -eq 0 ] ||
        note_failure 'leftovers on the full disk'
    rm disk/filler
    expect 0 '' made/train --run disk/run --data photons.npy --iterations 40 --quiet
    must made/train --run whole --data photons.npy --iterations 40 --quiet
    same "$(newest whole)" "$(newest disk/run)"
    umount disk
    trap - EXIT
else
    echo 'no file system can be mounted here: a limit on file sizes stood in for a full disk'
fi
finish
