#!/usr/bin/env bash
#
# http-workers ends in order after SIGTERM: what has come is answered, what was answered is in the log. If the supervisor is killed
# its processes end as well, and lose nothing either. A second signal ends everything at once.
source "$(dirname "${BASH_SOURCE[0]}")/../programs/common.sh"
source "$(dirname "${BASH_SOURCE[0]}")/server.sh"

# Those that nobody waits for may stay as zombies.
is_gone() {
	local state
	state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || return 0
	[ -z "$state" ] || [ "$state" = Z ]
}

all_are_gone() {
	local pid
	for pid in "${pids[@]}"; do
		is_gone "$pid" || return 1
	done
}

read_pids() {
	mapfile -t pids < <(sed -nE 's/^http-workers: .* is process ([0-9]+)$/\1/p' "$work/server.err")
	[ "${#pids[@]}" -ge 2 ] || fail "only ${#pids[@]} processes"
}

expect_all_recorded() {
	read_log
	[ "$lines" -ge "$1" ] && [ "$lines" -le $(($1 + $2)) ] || fail "$lines lines for $1 requests"
}

# Right after the load, when rings are full of records: none is lost.
after_load() {
	start_server
	start_wrk 1 /
	finish_wrk
	read_metrics
	stop_server
	expect_all_recorded "$requests" "$connections"
	echo "SIGTERM after load: $requests requests, $lines lines"
}

# The collector has taken nothing for a while, and dies when the end begins: workers wait until the next one has it all.
collector_dies_at_the_end() {
	rm "$log"
	start_server --capacity 16M
	read_metrics
	kill -STOP "$(pid_of collector)"
	start_wrk 1 /
	finish_wrk
	kill -KILL "$(pid_of collector)"
	stop_server
	expect_all_recorded "$requests" "$connections"
	echo "collector killed at the end: $requests requests, $lines lines"
}

# ask_and_wait PATH: sends a request, on $slow, and returns when the only worker has it: it takes connections in their
# order, and the one behind this one was answered.
ask_and_wait() {
	exec {slow}<>"/dev/tcp/127.0.0.1/$port"
	printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&"$slow"
	get "$port" / >"$work/answer"
	grep -q '^worker 0,' "$work/answer" || fail 'no answer'
}

# A request that takes a while is answered, and recorded; an idle connection is no obstacle.
in_flight() {
	local idle
	rm "$log"
	workers=1 start_server
	exec {idle}<>"/dev/tcp/127.0.0.1/$port"
	ask_and_wait /sleep/1000
	read_metrics
	stop_server
	cat <&"$slow" >"$work/answer"
	exec {slow}>&- {idle}>&-
	grep -q 'has slept' "$work/answer" || fail 'a request in flight was not answered'
	grep -q 'GET /sleep/1000 ' "$log" || fail 'a request in flight was not recorded'
	expect_all_recorded 2 0
}

supervisor_killed() {
	rm "$log"
	start_server
	read_pids
	start_wrk 1 /
	finish_wrk
	kill -KILL "$supervisor"
	expect_exit 137 "$supervisor" 'a killed supervisor'
	until_true all_are_gone
	expect_all_recorded "$requests" "$connections"
	echo "supervisor killed: $requests requests, $lines lines"
}

# Two signals are one if nothing has happened between them.
second_signal() {
	rm "$log"
	workers=1 start_server
	read_pids
	ask_and_wait /sleep/60000
	kill -TERM "$supervisor"
	until_true grep -q 'the workers are told to end' "$work/server.err"
	kill -TERM "$supervisor"
	expect_exit 1 "$supervisor" 'two signals'
	until_true all_are_gone
	exec {slow}>&-
}

command_line() {
	status_of "$server" --help
	[ "$status" = 0 ] && grep -q '^Usage: http-workers' "$work/stdout" || fail '--help'
	for arguments in '--workers 0' '--port 65536' '--capacity 0' 'word' '--no-such-option'; do
		read -ra words <<<"$arguments"
		status_of "$server" "${words[@]}"
		[ "$status" = 2 ] || fail "$arguments: exit status $status"
		expect_one_line "$work/stderr" '^http-workers: '
	done
	status_of "$server" --port 0 --status-port 0 --host nowhere
	[ "$status" = 2 ] || fail "a host that is no number: exit status $status"
}

command_line
after_load
collector_dies_at_the_end
in_flight
supervisor_killed
second_signal
