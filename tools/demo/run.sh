#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# The demo: a small shop of three untraced programs, spanprobe on their PIDs, ten requests, and
# what it saw as trees. run.sh SPANPROBE [JAEGER]; make demo calls it.
# DEMO_KEEP=1 leaves everything running until Enter. Everything it starts, it ends, by PID.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

spanprobe=$1
jaeger=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d /tmp/spanprobe-demo.XXXXXX)
pids=()

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
fail() {
	printf 'demo: %s\n' "$*" >&2
	for log in "$dir"/*.log; do
		[ ! -s "$log" ] || { printf -- '--- %s\n' "${log##*/}"; tail -n 20 "$log"; } >&2
	done
	exit 1
}

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	local pid
	trap - EXIT INT TERM
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || continue
		for _ in $(seq 50); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
		kill -9 "$pid" 2>/dev/null || :
	done
	wait 2>/dev/null || :
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

until_true() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

start() { # NAME COMMAND...: its output goes to NAME.log
	local name=$1
	shift
	"$@" >"$dir/$name.log" 2>&1 &
	pids+=("$!")
}

free_ports() {
	python3 - "$1" <<-'PY'
		import socket, sys
		socks = [socket.socket() for _ in range(int(sys.argv[1]))]
		for sock in socks:
		    sock.bind(("127.0.0.1", 0))
		print(*(sock.getsockname()[1] for sock in socks))
	PY
}

get() { curl -sS -m 5 -o /dev/null -w '%{http_code}' "$@"; }
answers() { [ "$(get "$1")" = 200 ]; }

start_shop() {
	read -r front orders catalog < <(free_ports 3)
	export ORDERS_PORT=$orders CATALOG_PORT=$catalog
	chmod 755 "$dir" # nginx's worker runs as another user
	sed "s|@DIR@|$dir|; s|@FRONT_PORT@|$front|; s|@ORDERS_PORT@|$orders|; s|@CATALOG_PORT@|$catalog|" \
		"$here/nginx.conf.in" >"$dir/nginx.conf"
	start orders python3 "$here/orders.py"
	orders_pid=$!
	start catalog node "$here/catalog.js"
	catalog_pid=$!
	start nginx nginx -p "$dir" -e "$dir/nginx.log" -c "$dir/nginx.conf"
	nginx_pid=$!
	until_true 20 answers "http://127.0.0.1:$orders/discount/1" || fail "orders does not answer"
	until_true 20 answers "http://127.0.0.1:$catalog/stock/1" || fail "catalog does not answer"
	until_true 20 answers "http://127.0.0.1:$front/" || fail "nginx does not answer"
	worker_pid=$(cat "/proc/$nginx_pid/task/$nginx_pid/children" 2>/dev/null || pgrep -P "$nginx_pid")
	worker_pid=${worker_pid%% *}
	cat <<-TEXT
		  nginx    PID $nginx_pid (worker $worker_pid)  http://127.0.0.1:$front
		  orders   PID $orders_pid  Python, threads, http.client
		  catalog  PID $catalog_pid  Node, one event loop, http.Agent
	TEXT
}

start_jaeger() {
	local query otlp query_grpc otlp_grpc health
	read -r query otlp query_grpc otlp_grpc health < <(free_ports 5)
	JAEGER_QUERY_PORT=$query JAEGER_OTLP_HTTP_PORT=$otlp JAEGER_QUERY_GRPC_PORT=$query_grpc \
		JAEGER_OTLP_GRPC_PORT=$otlp_grpc JAEGER_HEALTH_PORT=$health \
		start jaeger "$jaeger" --config "$JAEGER_CONFIG"
	until_true 20 curl -fsS "http://127.0.0.1:$query/api/services" || fail "Jaeger does not answer"
	jaeger_api=http://127.0.0.1:$query
	exports+=(--export "otlp=http://127.0.0.1:$otlp")
	echo "  Jaeger   PID ${pids[-1]}  OTLP http://127.0.0.1:$otlp  API $jaeger_api"
}

send_requests() {
	local item status
	for item in 1 2 3; do
		status=$(get -X POST -d 'count=1' "http://127.0.0.1:$front/orders/$item")
		echo "  POST /orders/$item  $status"
	done
	for item in 4 5 6 404; do
		echo "  GET /items/$item  $(get "http://127.0.0.1:$front/items/$item")"
	done
	echo "  POST /orders/999  $(get -X POST -d '' "http://127.0.0.1:$front/orders/999")"
	echo "  GET /  $(get "http://127.0.0.1:$front/")"
	echo "  GET /again  $(get "http://127.0.0.1:$front/again")"
}

show_jaeger() {
	say "In Jaeger"
	curl -fsS "$jaeger_api/api/traces?service=nginx&limit=20" >"$dir/traces.json" || fail "Jaeger does not answer"
	python3 - "$dir/traces.json" "$jaeger_api" <<-'PY'
		import json, sys
		traces = json.load(open(sys.argv[1]))["data"]
		for trace in sorted(traces, key=lambda t: min(s["startTime"] for s in t["spans"])):
		    spans = trace["spans"]
		    services = sorted({p["serviceName"] for p in trace["processes"].values()})
		    root = min(spans, key=lambda s: s["startTime"])
		    warned = sum(bool(s.get("warnings")) for s in spans)
		    print(f"  {sys.argv[2]}/api/traces/{trace['traceID']}  {len(spans):2} spans, "
		          f"{', '.join(services)}{f', {warned} with warnings' if warned else ''}")
		print(f"  {len(traces)} traces, {sum(len(t['spans']) for t in traces)} spans")
	PY
	cat <<-TEXT
		  This Jaeger is built from its Go module, which carries no web pages: the URLs answer JSON.
		  A released Jaeger shows the same traces under http://HOST:16686/trace/ID.
	TEXT
}

exports=(--export console)
jaeger_api=
say "A shop: nginx in front of a Python and a Node service, none of them with a tracing library"
start_shop
[ -z "$jaeger" ] || start_jaeger

say "spanprobe --pid $nginx_pid --pid $worker_pid --pid $orders_pid --pid $catalog_pid ${exports[*]}"
"$spanprobe" --pid "$nginx_pid" --pid "$worker_pid" --pid "$orders_pid" --pid "$catalog_pid" \
	"${exports[@]}" >"$dir/console.out" 2>"$dir/spanprobe.log" &
agent_pid=$!
pids=("$agent_pid" "${pids[@]}") # ends first, so that it sees nothing else end
until_true 15 grep -q '^ready' "$dir/spanprobe.log" || fail "spanprobe does not get ready"
grep '^ready' "$dir/spanprobe.log"

say "Ten requests"
send_requests
sleep 2 # batches leave every second

if [ "${DEMO_KEEP:-}" = 1 ]; then
	say "Traces so far"
	cat "$dir/console.out"
	[ -z "$jaeger_api" ] || show_jaeger
	say "All of it runs on: http://127.0.0.1:$front/orders/1 (POST), /items/1 (GET). Enter ends it."
	read -r _ || :
fi

kill -TERM "$agent_pid"
wait "$agent_pid" || fail "spanprobe ended with $?"
pids=("${pids[@]:1}")
say "Traces, as spanprobe --export console prints them"
cat "$dir/console.out"
say "Its summary"
grep -v '^ready' "$dir/spanprobe.log" || :
[ -z "$jaeger_api" ] || show_jaeger
grep -q orders "$dir/console.out" || fail "no trace was printed"
