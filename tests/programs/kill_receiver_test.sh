#!/usr/bin/env bash
#
# Receivers are killed (SIGKILL) in full flow and started again on the same path, with nothing cleaned up
# between. What all of them have written together has every line; each goes on in the order of each
# sender, no later than where the one before it had stopped: what is repeated is what was not yet given back.
#
# Long form: twenty kills, eight senders of a million lines each.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

senders=4
lines=$(scaled 400000)
kills=3
late=0
if [ -n "$long" ]; then
	senders=8
	lines=1000000
	kills=20
fi

some_sender_lives() {
	local pid
	for pid in "${pids[@]}"; do
		! kill -0 "$pid" 2>/dev/null || return 0
	done
	return 1
}

# wait_for_output PID BYTES: until the process has written so much, or there is nothing more to write. No
# other process is started for it: meanwhile all would be over.
wait_for_output() {
	local key value end=$((SECONDS + 20 * slowdown))
	while [ "$SECONDS" -lt "$end" ]; do
		while read -r key value; do
			[ "$key" != wchar: ] || [ "$value" -lt "$2" ] || return 0
		done <"/proc/$1/io"
		some_sender_lives || return 0
	done
	fail "in vain waited for $2 bytes of output"
}

# A killed process may have written the beginning of a line: that is no line.
whole_lines() {
	if [ -n "$(tail -c 1 "$1")" ]; then
		sed '$d' "$1"
	else
		cat "$1"
	fi
}

# kill_in_flow FILE BYTES OPTION...: a receiver that is killed when it has written so much. Senders: $pids.
kill_in_flow() {
	local file=$1 bytes=$2
	shift 2
	: >"$file"
	"$receive" --raw --label "$@" "$address" >"$file" &
	receiver=$!
	wait_for_output "$receiver" "$bytes"
	kill -KILL "$receiver"
	expect_exit 137 "$receiver" 'a killed receiver'
	some_sender_lives || late=$((late + 1))
}

# check_union FILE...: in the order of the receivers.
check_union() {
	local file
	for file; do
		echo next
		whole_lines "$file"
	done | awk -F '\t' -v count="$lines" -v senders="$senders" '
		$0 == "next" {
			delete here
			next
		}
		$1 in here ? $2 != here[$1] + 1 : $2 > last[$1] + 1 {
			print $0 " after " here[$1] + 0 " and " last[$1] + 0
			exit 1
		}
		{
			here[$1] = $2
			if ($2 <= last[$1])
				repeated++
			else
				last[$1] = $2
		}
		END {
			for (label in last)
				if (last[label] == count)
					complete++
			print complete + 0 " of " senders " senders complete, " repeated + 0 " lines repeated"
			exit complete != senders
		}
	' || fail 'lines are missing or out of order'
}

# storm WHAT SENDER-OPTIONS RECEIVER-OPTIONS
storm() {
	local what=$1 of_sender of_receiver pids=() files=() pid size i
	read -ra of_sender <<<"$2"
	read -ra of_receiver <<<"$3"
	for ((i = 0; i < senders; i++)); do
		"$send" --wait --label "s$i" "${of_sender[@]}" "$address" "$work/lines" &
		pids+=($!)
	done
	# All kills come in the first half, and this shell may be late.
	size=$((senders * $(stat -c %s "$work/lines") / kills / 2))
	for ((i = 0; i < kills; i++)); do
		kill_in_flow "$work/file$i" $((size / (1 + RANDOM % 8))) "${of_receiver[@]}"
		files+=("$work/file$i")
	done
	"$receive" --raw --label "${of_receiver[@]}" "$address" >"$work/file$i" \
		2>"$work/receiver.err" &
	receiver=$!
	files+=("$work/file$i")
	for pid in "${pids[@]}"; do
		expect_exit 0 "$pid" "evchan-send --wait, $what"
	done
	# It may be so new that it does not catch signals yet.
	"$send" --wait "$address" </dev/null
	stop_receiver
	echo "$what: $kills kills, $senders x $lines lines"
	check_union "${files[@]}"
}

seq "$lines" >"$work/lines"
storm 'rings of 256K' '' ''
storm 'rings of 4K' '--capacity 4K' ''
storm 'pipes as bells, copies' '--capacity 64K' '--bell pipe --copy'
[ "$late" = 0 ] || echo "$late kills came when all was over"
[ "$late" -lt $((kills * 3)) ] || fail 'no kill came in full flow'
