#!/bin/sh
# Runs `gagac check` on every NAME.json of this folder and compares what it says with NAME.err: the
# first line is "status N", the rest is standard error byte for byte.
set -u
cd "$GAGAC_TESTS/diag" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
count=0
wrong=0
for config in *.json; do
    name=${config%.json}
    "$GAGAC" check "$config" >"$work/out" 2>"$work/err"
    { echo "status $?"; cat "$work/err"; } >"$work/got"
    count=$((count + 1))
    if ! diff -u "$name.err" "$work/got"; then
        wrong=$((wrong + 1))
        echo "$config: not the expected words"
    fi
done
echo "$count configs, $wrong with other words than expected"
[ "$count" -gt 1 ] && [ "$wrong" -eq 0 ]
