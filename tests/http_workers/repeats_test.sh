#!/usr/bin/env bash
#
# A collector of http-workers is killed while lines of its are in the log, the last one not whole, and their records are not released:
# its log had reached a limit in the middle of a write. The next collector gets all these records again. It passes over
# those that are in the log, and writes the others: in the end each is there once.
source "$(dirname "${BASH_SOURCE[0]}")/../programs/common.sh"
source "$(dirname "${BASH_SOURCE[0]}")/server.sh"
command -v prlimit >/dev/null || skip 'prlimit is missing'

answered=0

load() {
	start_wrk 1 /
	finish_wrk
	answered=$((answered + requests))
}

has_failed_to_write() {
	read_metrics && [ "$(metric log_failures_total)" -gt 0 ]
}

is_replaced() {
	read_metrics && [ "$(metric collector_restarts_total)" = 1 ] &&
		[ "$(metric channel_lanes)" = "$workers" ]
}

start_server --capacity 16M
load
# So far everything is written and released. There is room for 20 KB more, which is most probably not the end of a line; and by
# being stopped for a while the collector gets more than that to write at once.
prlimit --pid "$(pid_of collector)" --fsize=$(($(stat -c %s "$log") + 20000)):unlimited
kill -STOP "$(pid_of collector)"
load
kill -CONT "$(pid_of collector)"
until_true has_failed_to_write
torn=''
[ -z "$(tail -c 1 "$log")" ] || torn=' (the last one torn)'
written=$(wc -l <"$log")
kill -KILL "$(pid_of collector)"
until_true is_replaced
load
until_true read_metrics
repeats=$(metric repeats_total)
stop_server
read_log
extra=$((lines + gaps - answered))
echo "$written lines when the collector was killed$torn; $repeats records came again and were passed over"
echo "$answered requests answered, $lines lines, $gaps dropped, $extra in flight"
[ "$gaps" = 0 ] || fail "$gaps records are missing"
[ "$extra" -ge 0 ] && [ "$extra" -le $((3 * connections)) ] || fail 'that is not all'
[ "$repeats" -gt 0 ] || fail 'nothing came again'
