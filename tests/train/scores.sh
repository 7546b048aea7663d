# scores.sh -- bounds on the scores of generated rows.

# score_of NAME REAL GENERATED: one number of `gagac score --json`: sw1, sw1q, mean_ks ...
score_of() {
    [ "$3.json" -nt "$3" ] || "$GAGAC" score "$2" "$3" --json >"$3.json"
    awk -v name="\"$1\":" '$1 == name { print $2 + 0; exit }' "$3.json"
}

# at_most NAME BOUND REAL GENERATED
at_most() {
    value=$(score_of "$1" "$3" "$4")
    echo "$4: $1 $value, at most $2"
    awk -v value="$value" -v bound="$2" 'BEGIN { exit !(value != "" && value <= bound) }' ||
        note_failure "$1 of $4 is '$value', above $2"
}

# above NAME BOUND REAL GENERATED
above() {
    value=$(score_of "$1" "$3" "$4")
    awk -v value="$value" -v bound="$2" 'BEGIN { exit !(value != "" && value > bound) }' ||
        note_failure "$1 of $4 is '$value', not above $2"
}
