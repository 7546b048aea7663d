#!/bin/sh
# No compiler, a compiler that fails, an output folder that cannot be: an answer and no partial RUN.
. "$GAGAC_TESTS/helpers.sh"
cp "$GAGAC_TESTS/../configs/gaga/gauss.json" gauss.json

# refuse STATUS TEXT WORD...: gagac fails and makes no folder
refuse() {
    expect "$@"
    [ -e made ] && note_failure "a RUN was made by: $*"
    [ "$(find . -name 'made*' | wc -l)" -eq 0 ] || note_failure "leftovers of: $*"
}

refuse 3 'compiler' env PATH=/nonexistent "$GAGAC" gauss.json -o made
refuse 3 '/nonexistent/cc' "$GAGAC" gauss.json -o made --cc /nonexistent/cc
refuse 3 '/nonexistent/cc' env GAGAC_CC=/nonexistent/cc "$GAGAC" gauss.json -o made
refuse 3 '' "$GAGAC" gauss.json -o made --cc false --no-cache
refuse 4 'none.npy' "$GAGAC" train gauss.json -o made --data none.npy
refuse 4 'absent.json' "$GAGAC" absent.json -o made
refuse 2 '-o' "$GAGAC" gauss.json
refuse 2 'plian' "$GAGAC" gauss.json -o made --plian
refuse 2 'f32, f64, tf32, 3xtf32 or bf16' "$GAGAC" gauss.json -o made --precision f16
refuse 2 '--isa' "$GAGAC" gauss.json -o made --isa mmx
refuse 1 'unknown' "$GAGAC" gauss.json -o made -p no_such_key=1
refuse 1 'batch_size' "$GAGAC" gauss.json -o made -p batch_size=0
refuse 4 '' "$GAGAC" gauss.json -o /nonexistent/made
refuse 4 '' "$GAGAC" gauss.json -o gauss.json

# A folder with things of somebody else stays as it is.
mkdir mine && echo mine >mine/train
expect 4 'was not made by gagac' "$GAGAC" gauss.json -o mine
[ "$(cat mine/train)" = mine ] || note_failure 'a file that is not ours was replaced'

# A program for a CPU that this one is not.
if ! cpu_has avx512f avx512bw avx512dq avx512vl; then
    must "$GAGAC" gauss.json -o other --isa avx512
    must "$MKPHSP" --gauss v1 -n 20000 -o gauss.npy
    expect 3 'avx512' other/train --data gauss.npy
fi

# Hostile names reach neither a shell nor the generated text.
hostile='$(touch gone) ; * "quoted" ??\ %n.json'
cp gauss.json "$hostile"
expect 0 'is ready' "$GAGAC" "$hostile" -o "odd ' name \$(touch gone)"
[ -e gone ] && note_failure 'a name was run as a command'
cp gauss.json -- '-fplugin=x.json'
expect 0 'is ready' "$GAGAC" ./-fplugin=x.json -o made
finish
