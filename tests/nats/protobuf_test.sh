#!/usr/bin/env bash
#
# protobuf messages pass through unchanged: their bytes, the number of their type, its name and a signature of their schema
# are in the stream, and the bytes and the number come out of it at another receiver.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
find_server
telemetry_send=$build/examples/evchan-telemetry-send
telemetry_receive=$build/examples/evchan-telemetry-receive
[ -x "$telemetry_send" ] || skip 'the protobuf layer is not built'

records=1000

start_server
start_bridge --stream PB --create --subject 'pb.{label}.{type}' "$address"
until_true test -S "$address"
"$telemetry_send" --count "$records" --label app "$address" || fail 'evchan-telemetry-send'
stop_bridge

"$reader" "$url" PB >"$work/messages" || fail 'the stream cannot be read'
cut -f 2,4 "$work/messages" | sort | uniq -c | awk '{ print $1, $2, $3 }' >"$work/kinds"
cat >"$work/expected" <<END
$records pb.app.evchan-example-LogRecord evchan.example.LogRecord
$((records / 100)) pb.app.evchan-example-Telemetry evchan.example.Telemetry
END
cat "$work/kinds"
expect_same "$work/kinds" "$work/expected" 'subjects and names of types'
# One schema and one number for each type.
cut -f 3,4,5 "$work/messages" | sort -u >"$work/schemas"
[ "$(wc -l <"$work/schemas")" = 2 ] && ! grep -vqP '^[1-9][0-9]*\t[\w.]+\t[0-9a-f]{32}$' "$work/schemas" ||
	fail "types and signatures: $(cat "$work/schemas")"

"$telemetry_receive" "$work/local" >"$work/output" 2>&1 &
receiver=$!
start_bridge --stream PB --consumer LOCAL --create --stats "$work/local"
until_true counter_is acked $((records + records / 100))
stop_bridge
expect_exit 0 "$receiver" 'evchan-telemetry-receive'
cat "$work/output"
grep -q "$records records, $((records / 100)) telemetries" "$work/output" || fail "not what was sent"
