#!/usr/bin/env bash
#
# The end in order. SIGTERM: what is in flight, and all that senders who are gone have published, is acknowledged before the
# program ends, though NATS is away at first; what living senders have goes to the next bridge, and nothing is published
# by both. A second SIGTERM ends it at once.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
find_server

lines=20000
forward() {
	start_bridge --stream END --create --subject 'end.{label}' --max-in-flight 100 --stats "$@" "$address"
}

has_port() {
	grep -q trying "$work/bridge.err"
}

start_server
kill_server
seq -f 'gone %.0f' 1000 >"$work/gone"
seq -f 'living %.0f' "$lines" >"$work/living"
forward
until_true has_port
"$send" --wait --label gone "$address" "$work/gone" &
gone=$!
"$send" --wait --label living "$address" "$work/living" &
living=$!
until_true counter_is lanes 2
kill -KILL "$gone"
expect_exit 137 "$gone" 'a killed sender'

kill -TERM "$bridge"
start_server
expect_exit 0 "$bridge" "evchan-nats: $(cat "$work/bridge.err")"
first=$(grep '^messages=' "$work/bridge.err" | tail -n 1)
[ "$(value_of acked <(echo "$first"))" = "$(value_of messages <(echo "$first"))" ] || fail "ended with: $first"
forward
expect_exit 0 "$living" 'the living sender'
stop_bridge
second=$(grep '^messages=' "$work/bridge.err" | tail -n 1)

"$reader" "$url" END | cut -f 6 >"$work/all"
grep '^gone' "$work/all" | cmp - "$work/gone" || fail 'of the sender that is gone'
grep '^living' "$work/all" | cmp - "$work/living" || fail 'of the living sender'
[ "$(value_of duplicates <(echo "$first"))$(value_of duplicates <(echo "$second"))" = 00 ] ||
	fail "published by both: $first; $second"

# A server that does not answer.
forward
until_true counter_is connects 1
kill -STOP "$server"
"$send" --wait --label a "$address" "$work/living" &
sender=$!
until_true counter_is in_flight 100
kill -TERM "$bridge"
until_true counter_is in_flight 100
kill -TERM "$bridge"
expect_exit 143 "$bridge" 'a second SIGTERM'
kill -KILL "$sender"
