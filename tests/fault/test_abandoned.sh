#!/bin/sh
# What a killed gagac leaves beside RUN goes when the next one starts; what a running one works on
# stays.
. "$GAGAC_TESTS/helpers.sh"
cp "$GAGAC_TESTS/../configs/gaga/gauss.json" gauss.json
mkdir made.new-unfinished made.new-backup made.new-unfinished-mine2024 # of somebody else

# A compiler that takes its time over objects.
cat >slow <<'END'
#!/bin/sh
case " $* " in *" -c "*) exec sleep 20 ;; esac
exec cc "$@"
END
chmod +x slow

folders() { find . -maxdepth 1 -name 'made.new-unfinished-??????' | sort; }

# start: a build in the background, up to its first folder that is not in $1
start() {
    "$GAGAC" gauss.json -o made --cc ./slow --no-cache >start.words 2>&1 </dev/null &
    builder=$!
    for turn in $(seq 100); do
        new=$(folders | grep -vxF "${1:-none}")
        [ -n "$new" ] && [ -e "$new/src" ] && return
        sleep 0.1
    done
    cat start.words
    stop_test 'no build started'
}

start
abandoned=$new
kill -9 $builder
wait $builder 2>/dev/null
[ -d "$abandoned" ] || note_failure 'kill -9 left nothing: this test shows nothing'

start "$abandoned"
[ -e "$abandoned" ] && note_failure 'an abandoned folder stayed'
must "$GAGAC" gauss.json -o made --emit-only
[ -d "$new" ] || note_failure 'the folder of a running build was removed'
kill -9 $builder
wait $builder 2>/dev/null

must "$GAGAC" gauss.json -o other --emit-only
[ -d "$new" ] || note_failure 'another RUN removed the folder'
rm -rf made
must "$GAGAC" gauss.json -o made --emit-only
[ -z "$(folders)" ] || note_failure "left: $(folders)"
for folder in made.new-unfinished made.new-backup made.new-unfinished-mine2024; do
    [ -d $folder ] || note_failure "$folder of somebody else was removed"
done
finish
