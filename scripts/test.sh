#!/bin/sh
# Sets up, builds and runs the tests. Arguments go to ctest: sh scripts/test.sh -L unit
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
exec ctest --test-dir build --output-on-failure --no-tests=error -j "$(nproc)" "$@"
