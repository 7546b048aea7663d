#!/bin/sh
# The emitted programs of scripts/regenerate.sh are those in generated/, byte for byte, in any
# folder and locale, and say nothing of the machine or the time.
. "$GAGAC_TESTS/helpers.sh"
root=$GAGAC_TESTS/..
must sh "$root/scripts/regenerate.sh" "$PWD/fresh"
diff -r "$root/generated" fresh >words 2>&1 || {
    note_failure "generated/ is not what is emitted: run scripts/regenerate.sh and review"
    head -n 40 words
}
must env TZ=Asia/Tokyo LC_ALL=tr_TR.UTF-8 sh "$root/scripts/regenerate.sh" "$PWD/a/longer/name"
diff -r fresh a/longer/name >/dev/null || note_failure 'other bytes in another folder or locale'
for word in "$PWD" "$(date +%Y-%m)"; do
    grep -rnF -e "$word" fresh && note_failure "'$word' is in the emitted text"
done
# A template that says so compiles as it is, to be read and changed like any C.
include=$(find "$root/runtime" -type d | sed 's/^/-I/')
for template in $(grep -l 'ompiles on its' "$root"/templates/*.c); do
    "${CC:-cc}" -std=gnu11 -fsyntax-only -DGAGAC_VECTOR_BYTES=16 $include "$template" ||
        note_failure "${template##*/} does not compile on its own"
done
finish
