#!/bin/sh
# test_score_command.sh -- `gagac score` as a user meets it: tables, JSON, and an answer to every
# kind of wrong input with its exit status.
set -u
failures=0

# expect STATUS TEXT COMMAND...: the command ends with the status and prints the text.
expect() {
    status=$1 text=$2
    shift 2
    output=$("$@" 2>&1)
    got=$?
    if [ $got -ne "$status" ]; then
        echo "FAILED: status $got, not $status: $*"
        failures=$((failures + 1))
    fi
    case $output in
    *"$text"*) ;;
    *)
        echo "FAILED: no '$text' in the output of: $*"
        echo "$output"
        failures=$((failures + 1))
        ;;
    esac
}

# A structured .npy of version 1 whose header is $2 and whose data are the printf text $3.
write_npy() {
    length=$((${#2} + 1))
    {
        printf '\223NUMPY\001\000'
        printf "\\$(printf %03o $((length % 256)))\\$(printf %03o $((length / 256)))"
        printf '%s\n' "$2"
        printf "$3"
    } >"$1"
}

"$MKPHSP" -o real.npy -n 3000 --seed 1 || exit 1
"$MKPHSP" -o generated.npy -n 9000 --seed 2 || exit 1
"$MKPHSP" -o reordered.npy -n 3000 --seed 1 --columns "dX Ekine" || exit 1
"$MKPHSP" -o small.npy -n 40 || exit 1
"$MKPHSP" -o few.npy -n 3 || exit 1
head -c 1000 real.npy >cut.npy
echo text >text.npy
fields="{'descr': [('X', '<f4')], 'fortran_order': False, 'shape': (4,), }"
write_npy nan.npy "$fields" '\0\0\200\077\0\0\300\177\0\0\0\0\0\0\0\0'
write_npy plain.npy "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 1), }" \
    '\0\0\200\077\0\0\0\100\0\0\0\0\0\0\0\0'
write_npy strings.npy "{'descr': [('X', '<U1')], 'fortran_order': False, 'shape': (4,), }" \
    '0123456789abcdef'

expect 0 'real.npy: 3000 rows; generated.npy: 9000 rows' "$GAGAC" score real.npy generated.npy
expect 0 'Ekine' "$GAGAC" score real.npy generated.npy
expect 0 'SW1q ' "$GAGAC" score real.npy generated.npy
expect 0 'C2STq' "$GAGAC" score small.npy generated.npy --c2st
expect 0 '"floor":' "$GAGAC" score --json real.npy generated.npy
expect 0 '"sw1":	0,' "$GAGAC" score --json real.npy real.npy
expect 0 '"mean_ks":	0,' "$GAGAC" score --json real.npy reordered.npy
expect 0 "column 'dZ' is only in real.npy" "$GAGAC" score real.npy reordered.npy
expect 0 'column 0' "$GAGAC" score plain.npy plain.npy
expect 0 --c2st "$GAGAC" score --help
expect 1 "has no column 'X'" "$GAGAC" score reordered.npy real.npy
expect 1 'has 3 rows; a comparison needs at least 4' "$GAGAC" score few.npy real.npy
expect 1 "1 values of column 'X' are NaN or infinite" "$GAGAC" score nan.npy nan.npy
expect 1 "'X'" "$GAGAC" score strings.npy strings.npy
expect 1 'cut.npy' "$GAGAC" score real.npy cut.npy
expect 1 'text.npy' "$GAGAC" score real.npy text.npy
expect 4 'absent.npy' "$GAGAC" score real.npy absent.npy
expect 2 'two files are needed, not 1' "$GAGAC" score real.npy
expect 2 'two files are needed, not 3' "$GAGAC" score real.npy real.npy real.npy
expect 2 'did you mean --c2st?' "$GAGAC" score real.npy real.npy --c2ts
[ -w /dev/full ] && expect 4 'standard output' \
    sh -c '"$GAGAC" score real.npy generated.npy >/dev/full'
[ $failures -eq 0 ]
