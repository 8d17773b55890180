#!/usr/bin/env bash
#
# Senders and receivers that come and go: --wait before there is a receiver and between two,
# --count, which leaves the rest for the next receiver, and what senders without --wait are told.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

sender_first() {
	seq 1000 >"$work/lines"
	"$send" --wait "$address" "$work/lines" &
	sender=$!
	"$send" --wait=100 --label timed "$address" "$work/lines" &
	timed=$!
	"$receive" --raw --count 2000 "$address" >"$work/output"
	expect_exit 0 "$sender" 'evchan-send --wait'
	expect_exit 0 "$timed" 'evchan-send --wait=100'
	sort -n "$work/output" | uniq -c | awk '$1 != 2 || $2 != NR { exit 1 } END { exit NR != 1000 }' ||
		fail 'what was sent before there was a receiver is not there twice'
}

# An empty input, too, is not consumed before there is a receiver.
nothing_to_send() {
	"$send" --wait "$address" </dev/null &
	sender=$!
	kill -0 "$sender"
	start_receiver
	expect_exit 0 "$sender" 'evchan-send --wait without input'
	stop_receiver
}

read_bytes() {
	awk '/^rchar/ { print $2 }' "/proc/$1/io"
}

# has_slept PID TIMES: so often since it began.
has_slept() {
	[ "$(awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/$1/status")" -ge "$2" ]
}

# While the ring is full nothing is read. (The sender wakes up only to look for a receiver.)
full_without_receiver() {
	local before
	seq 1000000 >"$work/lines"
	"$send" --wait --capacity 4K "$address" "$work/lines" &
	sender=$!
	until_true grep -qE '^rchar: [0-9]{5}' "/proc/$sender/io"
	until_true has_slept "$sender" 1
	before=$(read_bytes "$sender")
	[ "$before" -lt 500000 ] || fail "the ring has 4096 bytes, but $before were read"
	until_true has_slept "$sender" 5
	[ "$before" = "$(read_bytes "$sender")" ] || fail 'it reads though the ring is full'
	"$receive" --raw --count 1000000 "$address" >"$work/output"
	expect_exit 0 "$sender" 'evchan-send with a full ring'
	expect_same "$work/output" "$work/lines" 'what waited for a receiver'
}

# Nothing is lost and nothing repeated when one receiver ends and the next begins.
count_leaves_the_rest() {
	seq 100000 >"$work/lines"
	"$send" --wait "$address" "$work/lines" &
	sender=$!
	"$receive" --raw --count 40 "$address" >"$work/all"
	[ "$(wc -l <"$work/all")" = 40 ] || fail '--count 40 printed something else'
	"$receive" --raw --count 1 --copy "$address" >>"$work/all"
	"$receive" --quiet --count 1 "$address"
	echo 42 >>"$work/all"
	"$receive" --raw --count 50000 "$address" >>"$work/all"
	start_receiver --raw
	expect_exit 0 "$sender" 'evchan-send --wait over five receivers'
	stop_receiver
	cat "$work/output" >>"$work/all"
	expect_same "$work/all" "$work/lines" 'what five receivers printed'
}

# The same when receivers are told to end.
planned_restarts() {
	local i
	seq 200000 >"$work/lines"
	: >"$work/all"
	"$send" --wait --capacity 16K "$address" "$work/lines" &
	sender=$!
	for i in 1 2 3; do
		start_receiver --raw --slow 1
		until_true [ -s "$work/output" ]
		stop_receiver
		cat "$work/output" >>"$work/all"
	done
	start_receiver --raw
	expect_exit 0 "$sender" 'evchan-send --wait over four receivers'
	stop_receiver
	cat "$work/output" >>"$work/all"
	expect_same "$work/all" "$work/lines" 'what four receivers printed'
}

# Without --wait a receiver that is gone is an error, unless it has consumed all there is.
receiver_gone() {
	seq 1000 >"$work/lines"
	"$receive" --raw --count 10 "$address" >"$work/output" &
	receiver=$!
	until_true [ -S "$address" ]
	status_of "$send" "$address" "$work/lines"
	[ "$status" = 1 ] || fail "a receiver that is gone: exit status $status instead of 1"
	expect_one_line "$work/stderr" "^evchan-send: $address: .*gone"
	expect_exit 0 "$receiver" 'evchan-receive --count 10'
	expect_same "$work/output" <(seq 10) 'ten lines'
	"$receive" --raw --count 10 "$address" >"$work/output" &
	receiver=$!
	until_true [ -S "$address" ]
	seq 10 | "$send" "$address" || fail 'all was consumed, and the receiver gone then'
	expect_exit 0 "$receiver" 'evchan-receive --count 10'
}

sender_first
nothing_to_send
full_without_receiver
count_leaves_the_rest
planned_restarts
receiver_gone
