#!/usr/bin/env bash
#
# Command lines of the programs, right and wrong: what is printed where, and the exit status.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
top=$build/examples/evchan-top
stat=$build/examples/evchan-stat

# refuses PROGRAM ARGUMENT...: a wrong command line gives status 2 and one line on stderr.
refuses() {
	local name=${1##*/}
	status_of "$@"
	[ "$status" = 2 ] || fail "$name ${*:2}: exit status $status instead of 2"
	expect_one_line "$work/stderr" "^$name: "
	[ ! -s "$work/stdout" ] || fail "$name ${*:2}: says something on stdout"
}

# fails PATTERN PROGRAM ARGUMENT...: anything else that goes wrong gives status 1 and one line.
fails() {
	local pattern=$1 name=${2##*/}
	shift
	status_of "$@"
	[ "$status" = 1 ] || fail "$name ${*:2}: exit status $status instead of 1"
	expect_one_line "$work/stderr" "^$name: $pattern"
}

wrong_command_lines() {
	local number
	refuses "$receive"
	refuses "$receive" a b
	refuses "$receive" ''
	refuses "$receive" --no-such-option a
	refuses "$receive" --bell whistle a
	refuses "$receive" --raw=yes a
	refuses "$receive" --count
	for number in '' 0 -1 +1 1x ' 1' 0x10 99999999999999999999; do
		refuses "$receive" --count "$number" a
	done
	for number in '' -1 x 4294967295 -any; do
		refuses "$receive" --allow-uid "$number" a
	done
	refuses "$receive" --slow 1.5 a
	refuses "$receive" --max-senders 0 a
	refuses "$receive" --max-senders 4294967296 a
	refuses "$send"
	refuses "$send" ''
	refuses "$send" --no-such-option a
	refuses "$send" --bell socket a
	refuses "$send" --repeat 0 a
	refuses "$send" --label "$(printf '%064d' 0)" a
	refuses "$send" a - -
	for number in '' 0 -1 4T 4KB 2G 99999999999999999999 99999999999999G; do
		refuses "$send" --capacity "$number" a
	done
	for number in x -1 1x 1e3 0x1 nan inf ' 1' 1.2.3 99999999999; do
		refuses "$send" --wait="$number" a
		refuses "$top" --interval "$number" a
		refuses "$stat" --timeout "$number" a
	done
	refuses "$top"
	refuses "$top" ''
	refuses "$top" a b
	refuses "$top" --sort colour a
	refuses "$top" --interval 0.01 a
	refuses "$stat"
	refuses "$stat" --sort fill a
}

help_and_version() {
	local program
	for program in "$receive" "$send" "$top" "$stat"; do
		status_of "$program" --help
		[ "$status" = 0 ] || fail "--help: exit status $status"
		[ ! -s "$work/stderr" ] || fail '--help says something on stderr'
		status_of "$program" --version
		[ "$status" = 0 ] || fail "--version: exit status $status"
		grep -qE "^${program##*/} [0-9]+\.[0-9]+\.[0-9]+\$" "$work/stdout" ||
			fail '--version does not tell the version'
	done
}

# Each option of the contract is told of in --help, too.
every_option_is_in_help() {
	local option
	"$receive" --help >"$work/receive.help"
	"$send" --help >"$work/send.help"
	"$top" --help >"$work/top.help"
	"$stat" --help >"$work/stat.help"
	for option in zero-copy copy raw label count quiet stats slow max-senders allow-uid bell; do
		grep -qe "--$option\b" "$work/receive.help" || fail "evchan-receive: --$option"
	done
	for option in label capacity wait repeat stats bell; do
		grep -qe "--$option\b" "$work/send.help" || fail "evchan-send: --$option"
	done
	for option in interval sort reverse once json timeout; do
		grep -qe "--$option\b" "$work/top.help" || fail "evchan-top: --$option"
	done
	for option in json totals interval timeout; do
		grep -qe "--$option\b" "$work/stat.help" || fail "evchan-stat: --$option"
	done
}

no_receiver() {
	fails "$address: no receiver" "$send" "$address" </dev/null
	fails "$address: no receiver within 0\.2 s" "$send" --wait=0.2 "$address" </dev/null
	fails "@evchan-nobody-$$: no receiver" "$send" "@evchan-nobody-$$" </dev/null
	touch "$work/file"
	fails "$work/file: " "$send" "$work/file" </dev/null
	fails "$work/file/socket: " "$send" "$work/file/socket" </dev/null
}

no_place_for_a_receiver() {
	local deep
	deep=$work/$(printf '%0200d' 0)
	touch "$work/file"
	fails "$work/file: " "$receive" "$work/file"
	fails "$work/nothing/socket: " "$receive" "$work/nothing/socket"
	fails "$deep: " "$receive" "$deep"
	mkdir -m 777 "$work/open"
	fails "$work/open/socket: " "$receive" "$work/open/socket"
}

bad_input() {
	start_receiver
	fails "$work/nothing: " "$send" "$address" "$work/nothing"
	fails "$work: Is a directory" "$send" "$address" "$work"
	stop_receiver
}

# A descriptor that is missing is an error, and never mistaken for one of the library's.
closed_descriptors() {
	start_receiver --raw
	fails 'standard input: ' "$send" "$address" <&-
	stop_receiver
	"$receive" "$address" >&- 2>"$work/receiver.err" &
	receiver=$!
	echo line >"$work/line"
	"$send" --wait "$address" "$work/line" &
	sender=$!
	expect_exit 1 "$receiver" 'evchan-receive without standard output'
	expect_one_line "$work/receiver.err" '^evchan-receive: standard output: '
	"$receive" --raw --count 1 "$address" >"$work/output"
	expect_exit 0 "$sender" 'evchan-send whose first receiver could not print'
	expect_same "$work/output" "$work/line" 'the line that could not be printed'
}

# One line, in this order, with the true figures.
stats() {
	local keys='messages= bytes= lanes= wakeups= turns= full= left='
	"$receive" --stats --quiet --count 5 "$address" >"$work/output" 2>"$work/receiver.err" &
	receiver=$!
	printf '1\n22\n\n4444\n5' | "$send" --wait --stats "$address" 2>"$work/sender.err"
	expect_exit 0 "$receiver" 'evchan-receive --count 5'
	[ ! -s "$work/output" ] || fail '--quiet prints something'
	[ "$(wc -l <"$work/receiver.err")" = 1 ] || fail '--stats does not print one line'
	[ "$(sed 's/=[0-9][0-9]*/=/g' "$work/receiver.err")" = "$keys" ] ||
		fail "--stats prints $(cat "$work/receiver.err")"
	[ "$(value_of messages "$work/receiver.err")" = 5 ] || fail 'messages'
	[ "$(value_of bytes "$work/receiver.err")" = 8 ] || fail 'bytes'
	[ "$(value_of lanes "$work/receiver.err")" = 1 ] || fail 'lanes'
	expect_one_line "$work/sender.err" '^messages=5 bytes=8 wakeups=[0-9]+ full=[0-9]+'
}

# Lanes that are over count, too; and a lane that was full is counted by both ends.
stats_of_several() {
	start_receiver --stats --quiet
	seq 5000 | "$send" --capacity 4K --stats "$address" 2>"$work/sender.err"
	seq 10 | "$send" "$address"
	stop_receiver
	[ "$(value_of messages "$work/receiver.err")" = 5010 ] || fail 'messages of several'
	[ "$(value_of lanes "$work/receiver.err")" = 3 ] || fail 'lanes of several'
	[ "$(value_of left "$work/receiver.err")" = 3 ] || fail 'left of several'
	[ "$(value_of full "$work/sender.err")" -gt 0 ] || fail 'the lane was never full'
	[ "$(value_of full "$work/receiver.err")" = "$(value_of full "$work/sender.err")" ] ||
		fail 'full: the two ends differ'
}

wrong_command_lines
help_and_version
every_option_is_in_help
no_receiver
no_place_for_a_receiver
bad_input
closed_descriptors
stats
stats_of_several
