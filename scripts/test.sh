#!/bin/sh
# Sets up, builds and runs the tests. Arguments go to ctest: sh scripts/test.sh -L unit
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
# Real images, from Debian; a test that finds none skips itself.
if ! [ -d /usr/share/datasets/fashion-mnist ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y \
        --no-install-recommends dataset-fashion-mnist; } >build/fashion.log 2>&1 ||
        echo "test: Fashion-MNIST could not be installed: see build/fashion.log"
fi
exec ctest --test-dir build --output-on-failure --no-tests=error -j "$(nproc)" "$@"
