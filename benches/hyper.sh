#!/usr/bin/env bash
# hyper on netwheel's scheduler beside hyper on tokio, both with a deadline for the head of a request
# and for the silence between two: wrk on one processor, the server on another, in turns.
#
#     benches/hyper.sh [CONNECTIONS...]      64 and 1000 unless told
#
# ROUNDS (5) rounds of SECS (3) seconds each; the table has the medians. `head` is hyper's own timer
# alone, which bounds the silence too; `head + idle` a timer around each read besides. netwheel has
# head, body, write and idle in any case. Needs wrk and curl as packages, and two processors. On a
# machine that does other work too, as root:
#
#     setsid -w sh -c 'echo -20 >/proc/self/autogroup; exec benches/hyper.sh'
set -euo pipefail
cd "$(dirname "$0")/.."

ROUNDS=${ROUNDS:-5}
SECS=${SECS:-3}
SCRATCH=$(mktemp -d)
SERVERS=()
connections=("$@")
((${#connections[@]})) || connections=(64 1000)

cleanup() {
    ((${#SERVERS[@]} == 0)) || kill "${SERVERS[@]}" 2>/dev/null || true
    wait
    rm -rf "$SCRATCH"
}
trap cleanup EXIT

cargo build --release -q -p netwheel-ecosystem --example hyper_server --example hyper_tokio
ulimit -n "$(ulimit -Hn)"

declare -A PORT PID
# Starts the server $1: the rest is its command.
start() {
    local name=$1
    shift
    taskset -c 0 "$@" >"$SCRATCH/$name.out" &
    PID[$name]=$!
    SERVERS+=($!)
    until grep -q listening "$SCRATCH/$name.out"; do sleep 0.01; done
    PORT[$name]=$(sed -n 's/^listening.*://p' "$SCRATCH/$name.out")
    curl -sf "http://127.0.0.1:${PORT[$name]}/" | grep -q hello
}

examples=target/release/examples
start netwheel "$examples/hyper_server" --workers 1 --head 10s --idle 60s
start tokio-head "$examples/hyper_tokio" --head 60s
start tokio-head-idle "$examples/hyper_tokio" --head 60s --idle 60s
order=(netwheel tokio-head tokio-head-idle)

# Clock ticks that the process $1 has used: in user mode and in the kernel.
used() {
    sed 's/^.*) //' "/proc/$1/stat" | cut -d ' ' -f 12,13
}

hertz=$(getconf CLK_TCK)
for count in "${connections[@]}"; do
    for round in $(seq "$ROUNDS"); do
        for name in "${order[@]}"; do
            read -r user kernel < <(used "${PID[$name]}")
            taskset -c 1 wrk -t 1 -c "$count" -d "$SECS" --latency \
                "http://127.0.0.1:${PORT[$name]}/" >"$SCRATCH/wrk"
            read -r user2 kernel2 < <(used "${PID[$name]}")
            awk -v name="$name" -v c="$count" -v u=$((user2 - user)) -v k=$((kernel2 - kernel)) \
                -v hz="$hertz" '
                / requests in /  { requests = $1 }
                /Requests\/sec/  { rate = $2 }
                /^ *99%/         { p99 = $2 }
                /Socket errors/  { bad += $4 + $6 + $8 + $10 }
                /Non-2xx/        { bad += $NF }
                END {
                    unit = p99; gsub(/[0-9.]/, "", unit); sub(/[a-z]+$/, "", p99)
                    p99 *= unit == "us" ? 0.001 : unit == "s" ? 1000 : 1
                    printf "%s %d %.0f %.2f %.2f %.2f %d\n", name, c, rate, p99,
                        (u + k) * 1e6 / hz / requests, u * 1e6 / hz / requests, bad
                }' "$SCRATCH/wrk" | tee -a "$SCRATCH/rows" |
                awk '{ printf "%s, %d connections: %s/s, p99 %s ms, %s us\n", $1, $2, $3, $4, $5 }' >&2
        done
    done
done

# The median of column $3 over the rounds of server $1 at $2 connections.
median() {
    awk -v name="$1" -v c="$2" -v col="$3" '$1 == name && $2 == c { print $col }' "$SCRATCH/rows" |
        sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

echo "| connections | server | requests/s | p99, ms | CPU a request, us | of it in user mode | errors |"
echo "|---|---|---|---|---|---|---|"
for count in "${connections[@]}"; do
    for name in "${order[@]}"; do
        printf '| %s | %s ' "$count" "$name"
        for column in 3 4 5 6 7; do printf '| %s ' "$(median "$name" "$count" "$column")"; done
        echo '|'
    done
done
