#!/bin/sh
# All tests, as `make test` runs them. Ends with one line that counts them; a
# failure of any step, or no test at all, is a failure.
set -eu
log=target/test.log
mkdir -p target

make --no-print-directory lint

# A pipe would hide the exit code of cargo.
status=0
cargo test --locked --workspace --no-fail-fast >"$log" 2>&1 || status=$?
cat "$log"

# The release binary is what users get: its size is checked where it is built.
make --no-print-directory build
binary=target/$(rustc --print host-tuple)/release/dsrload
size=$(stat -c %s "$binary")
if [ "$size" -ge 5000000 ]; then
    echo "the release binary has $size bytes, 5,000,000 are too many" >&2
    status=1
fi

# It has no tables for backtraces: asking for them must not end it.
code=0
RUST_BACKTRACE=1 "$binary" no-such-if >/dev/null 2>&1 || code=$?
if [ "$code" -ne 1 ]; then
    echo "the release binary ends with $code where 1 was expected" >&2
    status=1
fi

awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
     END {
         printf "%d passed, %d failed, %d skipped\n", passed, failed, ignored
         exit passed == 0 || failed > 0 || ignored > 0
     }' "$log" || status=1
exit "$status"
