#!/usr/bin/env bash
#
# What a lane costs is what docs/tuning.md says: descriptors on both sides, memory of the ring, and private memory of the receiver.
# Prints the figures.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ -z "$sanitizer" ] || skip 'sanitizers take memory of their own'
[ "${EVCHAN_MEMFD:-ON}" = ON ] || skip 'the memory is looked for by its name of a memfd'
[ "$slowdown" = 1 ] || skip 'valgrind takes memory of its own'

senders=50

descriptors() {
	ls "/proc/$1/fd" | wc -l
}

# kilobytes PID KEY
kilobytes() {
	sed -nE "s/^$2:[^0-9]*([0-9]+) kB\$/\\1/p" "/proc/$1/status"
}

# Sizes of the rings that a process maps from their beginning; each is mapped a second time from its data on.
ring_bytes() {
	local range offset sum=0
	while read -r range _ offset _; do
		[ "$offset" != 00000000 ] || sum=$((sum + 16#${range#*-} - 16#${range%-*}))
	done < <(grep memfd:evchan "/proc/$1/maps")
	echo "$sum"
}

# pipe_ends PID MODE: pipes that a process reads (lr-x) or writes (l-wx).
pipe_ends() {
	ls -l "/proc/$1/fd" | sed -nE "s/^$2.* -> (pipe:.*)/\\1/p" | sort -u
}

# Other pipes are libevent's own or of whoever runs this.
pipes_to_receiver() {
	comm -12 <(pipe_ends "$1" l-wx) <(pipe_ends "$receiver" lr-x) | wc -l
}

lanes_are() {
	[ "$(descriptors "$receiver")" = $((before + 2 * $1)) ]
}

mkfifo "$work/silence"
exec 5<>"$work/silence"
start_receiver --quiet
# The lane that start_receiver has tried it with.
no_lane() {
	! grep -q memfd:evchan "/proc/$receiver/maps"
}
until_true no_lane
before=$(descriptors "$receiver")
private_before=$(kilobytes "$receiver" RssAnon)
for _ in $(seq "$senders"); do
	"$send" "$address" <&5 &
	last=$!
done
until_true lanes_are "$senders"

private=$(($(kilobytes "$receiver" RssAnon) - private_before))
echo "receiver, per lane: 2 descriptors, $((private * 1024 / senders)) bytes of private memory"
echo "sender: $(descriptors "$last") descriptors in all, of which 3 are the lane's; $(kilobytes "$last" RssAnon) kB of private memory"
echo "shared, mapped by a sender: $(ring_bytes "$last") bytes"
[ $((private * 1024 / senders)) -le 8192 ] || fail 'a lane takes more private memory than 8 KiB'
[ "$(ring_bytes "$last")" = $((4096 + 262144 + 4096)) ] || fail 'a sender maps more than header, ring and page'
of_lane=$(($(ls -l "/proc/$last/fd" | grep -cE 'socket:|\[eventfd\]|memfd:evchan') + $(pipes_to_receiver "$last")))
[ "$of_lane" = 3 ] || fail "a sender has $of_lane descriptors for its lane instead of 3"
