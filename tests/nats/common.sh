# What the tests of evchan-nats share, over what all tests of programs do.
source "$(dirname "${BASH_SOURCE[0]}")/../programs/common.sh"

nats=$build/examples/nats-bridge/evchan-nats
reader=$build/tests/nats/stream_reader
store=$work/store
port=-1

find_server() {
	# Debian has it where only root looks.
	nats_server=$(PATH=$PATH:/usr/sbin command -v nats-server) ||
		skip 'nats-server is missing (on Debian: apt-get install nats-server, or .ci/packages.sh ci)'
}

server_answers() {
	(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

server_has_ports() {
	port=$(grep -oE '"(nats|tls)://127\.0\.0\.1:[0-9]+"' "$work"/nats-server_*.ports 2>/dev/null |
		grep -oE '[0-9]+"' | tr -d '"')
	[ -n "$port" ]
}

# start_server OPTION...: JetStream on loopback, storing in $store, on a port of its own choice at first and on
# the same later. Sets $server and $url.
start_server() {
	rm -f "$work"/nats-server_*.ports
	"$nats_server" -a 127.0.0.1 -p "$port" --ports_file_dir "$work" -js -sd "$store" "$@" \
		>>"$work/server.log" 2>&1 &
	server=$!
	[ "$port" != -1 ] || until_true server_has_ports
	url=nats://127.0.0.1:$port
	until_true server_answers
}

kill_server() {
	kill -KILL "$server"
	wait_for "$server"
}

# Whether the bridge has a handler of SIGUSR1, which comes behind that of SIGTERM.
bridge_catches_signals() {
	local name key value
	# Before it is another program, it is a copy of this shell, which catches all sorts of signals.
	read -r name <"/proc/$bridge/comm"
	[ "$name" = evchan-nats ] || return 1
	while read -r key value; do
		if [ "$key" = SigCgt: ]; then
			(((16#$value >> 9) & 1))
			return
		fi
	done <"/proc/$bridge/status"
	return 1
}

# start_bridge OPTION...: sets $bridge. What it says is in $work/bridge.err, of all bridges.
start_bridge() {
	"$nats" --server "$url" "$@" 2>>"$work/bridge.err" &
	bridge=$!
	until_true bridge_catches_signals
}

# What bridges have said of their counters.
counters() {
	grep ' losses=[0-9]*$' "$work/bridge.err" || true
}

has_said_more() {
	[ "$(counters | wc -l)" -gt "$1" ]
}

# counter_is NAME VALUE: whether the bridge, asked now, says so. What an earlier one has said is no answer.
counter_is() {
	local before
	before=$(counters | wc -l)
	kill -USR1 "$bridge"
	until_true has_said_more "$before"
	[ "$(value_of "$1" <(counters | tail -n 1))" = "$2" ]
}

stop_bridge() {
	kill -TERM "$bridge" || fail "the bridge is gone: $(cat "$work/bridge.err")"
	expect_exit 0 "$bridge" "evchan-nats: $(cat "$work/bridge.err")"
}

# stream_has STREAM COUNT
stream_has() {
	[ "$("$reader" "$url" "$1" --count 2>/dev/null)" = "$2" ]
}
