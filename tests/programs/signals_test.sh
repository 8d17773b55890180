#!/usr/bin/env bash
#
# SIGINT and SIGTERM: evchan-receive prints what senders who are gone have left, gives the rest back, removes its
# socket and ends with status 0, also while senders go on; a second signal ends it at once,
# even if its standard output is blocked. evchan-send ends at once, and what it has sent still arrives.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Whether both ends sleep though there is more to send: then the receiver waits for its reader. One look
# could fall between two steps; five do not.
output_is_blocked() {
	local pid name state rest
	for _ in 1 2 3 4 5; do
		for pid in "$sender" "$receiver"; do
			read -r _ name state rest <"/proc/$pid/stat"
			[ "$state" = S ] || return 1
		done
		sleep 0.01
	done
}

# start_with_pipe LINES CAPACITY: nothing reads from the receiver's output, which is $pipe. Returns when it waits.
start_with_pipe() {
	rm -f "$work/pipe"
	mkfifo "$work/pipe"
	exec {pipe}<>"$work/pipe"
	seq "$1" >"$work/lines"
	"$receive" --raw "$address" >&"$pipe" 2>"$work/receiver.err" &
	receiver=$!
	"$send" --wait "$address" </dev/null
	"$send" --capacity "$2" "$address" "$work/lines" 2>"$work/sender.err" &
	sender=$!
	until_true output_is_blocked
}

no_socket_is_left() {
	[ ! -e "$address" ] || fail "after $1 the socket is still there"
	[ ! -e "$address.lock" ] || fail "after $1 the lock file is still there"
}

ends_in_order() {
	local signal
	for signal in INT TERM; do
		start_receiver --raw
		kill -"$signal" "$receiver"
		expect_exit 0 "$receiver" "SIG$signal"
		no_socket_is_left "SIG$signal"
		[ ! -s "$work/receiver.err" ] || fail "SIG$signal: $(cat "$work/receiver.err")"
	done
}

# Senders are in full flow; what the receiver has printed is exactly what it has consumed.
ends_in_full_flow() {
	local signal
	seq 300000 >"$work/lines"
	: >"$work/all"
	"$send" --wait --capacity 64K "$address" "$work/lines" &
	sender=$!
	for signal in INT TERM; do
		start_receiver --raw --slow 1
		until_true [ -s "$work/output" ]
		kill -"$signal" "$receiver"
		expect_exit 0 "$receiver" "SIG$signal in full flow"
		no_socket_is_left "SIG$signal in full flow"
		cat "$work/output" >>"$work/all"
	done
	kill -0 "$sender" || fail 'the sender did not go on'
	start_receiver --raw
	expect_exit 0 "$sender" 'evchan-send --wait'
	stop_receiver
	cat "$work/output" >>"$work/all"
	expect_same "$work/all" "$work/lines" 'what three receivers printed'
}

# What a dead sender has left is printed before the end; without the receiver it would be lost.
prints_what_the_dead_left() {
	start_receiver --raw --slow 1000
	seq 200 >"$work/lines"
	mkfifo "$work/never"
	"$send" "$address" "$work/lines" "$work/never" &
	sender=$!
	until_true [ -s "$work/output" ]
	kill -KILL "$sender"
	expect_exit 137 "$sender" 'a killed sender'
	stop_receiver
	expect_same "$work/output" "$work/lines" 'what the dead sender had sent'
}

# Standard output is a pipe that nobody reads: the first signal waits for a reader, the second does not.
# What was not printed is the next receiver's.
blocked_output() {
	start_with_pipe 200000 4K
	kill -TERM "$receiver"
	until_true output_is_blocked
	kill -TERM "$receiver"
	expect_exit 143 "$receiver" 'two signals, and nobody reads'
	[ ! -s "$work/receiver.err" ] || fail "two signals: $(cat "$work/receiver.err")"
	expect_exit 1 "$sender" 'evchan-send whose receiver has ended'
	no_socket_is_left 'two signals'
	exec {pipe}>&-
}

# A slow reader gets all that a dead sender has left, after one signal.
slow_output() {
	start_with_pipe 30000 1M
	kill -TERM "$receiver"
	kill -KILL "$sender"
	wait_for "$sender"
	head -n 30000 <&"$pipe" >"$work/output"
	expect_exit 0 "$receiver" 'SIGTERM with a slow reader'
	expect_same "$work/output" "$work/lines" 'what the slow reader got'
	exec {pipe}>&-
}

# What was sent before the signal is delivered.
sender_ends() {
	local signal
	mkfifo "$work/input"
	for signal in INT TERM; do
		start_receiver --raw
		printf 'line\n' >"$work/lines"
		"$send" "$address" "$work/lines" "$work/input" 2>"$work/stderr" &
		sender=$!
		until_true [ -s "$work/output" ]
		kill -"$signal" "$sender"
		expect_exit "$([ "$signal" = INT ] && echo 130 || echo 143)" "$sender" \
			"evchan-send, SIG$signal"
		stop_receiver
		expect_same "$work/output" "$work/lines" "what was sent before SIG$signal"
	done
}

# The receiver's death never kills a sender by SIGPIPE, whatever its bell.
no_sigpipe() {
	local bell
	for bell in $bells; do
		start_receiver --raw --bell "$bell"
		seq 1000 >"$work/lines"
		"$send" --repeat 1000000000 "$address" "$work/lines" 2>"$work/stderr" &
		sender=$!
		until_true [ -s "$work/output" ]
		kill -KILL "$receiver"
		wait_for "$receiver"
		expect_exit 1 "$sender" "evchan-send whose receiver was killed, $bell"
		expect_one_line "$work/stderr" "^evchan-send: $address: .*gone"
	done
}

# And a reader that goes away is an error, not the death of the receiver.
reader_goes_away() {
	seq 100000 >"$work/lines"
	"$send" --wait "$address" "$work/lines" &
	sender=$!
	{
		status=0
		"$receive" --raw "$address" 2>"$work/receiver.err" || status=$?
		echo "$status" >"$work/result"
	} | head -n 1 >"$work/output"
	[ "$(cat "$work/result")" = 1 ] || fail "no reader: exit status $(cat "$work/result")"
	expect_one_line "$work/receiver.err" '^evchan-receive: standard output: '
	# What was not printed is the next receiver's.
	start_receiver --raw
	expect_exit 0 "$sender" 'evchan-send --wait'
	stop_receiver
	[ "$(tail -n 1 "$work/output")" = 100000 ] || fail 'the last line is missing'
}

ends_in_order
ends_in_full_flow
prints_what_the_dead_left
blocked_output
slow_output
sender_ends
no_sigpipe
reader_goes_away
