# helpers.sh -- what the scripts of the tests share. Read with `. "$GAGAC_TESTS/helpers.sh"`: the
# script goes on in an empty folder. Its last line is `finish`.
set -u
failures=0
rm -rf work && mkdir work && cd work || exit 1

note_failure() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# stop_test TEXT: what follows makes no sense without what failed
stop_test() {
    note_failure "$*"
    exit 1
}

# run COMMAND...: standard output and error go to ./words, the exit status to $status
run() {
    "$@" >words 2>&1 </dev/null
    status=$?
}

# expect STATUS TEXT COMMAND...: the command ends with the status and its words hold the text
expect() {
    expected=$1 text=$2
    shift 2
    run "$@"
    if [ "$status" -ne "$expected" ]; then
        note_failure "status $status, not $expected: $*"
        tail -n 20 words
    elif [ -n "$text" ] && ! grep -qF -e "$text" words; then
        note_failure "no '$text' in the words of: $*"
        tail -n 20 words
    fi
}

# must COMMAND...: success, or the test ends
must() {
    run "$@"
    [ "$status" -eq 0 ] && return
    tail -n 20 words
    stop_test "status $status: $*"
}

# plainly COMMAND...: what it compiles is not optimised, as that is most of what compiling takes. For
# programs that run for a moment: a whole training would lose what this saves
plainly() {
    GAGAC_CFLAGS="${GAGAC_CFLAGS-} -O0" "$@"
}

# same A B: equal tensors, bit for bit
same() {
    "$COMPARE" "$1" "$2" 0 >words 2>&1 && return
    note_failure "other bits in $2 than in $1"
    tail -n 20 words
}

# close_to EXPECTED FOUND TOLERANCE [PATTERN=TOLERANCE]...
close_to() {
    if "$COMPARE" "$@" >words 2>&1; then
        sed "s|^|$2: |" words
    else
        note_failure "$2 is not $1"
        tail -n 20 words
    fi
}

# newest RUN: its checkpoint of the most iterations
newest() {
    for checkpoint in "$1"/checkpoints/[0-9]*.safetensors; do
        latest=$checkpoint
    done
    echo "$latest"
}

# cpu_has FLAG...
cpu_has() {
    for flag; do
        grep -qw "$flag" /proc/cpuinfo || return 1
    done
}

finish() {
    [ "$failures" -eq 0 ]
    exit
}
