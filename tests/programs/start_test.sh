#!/usr/bin/env bash
#
# A path belongs to one receiver: of several that start at one moment exactly one wins; a living one keeps
# it; one that was killed is replaced with nothing to clean up. And nothing is left behind, in the
# file system or in /dev/shm.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

rounds=$(scaled 20)
starters=4

ls -A /dev/shm >"$work/shm.before" 2>/dev/null || true

# Each takes a line from the gate, and all lines come at once. Each tells its exit status. They
# end by themselves, if all else fails.
start_together() {
	local i
	for ((i = 0; i < starters; i++)); do
		{
			status=0
			read -r _ <&"$gate"
			timeout $((20 * slowdown)) "$receive" --quiet --count 1 "$address" \
				2>"$work/err$i" || status=$?
			echo "$status" >&"$results"
		} &
	done
	printf '%*s' "$starters" '' | tr ' ' '\n' >&"$gate"
}

# expect_result STATUS WHO
expect_result() {
	local result
	read -r result <&"$results"
	[ "$result" = "$1" ] || fail "$2: exit status $result instead of $1"
}

# All losers end by themselves; the winner has one message to wait for.
one_wins() {
	local i wins=0
	start_together
	for ((i = 1; i < starters; i++)); do
		expect_result 1 'a receiver that came too late'
	done
	echo message | "$send" --wait "$address" || fail 'nobody listens'
	expect_result 0 'the first receiver'
	for ((i = 0; i < starters; i++)); do
		if [ -s "$work/err$i" ]; then
			expect_one_line "$work/err$i" "^evchan-receive: $address: .* the address"
		else
			wins=$((wins + 1))
		fi
	done
	[ "$wins" = 1 ] || fail "$wins winners"
	wait
}

many_at_one_moment() {
	local i
	mkfifo "$work/gate" "$work/results"
	exec {gate}<>"$work/gate" {results}<>"$work/results"
	for ((i = 0; i < rounds; i++)); do
		one_wins
		# A socket whose receiver is dead lies in the way of every other round.
		[ $((i % 2)) = 0 ] || leave_stale_socket
	done
	exec {gate}>&- {results}>&-
}

leave_stale_socket() {
	start_receiver
	kill -KILL "$receiver"
	expect_exit 137 "$receiver" 'a killed receiver'
	[ -S "$address" ] || fail 'a killed receiver leaves no socket: then this proves nothing'
}

living_one_stays() {
	start_receiver --raw
	status_of "$receive" "$address"
	[ "$status" = 1 ] || fail "a second receiver: exit status $status instead of 1"
	expect_one_line "$work/stderr" "^evchan-receive: $address: "
	echo message | "$send" "$address" || fail 'the first receiver is gone'
	# Stopped, it still lives.
	kill -STOP "$receiver"
	status_of "$receive" "$address"
	kill -CONT "$receiver"
	[ "$status" = 1 ] || fail "a stopped receiver was taken for dead: exit status $status"
	stop_receiver
	[ "$(cat "$work/output")" = message ] || fail 'the message is missing'
}

killed_one_is_replaced() {
	leave_stale_socket
	status_of "$send" "$address" </dev/null
	[ "$status" = 1 ] || fail "nobody listens: exit status $status instead of 1"
	start_receiver --raw
	echo message | "$send" "$address" || fail 'nobody listens after the restart'
	stop_receiver
	[ "$(cat "$work/output")" = message ] || fail 'the message is missing'
}

# Not in the file system: gone with its process, whatever kills it.
abstract_address() {
	local address=@evchan-test-$$-$RANDOM
	start_receiver --raw
	status_of "$receive" "$address"
	[ "$status" = 1 ] || fail "a second receiver on $address: exit status $status"
	kill -KILL "$receiver"
	expect_exit 137 "$receiver" 'a killed receiver'
	start_receiver --raw
	echo message | "$send" "$address"
	stop_receiver
	[ "$(cat "$work/output")" = message ] || fail "the message to $address is missing"
}

relative_path() {
	(
		cd "$work"
		address=relative
		start_receiver --raw
		echo message | "$send" ./relative
		stop_receiver
		[ "$(cat output)" = message ] || fail 'the message to a relative path is missing'
	)
}

nothing_is_left() {
	local left
	left=$(find "$work" -name '*socket*' -o -name 'relative*')
	[ -z "$left" ] || fail "receivers that have ended leave $left"
	ls -A /dev/shm >"$work/shm.after" 2>/dev/null || true
	expect_same "$work/shm.after" "$work/shm.before" '/dev/shm'
}

many_at_one_moment
living_one_stays
killed_one_is_replaced
abstract_address
relative_path
nothing_is_left
