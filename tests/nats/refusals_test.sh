#!/usr/bin/env bash
#
# What NATS does not take: while there is no server, or no stream for the subject, senders wait and everything arrives
# later; a message larger than NATS allows costs its lane, and no other.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
find_server

has_said() {
	grep -q "$1" "$work/bridge.err"
}

seq 1000 >"$work/lines"
start_server
kill_server
start_bridge --subject 'late.{label}' --stats "$address"
"$send" --wait --label a "$address" "$work/lines" &
sender=$!
until_true has_said 'trying again'
start_server
until_true has_said 'no stream has this subject'
kill -0 "$sender" || fail 'the sender did not wait'

# Somebody makes the stream.
"$nats" --server "$url" --stream LATE --create --subject 'late.{label}' "$work/other" 2>>"$work/other.err" &
other=$!
until_true stream_has LATE 1000
expect_exit 0 "$sender" 'a sender that waited for the stream'

# nats-server takes a megabyte.
head -c 1500000 /dev/zero | tr '\0' x >"$work/large"
"$send" --wait --label large --capacity 4M "$address" "$work/large" 2>"$work/large.err" &
large=$!
expect_exit 1 "$large" 'a message too large'
grep -q 'larger than NATS takes' "$work/large.err" || fail "the sender was told: $(cat "$work/large.err")"
"$send" --wait --label b "$address" "$work/lines" || fail 'another lane'
stream_has LATE 2000 || fail 'not all is in the stream'
stop_bridge
[ "$(value_of too_large "$work/bridge.err")" = 1 ] || fail "$(tail -n 1 "$work/bridge.err")"
kill -TERM "$other"
expect_exit 0 "$other" 'a bridge without senders'
