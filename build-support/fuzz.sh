#!/bin/sh
# fuzz.sh SECONDS - gives the packet logic whatever cargo-fuzz comes up with,
# for so long. Begins with the fixtures, and with what was found before.
set -eu

case ${1:-} in
    '' | *[!0-9]*) echo "usage: fuzz.sh SECONDS" >&2; exit 2 ;;
esac
if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "fuzz.sh: cargo-fuzz is missing: rustup toolchain install nightly && cargo install cargo-fuzz" >&2
    exit 1
fi

fuzz=xdp-prog/fuzz
cargo run --quiet --locked --package xdp-prog --example seeds -- "$fuzz/corpus/frame"
# Its own folder for what it builds: another compiler, other flags.
exec cargo +nightly fuzz run --fuzz-dir "$fuzz" --target-dir target/fuzz frame \
    "$fuzz/corpus/frame" xdp-prog/tests/corpus -- \
    -max_total_time="$1" -max_len=4096 -print_final_stats=1
