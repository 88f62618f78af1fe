#!/usr/bin/env bash
# Runs the loom models: each in all its interleavings, and each of its mutants, which must fail.
#
#   .ci/loom.sh            all of them
#   .ci/loom.sh FILTER     those with FILTER in their path
#   .ci/loom.sh --write    all of them, and renews the table in netpoll/LOOM.md
set -euo pipefail
cd "$(dirname "$0")/.."

write=false
filter=loom_
case "${1-}" in
    --write) write=true ;;
    ?*) filter=$1 ;;
esac

# Other flags than the ordinary build's, so a directory of its own keeps both from starting over.
export CARGO_TARGET_DIR=target/loom
export RUSTFLAGS="--cfg loom -C debug-assertions"
output=$(mktemp)
trap 'rm -f "$output"' EXIT
cargo test --release --locked -p netwheel-netpoll --lib -- "$filter" --nocapture |& tee "$output"

rows=$(grep -o '| `.*|$' "$output" | sort)
test -n "$rows" || { echo "no model has $filter in its path" >&2; exit 1; }
if $write; then
    table=netpoll/LOOM.md
    { sed '/^|---/q' "$table"; echo "$rows"; } >"$output"
    cp "$output" "$table"
fi
