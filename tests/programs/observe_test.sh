#!/usr/bin/env bash
#
# evchan-stat and evchan-top without a terminal: lines and JSON say what the receiver and its senders count, and
# the exit status why there is nothing to say. Hostile observers disturb neither messages nor other observers.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

stat=$build/examples/evchan-stat
top=$build/examples/evchan-top
[ -x "$stat" ] && [ -x "$top" ] || fail "not built: $stat, $top"
command -v jq >/dev/null || skip 'jq is missing'

# A label with everything that could break a line, a terminal or a string.
label=$'a "b" \\ \e[31m\xff\n'
escaped='a \"b\" \\ \033[31m\377\n'

# field NAME LINE
field() {
	sed -nE "s/^(.* )?$1=([^ ]*)( .*)?\$/\\2/p" <<<"$2"
}

# Starts a sender that has sent one line, and waits for its input to go on. Sets $sender.
start_sender() {
	echo hello >"$work/hello"
	mkfifo "$work/never"
	"$send" --wait --label "$label" --capacity 64K "$address" "$work/hello" "$work/never" &
	sender=$!
	until_true grep -q hello "$work/output"
}

lines_say_what_is_counted() {
	local lane total
	status_of "$stat" "$address"
	[ "$status" = 0 ] || fail "evchan-stat: status $status: $(cat "$work/stderr")"
	[ "$(wc -l <"$work/stdout")" = 2 ] || fail "not two lines: $(cat "$work/stdout")"
	lane=$(grep '^lane=' "$work/stdout")
	total=$(grep '^total ' "$work/stdout")
	[ "$(field pid "$lane")" = "$sender" ] || fail "not the sender's pid: $lane"
	[ "$(field messages "$lane")" = 1 ] || fail "not one message: $lane"
	[ "$(field capacity "$lane")" = 65536 ] || fail "not its capacity: $lane"
	[ "$(field state "$lane")" = open ] || fail "not open: $lane"
	[[ $lane == *" label=\"$escaped\"" ]] || fail "not the label, escaped: $lane"
	[ "$(field pid "$total")" = "$receiver" ] || fail "not the receiver's pid: $total"
	[ "$(field ring_bytes "$total")" = 65536 ] || fail "not the memory of its rings: $total"
	status_of "$stat" --totals "$address"
	[ "$(wc -l <"$work/stdout")" = 1 ] || fail 'not only totals'
}

# json FILTER: of what was printed last.
json() {
	jq -er "$1" <"$work/stdout" || fail "not in the JSON: $1: $(cat "$work/stdout")"
}

json_is_understood() {
	status_of "$stat" --json "$address"
	[ "$(json .receiver.pid)" = "$receiver" ] || fail 'not the receiver'
	[ "$(json .address)" = "$address" ] || fail 'not the address'
	[ "$(json '.lanes | length')" = 1 ] || fail 'not one lane'
	[ "$(json '.lanes[0].label')" = "$escaped" ] || fail 'not the label, escaped'
	[ "$(json '.lanes[0].bytes')" = 5 ] || fail 'not its bytes'
	json '.lanes[0] | has("messages_per_second") and .messages_per_second == null' >/dev/null
	status_of "$stat" --json --interval 0.1 "$address"
	json '.lanes[0].messages_per_second == 0' >/dev/null
	status_of "$top" --once --json --interval 0.1 "$address"
	json '.receiver.lanes == 1 and .lanes[0].pid == '"$sender" >/dev/null
}

table_is_printed_once() {
	status_of "$top" --once --interval 0.1 --sort fill --reverse "$address"
	[ "$status" = 0 ] || fail "evchan-top: status $status"
	grep -qF 'sorted by fill, reversed' "$work/stdout" || fail 'not sorted as asked'
	grep -E "^ +[0-9]+ +$sender " "$work/stdout" | grep -qF "$escaped" ||
		fail "no row for the lane: $(cat "$work/stdout")"
	! grep -q $'\e' "$work/stdout" || fail 'control sequences without a terminal'
}

# ends STATUS PATTERN PROGRAM ARGUMENT...
ends() {
	local expected=$1 pattern=$2
	shift 2
	status_of "$@"
	[ "$status" = "$expected" ] || fail "${*##*/}: status $status instead of $expected"
	expect_one_line "$work/stderr" "$pattern"
	[ ! -s "$work/stdout" ] || fail "${*##*/}: prints something"
}

status_tells_why() {
	ends 3 'nothing has this address' "$stat" "$work/nothing"
	ends 3 'nothing has this address' "$top" --once "$work/nothing"
	kill -STOP "$receiver"
	ends 5 'does not answer' "$stat" --timeout 0.2 "$address"
	ends 5 'does not answer' "$top" --once --interval 0.1 --timeout 0.3 "$address"
	kill -CONT "$receiver"
	if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
		chmod 755 "$work"
		chmod 666 "$address"
		ends 4 'may not' setpriv --reuid 65534 --clear-groups "$stat" "$address"
		expect_one_line "$work/receiver.err" 'pid [0-9]+ uid 65534 is refused'
	fi
}

# Observers that are stopped in the midst of it, and many at once; some are refused, and messages go on.
many_observers_disturb_nobody() {
	local i pids=()
	for ((i = 0; i < 6; i++)); do
		"$top" --json --interval 0.1 "$address" >"$work/top.$i" 2>/dev/null &
		pids+=($!)
		until_true [ -s "$work/top.$i" ]
		kill -STOP "${pids[-1]}"
	done
	seq 1 1000 >"$work/lines"
	for ((i = 0; i < 20; i++)); do
		"$stat" "$address" >/dev/null 2>&1 || [ $? = 4 ] || fail 'neither answered nor refused'
		"$send" "$address" "$work/lines" || fail 'a message did not get through'
	done
	kill -KILL "${pids[@]}"
	for i in "${pids[@]}"; do
		wait_for "$i"
	done
	until_true "$stat" "$address" >/dev/null
	[ "$(grep -c '^received' "$work/output")" = 20001 ] || fail 'not all messages were received'
}

start_receiver
start_sender
lines_say_what_is_counted
json_is_understood
table_is_printed_once
many_observers_disturb_nobody
status_tells_why
