#!/bin/sh
# Every packaged config is copied by `gagac new` and is a GAN for gagac. Those in `later` may be
# refused, but only for what docs/hypergan.md lists as not compiled yet.
. "$GAGAC_TESTS/helpers.sh"
later=' rolling1 '
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
        if [ "$status" -ne 0 ]; then
            case $later in
            *" $name "*)
                grep -qF 'cannot be compiled: ' words || note_failure "$name: $(cat words)"
                ;;
            *) note_failure "$name: $(cat words)" ;;
            esac
        fi
        ;;
    esac
done <names
finish
