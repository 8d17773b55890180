#!/usr/bin/env bash
#
# Senders that are not let in are told why, in one line and status 1, and nobody else is disturbed:
# too many, too large, the wrong user, somebody who listens and is not to be trusted.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# A user who is neither root nor the one running this.
stranger=65534
as_stranger=(setpriv --reuid "$stranger" --regid "$stranger" --clear-groups --)

# expect_refusal PATTERN COMMAND ARGUMENT...
expect_refusal() {
	local pattern=$1
	shift
	status_of "$@" </dev/null
	[ "$status" = 1 ] || fail "$*: exit status $status instead of 1: $(cat "$work/stderr")"
	expect_one_line "$work/stderr" "^evchan-send: $address: .*$pattern"
}

# One more than may be: refused, unless it waits until there is room.
too_many() {
	local one=$work/one
	mkfifo "$one" "$work/never"
	echo first >"$work/first"
	"$receive" --raw --max-senders 1 "$address" >"$one" 2>"$work/receiver.err" &
	receiver=$!
	"$send" --wait "$address" "$work/first" "$work/never" &
	first=$!
	exec {lines}<"$one"
	read -r line <&"$lines"
	[ "$line" = first ] || fail "not the first line: $line"
	expect_refusal 'too many senders' "$send" "$address"
	echo waited | "$send" --wait "$address" 2>"$work/sender.err" &
	waiting=$!
	until_true [ -s "$work/sender.err" ]
	expect_one_line "$work/sender.err" "^evchan-send: $address: .*trying again"
	kill -TERM "$first"
	expect_exit 143 "$first" 'the first sender'
	expect_exit 0 "$waiting" 'a sender that waits for room'
	read -r line <&"$lines"
	[ "$line" = waited ] || fail "not the line of who waited: $line"
	stop_receiver
	exec {lines}<&-
}

stream_goes_on() {
	seq 1000 | "$send" "$address" || fail 'an honest sender was disturbed'
}

too_large() {
	start_receiver --raw
	expect_refusal 'larger' "$send" --capacity 128M "$address"
	stream_goes_on
	stop_receiver
	expect_one_line "$work/receiver.err" '^evchan-receive: sender pid [0-9]+ uid [0-9]+ is refused: '
	expect_same "$work/output" <(seq 1000) 'what the others sent'
}

can_be_stranger() {
	[ "$(id -u)" = 0 ] && "${as_stranger[@]}" "$send" --version >/dev/null 2>&1
}

# A wide socket is not enough, and a wide policy is not either.
other_users() {
	chmod 755 "$work"
	start_receiver --raw
	expect_refusal 'may not|trusted' "${as_stranger[@]}" "$send" "$address"
	chmod 666 "$address"
	expect_refusal 'may not|trusted' "${as_stranger[@]}" "$send" "$address"
	stream_goes_on
	stop_receiver
	expect_same "$work/output" <(seq 1000) 'what the own user sent'
	# Memory that is not sealed is taken from the own user only, whatever the policy.
	[ "${EVCHAN_MEMFD:-ON}" = ON ] || return 0
	start_receiver --raw --allow-uid any
	echo any | "${as_stranger[@]}" "$send" "$address" || fail '--allow-uid any refuses a stranger'
	echo own | "$send" "$address" || fail '--allow-uid any refuses the own user'
	stop_receiver
	expect_same "$work/output" <(printf 'any\nown\n') '--allow-uid any'
	"$receive" --raw --count 2 --allow-uid 12345 --allow-uid "$stranger" "$address" \
		>"$work/output" 2>"$work/receiver.err" &
	receiver=$!
	echo listed | "${as_stranger[@]}" "$send" --wait "$address" || fail '--allow-uid UID refuses UID'
	expect_refusal 'may not' "$send" "$address"
	echo listed | "${as_stranger[@]}" "$send" "$address"
	expect_exit 0 "$receiver" 'evchan-receive --allow-uid UID'
	expect_same "$work/output" <(printf 'listed\nlisted\n') '--allow-uid UID'
}

# Another user who listens at the address gets no ring, though any sender would be welcome.
impostor() {
	mkdir -m 777 "$work/stranger"
	chown "$stranger" "$work/stranger"
	chmod 755 "$work/stranger"
	address=$work/stranger/socket
	"${as_stranger[@]}" "$receive" --raw --allow-uid any "$address" >"$work/output" \
		2>"$work/receiver.err" &
	receiver=$!
	until_true [ -S "$address" ]
	echo secret >"$work/lines"
	expect_refusal 'trusted' "$send" "$address" "$work/lines"
	kill -TERM "$receiver"
	expect_exit 0 "$receiver" 'the impostor'
	[ ! -s "$work/output" ] || fail 'an impostor has got the message'
}

too_many
too_large
if can_be_stranger; then
	other_users
	impostor
else
	echo 'other users: not tried, this needs root and programs that others may run'
fi
