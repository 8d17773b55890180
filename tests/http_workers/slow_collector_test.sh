#!/usr/bin/env bash
#
# While the collector is stopped (SIGSTOP), or cannot write its log, workers answer every request. What they cannot hand over they drop
# and count, and when the collector is back it tells how much that is:
#
#	lines + dropped records = requests answered to wrk + those in flight at the end
source "$(dirname "${BASH_SOURCE[0]}")/../programs/common.sh"
source "$(dirname "${BASH_SOURCE[0]}")/server.sh"
command -v prlimit >/dev/null || skip 'prlimit is missing'

answered=0
rounds=0

# load WHAT: one round of requests, and none of them fails.
load() {
	start_wrk 2 /
	finish_wrk
	[ "$broken" = 0 ] || fail "$1: $broken connections broke"
	answered=$((answered + requests))
	rounds=$((rounds + 1))
	echo "$1: $requests requests answered"
}

# What the collector has counted is all that was answered.
reconciles() {
	local extra
	read_metrics || return 1
	[ "$(metric log_lines_total)" = "$(wc -l <"$log")" ] || return 1
	extra=$(($(metric log_lines_total) + $(metric dropped_total) - answered))
	[ "$extra" -ge 0 ] && [ "$extra" -le $((connections * rounds)) ]
}

expect_reconciled() {
	until_true reconciles
	echo "$1: $(metric log_lines_total) lines, $(metric dropped_total) records dropped"
}

has_failed_to_write() {
	read_metrics && [ "$(metric log_failures_total)" -gt 0 ]
}

stopped_collector() {
	kill -STOP "$(pid_of collector)"
	load 'collector stopped'
	kill -CONT "$(pid_of collector)"
	expect_reconciled 'collector goes on'
	[ "$(metric dropped_total)" -gt 0 ] || fail 'nothing was dropped, though rings are small'
}

full_disk() {
	local before
	before=$(metric dropped_total)
	prlimit --pid "$(pid_of collector)" --fsize="$(stat -c %s "$log"):unlimited"
	load 'log cannot be written'
	until_true has_failed_to_write
	prlimit --pid "$(pid_of collector)" --fsize=unlimited:unlimited
	expect_reconciled 'log can be written'
	[ "$(metric dropped_total)" -gt "$before" ] || fail 'nothing was dropped'
	grep -q 'the log cannot be written: ' "$work/server.err" || fail 'the log is not complained of'
}

start_server --capacity 64K
stopped_collector
full_disk
load 'as before'
expect_reconciled 'as before'
stop_server
read_log
[ "$gaps" -gt 0 ] && [ "$gaps" -le "$(metric dropped_total)" ] ||
	fail "$gaps gaps in the log, $(metric dropped_total) dropped records"
echo "gaps in the log tell $gaps of these"
