#!/usr/bin/env bash
#
# The typed example programs: what several telemetry senders send at once is told apart and complete, and frames are
# read where they were written.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

programs=$build/examples
[ -x "$programs/evchan-video" ] || skip 'the protobuf layer is not built'
count=$(scaled 20000)

# start_senders NUMBER: so many, each with another number of records.
start_senders() {
	local i
	for ((i = 1; i <= $1; i++)); do
		"$programs/evchan-telemetry-send" --count $((count + i)) --label "sender-$i" "$address" &
		pids[i]=$!
	done
}

telemetry_of_several_processes_arrives() {
	local pids=() i lines
	"$programs/evchan-telemetry-receive" --senders 3 "$address" >"$work/told" &
	receiver=$!
	# They wait for the receiver by themselves.
	start_senders 3
	for i in 1 2 3; do
		expect_exit 0 "${pids[i]}" "sender $i"
	done
	expect_exit 0 "$receiver" evchan-telemetry-receive
	for i in 1 2 3; do
		lines=$(((count + i) / 100))
		grep -qE "^sender-$i \(pid ${pids[i]}\): $((count + i)) records, $lines telemetries of $((lines * 20)) points, mean [0-9.]+\$" \
			"$work/told" || fail "sender $i is not told of: $(cat "$work/told")"
	done
	[ "$(wc -l <"$work/told")" = 3 ] || fail "more than three lines: $(cat "$work/told")"
}

frames_are_read_where_they_were_written() {
	local frames
	frames=$(scaled 20)
	"$programs/evchan-video" receive "$address" >"$work/told" &
	receiver=$!
	"$programs/evchan-video" send "$address" "$frames" >"$work/sent" || fail 'evchan-video send failed'
	expect_exit 0 "$receiver" 'evchan-video receive'
	grep -qE "^sent $frames frames in [0-9.]+ s: [0-9.]+ frames/s, [0-9.]+ GB/s\$" "$work/sent" ||
		fail "not what a sender says: $(cat "$work/sent")"
	grep -qE "^received $frames frames in .*, 0 bytes copied\$" "$work/told" ||
		fail "not what a receiver says: $(cat "$work/told")"
}

wrong_options_are_refused() {
	local program
	for program in evchan-telemetry-send evchan-telemetry-receive evchan-video; do
		status_of "$programs/$program" --nonsense
		[ "$status" != 0 ] || fail "$program takes --nonsense"
		status_of "$programs/$program" --help
		[ "$status" = 0 ] && grep -q "^Usage: $program" "$work/stdout" || fail "$program has no --help"
	done
}

telemetry_of_several_processes_arrives
frames_are_read_where_they_were_written
wrong_options_are_refused
echo 'typed_programs_test: passed'
