# What the tests of examples/other-loops share: sourced behind common.sh, with the name of a relay.

relay_program=$build/examples/other-loops/evchan-relay-$1
[ -x "$relay_program" ] || skip "not built, its loop's library is missing: $relay_program"
senders=3
lines=30000 # three times that does not fit into the relay's ring, nor one of it into a sender's

start_relay() {
	"$relay_program" "$address" "$work/ahead" 2>"$work/relay.err" &
	relay=$!
}

expect_relay_ended() {
	wait_for "$relay"
	[ "$status" = 0 ] || fail "the relay ends with $status: $(cat "$work/relay.err")"
}

stop_relay() {
	kill -TERM "$relay"
	expect_relay_ended
}

# start_ahead OPTION...: who receives what the relay sends.
start_ahead() {
	"$receive" --raw "$@" "$work/ahead" >"$work/output" 2>"$work/receiver.err" &
	receiver=$!
}

# check_lines SENDERS: each one's lines are there, once and in order.
check_lines() {
	local i
	for ((i = 0; i < $1; i++)); do
		sed -n "s/^s$i //p" "$work/output" | cmp - "$work/numbers" ||
			fail "what came from sender $i is not what was sent"
	done
	[ "$(wc -l <"$work/output")" = $(($1 * lines)) ] || fail 'there are more lines than were sent'
}

# Whether these processes sleep, and are not even woken while they are looked at.
all_sleep() {
	local pid name state rest before
	before=$(switches_of "$@")
	for _ in 1 2 3 4 5; do
		for pid; do
			read -r _ name state rest <"/proc/$pid/stat"
			[ "$state" = S ] || return 1
		done
		sleep 0.01
	done
	[ "$before" = "$(switches_of "$@")" ]
}

# switches_of PID...: how often they have given up the processor.
switches_of() {
	local pid
	for pid; do
		cat "/proc/$pid/status"
	done | awk '/ctxt_switches/ { sum += $2 } END { print sum }'
}

start_senders() {
	local i
	pids=()
	for ((i = 0; i < senders; i++)); do
		"$send" --wait "$address" "$work/lines$i" &
		pids+=($!)
	done
}

# finish: what a sender ends with status 0 for was consumed by the relay, and what the relay ends for was consumed ahead.
finish() {
	local pid
	for pid in "${pids[@]}"; do
		expect_exit 0 "$pid" 'evchan-send --wait'
	done
	stop_relay
	stop_receiver
	check_lines "$senders"
}

# Many senders at once.
stream() {
	start_relay
	start_ahead
	start_senders
	finish
}

# First there is nobody ahead: the relay's ring fills, then those of its senders, and all wait. Then everything flows.
stream_from_full() {
	start_relay
	start_senders
	until_true all_sleep "$relay" "${pids[@]}"
	start_ahead
	finish
}

# When nothing comes, nothing runs.
idle() {
	start_relay
	start_ahead
	"$send" --wait "$address" "$work/lines0"
	until_true all_sleep "$relay" "$receiver"
	stop_relay
	stop_receiver
}

# The relay is told to end while the ring ahead is full, and behind it is what a dead sender has left.
full_to_the_end() {
	start_relay
	mkfifo "$work/never"
	"$send" --wait --capacity 8M "$address" "$work/lines0" "$work/never" 2>/dev/null &
	sender=$!
	until_true all_sleep "$relay" "$sender"
	kill -KILL "$sender"
	wait_for "$sender"
	kill -TERM "$relay"
	start_ahead
	expect_relay_ended
	stop_receiver
	check_lines 1
}

seq "$lines" >"$work/numbers"
for ((i = 0; i < senders; i++)); do
	sed "s/^/s$i /" "$work/numbers" >"$work/lines$i"
done
stream
stream_from_full
idle
full_to_the_end
echo "$((2 * senders * lines)) messages of $senders senders went through evchan-relay-$1"
