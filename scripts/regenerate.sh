#!/bin/sh
# Writes generated/ anew: what the compiler emits for two configs, kept for reviews. A test compares
# it byte for byte, so run this after a change of the emitted code and read the difference.
#
#     sh scripts/regenerate.sh [FOLDER]     another folder than generated/; GAGAC names the compiler
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root/generated}
gagac=${GAGAC:-$root/build/gagac}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# emit NAME CONFIG OPTION...: the generated files of a program as NAME/
emit() {
    name=$1 config=$2
    shift 2
    "$gagac" "$root/configs/gaga/$config" -o "$work/$name" --emit-only "$@" >"$work/words" 2>&1 || {
        cat "$work/words" >&2
        exit 1
    }
    mkdir -p "$out/$name"
    for file in model.h model.c generator.c program.c; do
        cp "$work/$name/src/$file" "$out/$name/$file"
    done
    cp "$work/$name/sampler/"* "$out/$name/"
}

# emit_cuda NAME CONFIG: the kernels for a GPU as NAME/model.cu
emit_cuda() {
    "$gagac" "$root/configs/gaga/$2" -o "$work/$1" --emit-only --target cuda >"$work/words" 2>&1 || {
        cat "$work/words" >&2
        exit 1
    }
    mkdir -p "$out/$1"
    cp "$work/$1/src/model.cu" "$out/$1/model.cu"
}

emit tuned demo.json --isa avx512
emit plain seed.json --plain --isa generic
emit_cuda cuda demo.json
