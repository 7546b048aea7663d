#!/bin/sh
# Makes sure that what a build needs is there, then configures and builds into build/.
# Installs missing packages with apt-get, as root or through sudo; with all in place it needs no
# network.
set -eu
cd "$(dirname "$0")/.."

missing=""
need() { # need PACKAGE COMMAND...: installs PACKAGE unless COMMAND succeeds
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
has() { command -v "$1"; }
has_header() { # has_header HEADER LIBRARY: both can be used by the C compiler
    printf '#include <stdarg.h>\n#include <stddef.h>\n#include <setjmp.h>\n#include <stdint.h>\n' |
        cat - "$work/$1" | cc -x c - -o "$work/probe" "-l$2"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '#include <cjson/cJSON.h>
int main(void) { return cJSON_Version() == 0; }' >"$work/cjson"
echo '#include <stdio.h>
#include <png.h>
int main(void) { return png_access_version_number() == 0; }' >"$work/png"
echo '#include <stdio.h>
#include <jpeglib.h>
int main(void) { struct jpeg_error_mgr e; return jpeg_std_error(&e) == 0; }' >"$work/jpeg"
echo '#include <zlib.h>
int main(void) { return zlibVersion() == 0; }' >"$work/zlib"
echo '#include <cmocka.h>
int main(void) { return _cmocka_run_group_tests == 0; }' >"$work/cmocka"

need cmake has cmake
need ninja-build has ninja
need clang has clang
need build-essential has cc
need make has make
need libcjson-dev has_header cjson cjson
need libcmocka-dev has_header cmocka cmocka
need libpng-dev has_header png png
need libjpeg-dev has_header jpeg jpeg
need zlib1g-dev has_header zlib z

if [ -n "$missing" ]; then
    echo "setup: installing$missing"
    as_root=""
    if [ "$(id -u)" != 0 ]; then
        as_root=sudo
    fi
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "setup: no apt-get here; please install what these Debian packages hold:$missing" >&2
        exit 3
    fi
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    if ! { $as_root apt-get update &&
        $as_root apt-get install -y --no-install-recommends $missing; } >"$work/log" 2>&1; then
        tail -n 20 "$work/log" >&2
        echo "setup: apt-get failed; please install:$missing" >&2
        exit 3
    fi
fi

generator=""
if [ ! -f build/CMakeCache.txt ] && command -v ninja >/dev/null 2>&1; then
    generator="-G Ninja"
fi
echo "setup: building into build/"
# shellcheck disable=SC2086
if ! { cmake --preset default $generator &&
    cmake --build build -j "$(nproc)"; } >"$work/log" 2>&1; then
    tail -n 60 "$work/log" >&2
    echo "setup: the build failed" >&2
    exit 1
fi
