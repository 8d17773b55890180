#!/usr/bin/env bash
#
# From NATS to a channel: a message is acknowledged to JetStream when the local receiver has released it, no earlier. So
# while there is no receiver nothing is acknowledged; bridges, receivers and nats-server may be killed in full flow; and
# in the end receivers have got every message at least once, and the consumer has nothing left.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
find_server

lines=$(scaled 20000)
[ -z "$long" ] || lines=200000
local_address=$work/local

backward() {
	start_bridge --stream BACK --consumer LOCAL --create --ack-wait 2 --stats "$@" "$local_address"
}

start_local() {
	"$receive" --raw --slow "$1" "$local_address" >"$work/output$2" 2>>"$work/receiver.err" &
	receiver=$!
}

has_output() {
	[ "$(wc -l <"$work/output$1")" -ge "$2" ]
}

start_server
seq "$lines" >"$work/lines"
start_bridge --stream BACK --create --subject 'back.{label}' "$address"
"$send" --wait --label one "$address" "$work/lines"
stop_bridge
stream_has BACK "$lines" || fail 'not all is in the stream'

# The ring takes a few, and nobody has released them.
backward --max-in-flight 500 --capacity 4K
until_true counter_is arrived 500
counter_is acked 0 || fail 'acknowledged what nobody has received'
kill -KILL "$bridge"
expect_exit 137 "$bridge" 'a killed bridge'

backward
start_local 0 1
until_true has_output 1 $((lines / 10))
kill -KILL "$bridge"
expect_exit 137 "$bridge" 'a killed bridge'
backward
until_true has_output 1 $((lines / 4))
kill -KILL "$receiver"
expect_exit 137 "$receiver" 'a killed receiver'
start_local 0 2
until_true has_output 2 $((lines / 10))
kill_server
start_server
backlog_is_empty() {
	sort -nu "$work/output1" "$work/output2" | grep -c . | grep -qx "$lines"
}
until_true backlog_is_empty
stop_bridge
kill -TERM "$receiver"
expect_exit 0 "$receiver" 'evchan-receive'

# Nothing comes again: the consumer has an acknowledgement of everything.
backward
start_local 0 3
"$send" --wait "$local_address" </dev/null
start_bridge --stream BACK --subject 'back.{label}' "$address"
forward=$bridge
echo last >"$work/last"
"$send" --wait --label two "$address" "$work/last"
until_true has_output 3 1
[ "$(cat "$work/output3")" = last ] || fail "delivered after it was acknowledged: $(head -n 3 "$work/output3")"
kill -KILL "$forward"
echo "$lines messages; $(cat "$work/output1" "$work/output2" | wc -l) deliveries"
