#!/bin/sh
# Every packaged config is copied by `gagac new` and is a GAN for gagac.
. "$GAGAC_TESTS/helpers.sh"
must "$GAGAC" new -l
grep -v '^    ' words | sed 's/ - .*//' >names
[ "$(wc -l <names)" -gt 40 ] || stop_test 'the list of packaged configs is short'
number=0
while read -r name; do
    number=$((number + 1))
    must "$GAGAC" new "copy$number" -t "$name"
    cmp "copy$number.json" "$GAGAC_TESTS/../configs/hypergan/$name.json" ||
        note_failure "the copy of $name differs"
    case $name in
    progressive_growing/base) ;; # only to be inherited
    *)
        run "$GAGAC" check "copy$number.json"
        [ "$status" -eq 0 ] || note_failure "$name: $(cat words)"
        ;;
    esac
done <names
finish
