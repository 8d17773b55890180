#!/usr/bin/env bash
#
# RLIMIT_NOFILE is low: senders that a receiver has no descriptors for wait their turn,
# and nothing is lost; a sender gets along with a dozen. Each lane takes two of a
# receiver's descriptors, or one if the socket is its bell.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

senders=24
lines=$(scaled 2000)
# What the programs have open before they begin is the test runner's affair.
inherited=$(ls /proc/self/fd | wc -l)

(
	ulimit -n $((inherited + 20))
	exec "$receive" --raw "$address" >"$work/output" 2>"$work/receiver.err"
) &
receiver=$!
names=()
pids=()
for ((i = 0; i < senders; i++)); do
	names+=("s$i")
	lines_of "s$i" >"$work/s$i"
	(
		ulimit -n $((inherited + 12))
		exec "$send" --wait "$address" "$work/s$i"
	) &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	expect_exit 0 "$pid" 'evchan-send'
done
stop_receiver
expect_lines "${names[@]}"
