#!/usr/bin/env bash
#
# Eight senders at once, with rings from 4 KiB to 16 MiB: every line arrives, once, and in the order of
# its sender; also if the receiver is slow, so that all lanes are full nearly all the time.
#
# Long form: a million lines of each sender.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mixed=(4K 16K 64K 256K 1M 4M 8M 16M)
lines=$(scaled 40000)
slow_lines=$(scaled 400)
if [ -n "$long" ]; then
	lines=1000000
	slow_lines=1000000
fi

# check_lines COUNT WHAT: "sNUMBER<tab>LINE" in $work/output, lines counted from 1 to COUNT by each.
check_lines() {
	awk -F '\t' -v count="$1" '
		$2 != last[$1] + 1 { print "line " NR ": " $0 " after " last[$1] + 0; exit 1 }
		{ last[$1] = $2 }
		END {
			for (label in last) {
				if (last[label] == count)
					complete++
			}
			if (complete != 8) {
				print "complete: " complete + 0 " of 8"
				exit 1
			}
		}
	' "$work/output" || fail "$2"
}

# send_all FILE CAPACITY...: eight senders, one with each capacity.
send_all() {
	local file=$1 capacity senders=() sender
	shift
	for capacity; do
		"$send" --label "s${#senders[@]}" --capacity "$capacity" "$address" "$file" &
		senders+=($!)
	done
	for sender in "${senders[@]}"; do
		expect_exit 0 "$sender" "a sender of $*"
	done
}

# stream WHAT LINES RECEIVER-OPTION... -- CAPACITY...
stream() {
	local what=$1 count=$2 of_receiver=()
	shift 2
	while [ "$1" != -- ]; do
		of_receiver+=("$1")
		shift
	done
	shift
	seq "$count" >"$work/lines"
	start_receiver --raw --label "${of_receiver[@]}"
	send_all "$work/lines" "$@"
	stop_receiver
	check_lines "$count" "$what"
	echo "$what: 8 x $count lines"
}

uniform() {
	local capacity
	for capacity; do
		stream "all $capacity" "$lines" -- \
			"$capacity" "$capacity" "$capacity" "$capacity" \
			"$capacity" "$capacity" "$capacity" "$capacity"
	done
}

stream 'mixed capacities' "$lines" -- "${mixed[@]}"
stream 'mixed capacities, copied' "$lines" --copy -- "${mixed[@]}"
stream 'mixed capacities, pipes' "$lines" --bell pipe -- "${mixed[@]}"
uniform 4K 64K 1M 16M
stream 'mixed capacities, a slow receiver' "$slow_lines" --slow 20 -- "${mixed[@]}"
stream 'all 4K, a slow receiver' "$slow_lines" --slow 20 -- 4K 4K 4K 4K 4K 4K 4K 4K
