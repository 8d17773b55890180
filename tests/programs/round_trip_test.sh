#!/usr/bin/env bash
#
# Whatever bytes lines consist of, they arrive as they are: raw and escaped, from the ring and copied,
# with either bell, from files, pipes and several passes, up to the longest line that a ring can take.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# repeat BYTE COUNT
repeat() {
	head -c "$2" /dev/zero | tr '\0' "$1"
}

# round_trip FILE RECEIVER-OPTION... -- SENDER-OPTION...: the file comes out as it went in.
round_trip() {
	local file=$1 of_receiver=()
	shift
	while [ "$1" != -- ]; do
		of_receiver+=("$1")
		shift
	done
	start_receiver --raw "${of_receiver[@]}"
	"$send" "${@:2}" "$address" "$file" || fail "evchan-send ${*:2} ${file##*/} failed"
	stop_receiver
	expect_same "$work/output" "$file" "${file##*/} ${of_receiver[*]} ${*:2}"
}

make_awkward_lines() {
	{
		printf '\n\n\nempty lines, and one with a blank:\n \n'
		printf 'NUL \0 and \0\0\n\0\nCR \r\r\nESC \033[31m DEL \177\ttab\n'
		printf 'quotes " \\ \\\\ \\n %%s $HOME\n'
		printf 'UTF-8 \303\244\342\202\254\360\237\230\200 and not: \377\300\200\355\240\200\303\n'
		printf '\357\273\277BOM\n\302\205\n'
		repeat x 70000
		echo
		seq 3000
		head -c 20000 "$receive" | tr '\n' '\0'
		echo
	} >"$work/awkward"
}

# The text between the quotes is the inside of a C string, and one line.
escapes() {
	printf 'plain ~!\n\n\ttab "quoted" \\\nNUL \0001 \033[0m \177\n\303\244\342\202\254 \377\302\205 \303\nCR\r' \
		>"$work/lines"
	cat >"$work/expected" <<-'EOF'
		received "plain ~!"
		received ""
		received "\ttab \"quoted\" \\"
		received "NUL \0001 \033[0m \177"
		received "ä€ \377\302\205 \303"
		received "CR\015"
	EOF
	start_receiver
	"$send" "$address" "$work/lines"
	stop_receiver
	expect_same "$work/output" "$work/expected" 'escaped text'
}

# Long lines are escaped piece by piece. Wherever a piece ends, no character is cut, also if stray
# bytes follow it.
escapes_of_long_lines() {
	local shift
	for shift in 0 1 2 3; do
		repeat a "$shift"
		for _ in {1..15000}; do printf '\360\237\230\200\303\244'; done
		for _ in {1..4000}; do printf '\360\237\230\200\200\200'; done
		echo
	done >"$work/lines"
	sed 's/\o360\o237\o230\o200\o200\o200/\o360\o237\o230\o200\\200\\200/g; s/.*/received "&"/' \
		"$work/lines" >"$work/expected"
	start_receiver
	"$send" "$address" "$work/lines"
	stop_receiver
	expect_same "$work/output" "$work/expected" 'escaped long lines'
}

# A label cannot break the line or the columns.
labels() {
	printf 'one\ntwo' >"$work/lines"
	printf 'a\\tb\\n\tone\na\\tb\\n\ttwo\n' >"$work/expected"
	start_receiver --raw --label
	"$send" --label $'a\tb\n' "$address" "$work/lines"
	stop_receiver
	expect_same "$work/output" "$work/expected" 'labelled lines'
	printf 'ä\treceived "one"\n\treceived "one"\n' >"$work/expected"
	start_receiver --label
	echo one | "$send" --label ä "$address"
	echo one | "$send" "$address"
	stop_receiver
	expect_same "$work/output" "$work/expected" 'labels and no label'
}

# The last line counts without its newline too, and nothing counts as no line.
last_lines() {
	start_receiver --raw
	printf 'no newline' | "$send" "$address"
	printf '' | "$send" "$address"
	printf '\n' | "$send" "$address"
	stop_receiver
	printf 'no newline\n\n' >"$work/expected"
	expect_same "$work/output" "$work/expected" 'last lines'
}

# Files in their order, '-' among them, as often as was asked for.
files_and_passes() {
	seq 10 >"$work/first"
	printf 'x' >"$work/second"
	seq 30000 >"$work/third"
	: >"$work/empty"
	start_receiver --raw
	seq 5 | "$send" --repeat 3 "$address" "$work/first" - "$work/empty" "$work/second" \
		"$work/third"
	stop_receiver
	for _ in 1 2 3; do
		seq 10
		seq 5
		echo x
		seq 30000
	done >"$work/expected"
	expect_same "$work/output" "$work/expected" 'three passes over files and a pipe'
}

# A line as long as the ring less one header fits; one byte more is refused by number, and
# what came before it has been sent.
longest_lines() {
	local capacity size
	for capacity in 4096 65536 16777216; do
		size=$((capacity - 8))
		{
			echo first
			repeat y "$size"
			echo
			repeat z "$size"
			echo
			echo last
		} >"$work/longest"
		round_trip "$work/longest" -- --capacity "$capacity"
	done
	{
		echo first
		repeat y 4089
		echo
	} >"$work/long"
	"$receive" --raw --count 1 "$address" >"$work/output" &
	receiver=$!
	status_of "$send" --wait --capacity 4096 "$address" "$work/long"
	[ "$status" = 1 ] || fail "a line too long: exit status $status instead of 1"
	expect_one_line "$work/stderr" "^evchan-send: line 2 of $work/long has more than 4088 bytes"
	expect_exit 0 "$receiver" 'evchan-receive --count 1'
	[ "$(cat "$work/output")" = first ] || fail 'the line before one too long is missing'
}

# The capacity is rounded up.
rounded_capacity() {
	repeat x $((8192 - 8)) >"$work/lines"
	echo >>"$work/lines"
	round_trip "$work/lines" -- --capacity 5000
	round_trip "$work/lines" -- --capacity 8k
}

make_awkward_lines
for copy in --zero-copy --copy; do
	for bell in $bells; do
		round_trip "$work/awkward" "$copy" --bell "$bell" -- --capacity 128K
		round_trip "$work/awkward" "$copy" -- --bell "$bell"
	done
done
escapes
escapes_of_long_lines
labels
last_lines
files_and_passes
longest_lines
rounded_capacity
