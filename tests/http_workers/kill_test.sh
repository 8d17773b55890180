#!/usr/bin/env bash
#
# Under load from wrk, workers and the collector are killed (SIGKILL) again and again. No request fails but those on connections of
# killed workers, and the log reconciles with what wrk has counted:
#
#	lines + gaps = requests answered to wrk + those that were in flight
#
# In flight is what a killed worker had recorded and not yet answered, and what wrk still waited for when its time was over: one
# request for each of its connections at most, each time. Gaps in a process's sequence are records that it dropped and counted. No record is
# there twice, although each new collector gets the last ones of the one before it again and passes over them.
#
# Long form: a minute instead of seconds.
source "$(dirname "${BASH_SOURCE[0]}")/../programs/common.sh"
source "$(dirname "${BASH_SOURCE[0]}")/server.sh"

seconds=6
[ -z "$long" ] || seconds=60
worker_kills=0
collector_kills=0
repeats=0

# The new process has taken up its work, and the collector has all lanes: nobody is killed while the only other
# one who has his records is dead, too.
has_recovered() {
	wrk_is_over && return
	read_metrics || return 1
	[ "$(metric worker_restarts_total)" = "$worker_kills" ] &&
		[ "$(metric collector_restarts_total)" = "$collector_kills" ] &&
		[ "$(metric channel_lanes)" = "$workers" ]
}

log_has_grown() {
	[ "$(stat -c %s "$log")" -gt $((before + 20000)) ] || wrk_is_over
}

# kill_one NAME: and waits until that is got over. Each collector tells the restarts of workers as it hears of them, so all workers
# must have answered something, which is what the log's growth is for.
kill_one() {
	kill -KILL "$(pid_of "$@")"
	until_true has_recovered
	before=$(stat -c %s "$log")
	until_true log_has_grown
}

storm() {
	until_true [ -s "$log" ]
	while ! wrk_is_over; do
		if [ $((RANDOM % 2)) = 0 ] || [ "$collector_kills" -gt "$worker_kills" ]; then
			worker_kills=$((worker_kills + 1))
			kill_one worker $((RANDOM % workers))
		else
			read_metrics || continue
			repeats=$((repeats + $(metric repeats_total)))
			collector_kills=$((collector_kills + 1))
			kill_one collector
		fi
	done
}

# Room for many seconds: what a worker drops right before it is killed nobody would ever hear of.
start_server --capacity 32M
start_wrk "$seconds" /
storm
finish_wrk
until_true read_metrics
repeats=$((repeats + $(metric repeats_total)))
stop_server
read_log

cat "$work/wrk.out"
extra=$((lines + gaps - requests))
echo "kills: $worker_kills of workers, $collector_kills of the collector"
echo "connections broken by them: $broken"
echo "requests answered to wrk: $requests"
echo "lines: $lines, none twice; dropped records: $gaps; in flight at kills and at the end: $extra"
echo "records that came to a second collector, and were passed over: $repeats"
[ "$worker_kills" -gt 0 ] && [ "$collector_kills" -gt 0 ] || fail 'nobody was killed'
[ "$extra" -ge 0 ] || fail "$((-extra)) answered requests have no record"
[ "$extra" -le $((connections * (1 + worker_kills))) ] || fail "$extra records of nothing"
[ "$broken" -le $((connections * worker_kills)) ] || fail "$broken broken connections"
