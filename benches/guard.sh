#!/usr/bin/env bash
# What does a guard cost in front of a real server, and when does it cut?
#
#     benches/guard.sh redis     redis-benchmark against redis-server
#     benches/guard.sh nginx     wrk against nginx
#     benches/guard.sh silent    2,000 silent connections against --idle 3s
#     benches/guard.sh slow      the same by slowhttptest
#
# The first two run without a guard, with one, and with haproxy (mode tcp, the same timeouts) if it
# is there, in turns, ROUNDS times (3). Needs redis-server, redis-tools, nginx, wrk, slowhttptest as
# packages; nothing has to run before. On a machine that does other work too, as root:
#
#     setsid -w sh -c 'echo -20 >/proc/self/autogroup; exec benches/guard.sh redis'
set -euo pipefail
cd "$(dirname "$0")/.."

ROUNDS=${ROUNDS:-3}
SCRATCH=$(mktemp -d)
STARTED=()

cleanup() {
    for pid in "${STARTED[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$SCRATCH"
}
trap cleanup EXIT

start() {
    "$@" &
    STARTED+=($!)
}

# Waits until something listens on port $1.
listening() {
    for _ in $(seq 500); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
        sleep 0.01
    done
    echo "nothing listens on port $1" >&2
    return 1
}

# A port that nobody uses.
free_port() {
    local port
    while port=$((20000 + RANDOM % 10000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    echo "$port"
}

# Starts a guard with the arguments given; its port is in GUARD.
guard() {
    start target/release/examples/guard "$@" >"$SCRATCH/guard.out" 2>"$SCRATCH/guard.err"
    until [ -s "$SCRATCH/guard.out" ]; do sleep 0.01; done
    GUARD=$(sed -n '1s/.*://p' "$SCRATCH/guard.out")
}

# Ends the guard and shows its last words.
dismiss() {
    local pid=${STARTED[-1]}
    unset 'STARTED[-1]'
    kill -TERM "$pid"
    wait "$pid"
    tail -n 1 "$SCRATCH/guard.out"
}

show() {
    printf '$ %s\n' "$*"
    "$@"
}

# Runs the command $2... on the port of the bare service, $1, and of what stands in front of it.
in_turns() {
    local bare=$1 round way
    shift
    declare -A ports=([none]=$bare)
    guard --upstream "127.0.0.1:$bare"
    ports[guard]=$GUARD
    if command -v haproxy >/dev/null; then
        ports[haproxy]=$(free_port)
        haproxy_config "${ports[haproxy]}" "$bare" >"$SCRATCH/haproxy.cfg"
        start haproxy -q -db -f "$SCRATCH/haproxy.cfg"
        listening "${ports[haproxy]}"
    fi
    for round in $(seq "$ROUNDS"); do
        for way in none guard haproxy; do
            [ -n "${ports[$way]:-}" ] || continue
            echo "-- round $round, in between: $way"
            "$@" "${ports[$way]}"
        done
    done
}

haproxy_config() {
    cat <<END
global
    maxconn 4000
    nbthread $(nproc)
defaults
    mode tcp
    timeout connect 2s
    timeout client 30s
    timeout server 30s
listen service
    bind 127.0.0.1:$1
    server service 127.0.0.1:$2
END
}

redis() {
    local port
    port=$(free_port)
    start redis-server --port "$port" --save '' --appendonly no >/dev/null
    listening "$port"
    in_turns "$port" redis_load
}

redis_load() {
    show redis-benchmark -p "$1" -t ping,set,get -c 50 -n 200000 -q | tr '\r' '\n' |
        grep '^\$\|per second'
}

nginx() {
    local port
    port=$(free_port)
    mkdir "$SCRATCH/www"
    head -c 612 /dev/zero | tr '\0' x >"$SCRATCH/www/index.html"
    cat >"$SCRATCH/nginx.conf" <<END
daemon off;
pid $SCRATCH/nginx.pid;
error_log $SCRATCH/error.log;
worker_processes 1;
events { worker_connections 4096; }
http {
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path $SCRATCH; proxy_temp_path $SCRATCH; fastcgi_temp_path $SCRATCH;
    uwsgi_temp_path $SCRATCH; scgi_temp_path $SCRATCH;
    server { listen 127.0.0.1:$port; root $SCRATCH/www; }
}
END
    chmod 755 "$SCRATCH" "$SCRATCH/www"
    start nginx_server
    listening "$port"
    in_turns "$port" nginx_load
}

nginx_load() {
    show wrk -c 200 -d 10 "http://127.0.0.1:$1/" | grep -v '^ *$\|Thread Stats'
}

nginx_server() {
    exec "$(command -v nginx || echo /usr/sbin/nginx)" -c "$SCRATCH/nginx.conf" -e "$SCRATCH/error.log"
}

silent() {
    guard --idle 3s
    show cargo bench -q --bench hold -- --connections 2000 --deadline 3s "127.0.0.1:$GUARD"
    dismiss
}

slow() {
    guard --idle 3s
    show slowhttptest -H -c 2000 -r 1000 -i 60 -l 12 -p 1 -u "http://127.0.0.1:$GUARD/" |
        sed 's/\x1b\[[0-9;]*m//g' | tail -n 25
    dismiss
    echo "lines of the guard, by what they say:"
    sed -E 's/cut [^ ]+: //; s/ passed after .*//' "$SCRATCH/guard.err" | sort | uniq -c
}

case "${1:-}" in
redis | nginx | silent | slow)
    cargo build -q --release --example guard
    "$1"
    ;;
*)
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
    exit 2
    ;;
esac
