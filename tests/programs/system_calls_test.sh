#!/usr/bin/env bash
#
# A stream in full flow makes nearly no system calls: fewer than 0.02 for each message of 64 bytes, of both
# processes together, all that they make from beginning to end counted. So it is whether the receiver
# prints or not.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

messages=1000000
most=0.02

# calls_in FILE: the sum of what strace -c has counted.
calls_in() {
	awk '$1 ~ /^[0-9.]+$/ && $NF != "total" { calls += $4 } END { print calls + 0 }' "$1"
}

# count_calls WHAT RECEIVER-OPTION...
count_calls() {
	local what=$1 calls
	shift
	strace -f -c -o "$work/receiver.calls" \
		"$receive" --stats --count "$messages" "$@" "$address" \
		>/dev/null 2>"$work/receiver.err" &
	receiver=$!
	strace -f -c -o "$work/sender.calls" \
		"$send" --wait --capacity 1M --repeat $((messages / 1000)) "$address" "$work/lines" \
		2>"$work/sender.err" || fail "evchan-send: $(cat "$work/sender.err")"
	expect_exit 0 "$receiver" "evchan-receive: $(cat "$work/receiver.err")"
	[ "$(value_of bytes "$work/receiver.err")" = $((64 * messages)) ] ||
		fail "not $messages messages of 64 bytes: $(cat "$work/receiver.err")"
	calls=$(($(calls_in "$work/receiver.calls") + $(calls_in "$work/sender.calls")))
	awk -v what="$what" -v calls="$calls" -v messages="$messages" -v most="$most" 'BEGIN {
		printf "%s: %.6f system calls per message\n", what, calls / messages
		exit calls == 0 || calls / messages >= most
	}' || fail "$what: too many system calls: $(cat "$work"/*.calls)"
}

needs_strace
for ((i = 0; i < 1000; i++)); do
	printf '%064d\n' "$i"
done >"$work/lines"
count_calls 'without output' --quiet
count_calls 'raw lines' --raw
count_calls 'escaped and labelled' --label
count_calls 'copied' --raw --copy
