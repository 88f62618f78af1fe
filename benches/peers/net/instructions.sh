#!/bin/bash
# Instructions of user code a request, which are the same whatever else the machine does:
#
#     ./instructions.sh [-r REQUESTS] [-f FUNCTIONS] SERVER [ARGUMENT]...
#     ./instructions.sh -f 10 srv-netwheel --workers 1
#
# The server runs under callgrind, once for REQUESTS and once for twice as many on 64 connections;
# the difference is what requests cost. Clocks are not in it: callgrind makes system calls of them.
# For the floor use `srv-mio`: valgrind has no epoll_pwait2, which `srv-raw` asks for again and again.
set -eu

requests=30000 functions=0
while getopts r:f: option; do
    case $option in
        r) requests=$OPTARG ;;
        f) functions=$OPTARG ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))

bin=$(dirname "$(readlink -f "$0")")/target/release
profile=$(mktemp -d)
trap 'rm -r "$profile"' EXIT

# What `$@` has executed when it has answered `$2` requests, by function, in the file `$1`.
run() {
    local to=$1 count=$2 port=$((20000 + RANDOM % 10000))
    shift 2
    valgrind -q --tool=callgrind --callgrind-out-file="$to" \
        "$bin/$1" "${@:2}" --port $port >/dev/null 2>&1 &
    local server=$!
    until (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; do
        kill -0 $server 2>/dev/null || { echo "$1 does not start" >&2; exit 1; }
        sleep 0.1
    done
    "$bin/loadgen" echo --port $port --conns 64 --secs 60 --warmup 0 --requests "$count" >/dev/null
    kill -TERM $server
    wait $server || true
}

run "$profile/once" "$requests" "$@"
run "$profile/twice" $((requests * 2)) "$@"

# Own cost by function: a line of numbers after `fn=` is its own, unless `calls=` precedes it.
awk -v requests="$requests" -v functions="$functions" '
    FNR == 1 { run++; delete name }
    /^c?fn=/ {
        line = $0; sub(/^c?fn=/, "", line); id = line; sub(/\).*/, ")", id); sub(/^[^ ]* ?/, "", line)
        if (line != "") name[id] = line
        if (/^fn=/) { current = id; callee = 0 }
    }
    /^calls=/ { callee = 1; next }
    /^[-+*0-9]/ { if (callee) callee = 0; else cost[name[current]] += run == 1 ? -$2 : $2; next }
    END {
        for (f in cost) total += cost[f]
        printf "%d instructions a request\n", total / requests + 0.5
        top = "sort -rn | head -n " functions
        if (functions) for (f in cost) printf "%7.1f  %s\n", cost[f] / requests, f | top
    }' "$profile/once" "$profile/twice"
