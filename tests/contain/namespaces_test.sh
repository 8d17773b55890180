#!/usr/bin/env bash
#
# Containers: the ends live in PID and mount namespaces of their own, without /dev/shm,
# and share nothing but the folder of the socket. Everything works as elsewhere:
# messages, deaths, the taking over of a path.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
needs_namespaces

# receive_by COMMAND...: starts a receiver by it, of raw lines; sets $receiver. Returns
# when it listens.
receive_by() {
	rm -f "$work/output"
	"$@" "$receive" --raw "$address" >"$work/output" 2>"$work/receiver.err" &
	receiver=$!
	"$send" --wait "$address" </dev/null ||
		fail "no receiver: $(cat "$work/receiver.err")"
}

# signal_to PROGRAM SIGNAL: to the process itself, not to the unshare before it.
signal_to() {
	local inner
	inner=$(pgrep -f "^$1 .*$address" | head -n 1)
	kill "-$2" "$inner" || fail "gone: $1"
}

stop_inner_receiver() {
	signal_to "$receive" TERM
	expect_exit 0 "$receiver" "evchan-receive: $(cat "$work/receiver.err")"
}

# What unshare's own status is then is its affair.
kill_inner_receiver() {
	signal_to "$receive" KILL
	wait_for "$receiver"
	[ "$status" != 0 ] || fail 'a killed receiver has ended well'
	[ -S "$address" ] || fail 'a killed receiver has left no path'
}

check_stream() {
	lines_of inside | in_namespaces "$send" --wait "$address" ||
		fail "sender inside, $1"
	lines_of outside | "$send" --wait "$address" || fail "sender outside, $1"
	stop_inner_receiver
	expect_lines inside outside
}

receive_by env
check_stream 'receiver outside'
receive_by in_namespaces
check_stream 'receiver inside'

# Each in namespaces of its own, and a receiver that is killed there is followed by one
# elsewhere.
receive_by in_namespaces
kill_inner_receiver
receive_by in_namespaces
kill_inner_receiver
receive_by env
check_stream 'receiver after killed ones'

# A sender that is killed inside is told outside: the receiver waits for nobody when it
# ends.
receive_by env
mkfifo "$work/lines"
exec 9<>"$work/lines"
in_namespaces "$send" --wait "$address" <"$work/lines" 2>/dev/null 9>&- &
sender=$!
lines_of killed >&9
until_true grep -q "^killed $lines\$" "$work/output"
signal_to "$send" KILL
wait_for "$sender"
stop_inner_receiver
expect_lines killed
