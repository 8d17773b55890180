#!/usr/bin/env bash
#
# Four senders; the bridge and nats-server are killed (SIGKILL) again and again in full flow, the server started again
# on the same store. At the end the stream has every message exactly once, by its id and by what it
# says, and each sender's in the order sent. A sender ends when all of its messages are acknowledged, no earlier.
#
# Long form: 200,000 messages, the bridge killed 20 times, the server 3 times.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
find_server

senders=4
lines=$(scaled 10000)
kills=6
server_kills=1
if [ -n "$long" ]; then
	lines=50000
	kills=20
	server_kills=3
fi
# What one message takes in the store, at least.
stored_bytes=50

bytes_in_store() {
	find "$store" -name '*.blk' -printf '%s\n' 2>/dev/null | awk '{ sum += $1 } END { print sum + 0 }'
}

store_has() {
	[ "$(bytes_in_store)" -ge "$1" ]
}

some_sender_lives() {
	local pid
	for pid in "${pids[@]}"; do
		! kill -0 "$pid" 2>/dev/null || return 0
	done
	return 1
}

a_bridge() {
	start_bridge --stream STORM --create --subject 'storm.{label}' --duplicate-window 600 --stats "$address"
}

start_server
pids=()
for ((i = 0; i < senders; i++)); do
	seq -f "s$i %.0f" "$lines" >"$work/lines$i"
	"$send" --wait --label "s$i" "$address" "$work/lines$i" &
	pids+=($!)
done

step=$((senders * lines * stored_bytes / (kills + server_kills + 2)))
late=0
deaths=0
a_bridge
for ((i = 1; i <= kills + server_kills; i++)); do
	until_true store_has $((step * i))
	some_sender_lives || late=$((late + 1))
	# The server's deaths are spread among those of the bridge.
	if ((i * server_kills / (kills + server_kills) > deaths)); then
		deaths=$((deaths + 1))
		kill_server
		start_server
	else
		kill -KILL "$bridge"
		expect_exit 137 "$bridge" 'a killed bridge'
		a_bridge
	fi
done
for pid in "${pids[@]}"; do
	expect_exit 0 "$pid" 'evchan-send --wait'
done
stop_bridge
[ "$late" = 0 ] || fail "$late deaths came when all was over"

"$reader" "$url" STORM >"$work/messages" || fail 'the stream cannot be read'
awk -F '\t' -v count="$lines" -v senders="$senders" '
	ids[$1]++ {
		print "twice: " $0
		exit failed = 1
	}
	{
		split($6, word, " ")
		if (word[2] != last[word[1]] + 1 || $2 != "storm." word[1]) {
			print $0 " after " last[word[1]] + 0
			exit failed = 1
		}
		last[word[1]] = word[2]
	}
	END {
		for (label in last)
			complete += last[label] == count
		print NR " messages in the stream, " complete + 0 " of " senders " senders complete"
		exit failed || complete != senders || NR != count * senders
	}
' "$work/messages" || fail 'messages are missing, repeated or out of order'
echo "killed: the bridge $kills times, nats-server $deaths times"
tail -n 1 "$work/bridge.err"
