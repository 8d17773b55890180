# What the tests of examples/http-workers share; sourced behind common.sh.

server=$build/examples/http-workers/http-workers
[ -x "$server" ] || skip "not built: $server"
command -v wrk >/dev/null || skip 'wrk is missing'
workers=4
connections=16
log=$work/access.log

all_have_started() {
	[ "$(grep -cs ' is process ' "$work/server.err")" -gt "$workers" ]
}

# start_server OPTION...: on free ports, $port and $status_port; the process is $supervisor.
start_server() {
	rm -f "$work/server.out" "$work/server.err"
	"$server" --port 0 --status-port 0 --workers "$workers" --log "$log" "$@" \
		>"$work/server.out" 2>"$work/server.err" &
	supervisor=$!
	until_true all_have_started
	port=$(sed -nE 's/.* port ([0-9]+), status.*/\1/p' "$work/server.out")
	status_port=$(sed -nE 's/.*status on port ([0-9]+),.*/\1/p' "$work/server.out")
}

# stop_server: in order, and with everything written.
stop_server() {
	kill -TERM "$supervisor"
	wait_for "$supervisor"
	[ "$status" = 0 ] || fail "http-workers ends with $status: $(cat "$work/server.err")"
	check_malformed
}

# pid_of worker N|collector: of the one that was started last.
pid_of() {
	sed -n "s/^http-workers: $* is process //p" "$work/server.err" | tail -n 1
}

# get PORT PATH: what is answered; nothing, if the process at the other end dies.
get() {
	(
		exec {socket}<>"/dev/tcp/127.0.0.1/$1" || exit 1
		printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&"$socket"
		cat <&"$socket"
	) 2>/dev/null || true
}

# read_metrics: to $work/metrics; fails if the collector was killed meanwhile.
read_metrics() {
	get "$status_port" /metrics >"$work/metrics"
	grep -q '^process_start_time_seconds ' "$work/metrics"
}

# metric NAME: of the last read_metrics(), the sum over all workers. NAME may have one worker's label.
metric() {
	awk -v name="http_workers_$1" '
		$1 == name || index($1, name "{") == 1 { sum += $2 }
		END { printf "%d\n", sum }
	' "$work/metrics"
}

check_malformed() {
	[ "$(metric malformed_total)" = 0 ] || fail 'some messages were no records'
}

# start_wrk SECONDS PATH: in the background, $wrk.
start_wrk() {
	wrk -t2 -c"$connections" -d"$1s" --timeout 60s --latency \
		"http://127.0.0.1:$port$2" >"$work/wrk.out" 2>&1 &
	wrk=$!
}

wrk_is_over() {
	! kill -0 "$wrk" 2>/dev/null
}

# finish_wrk: sets $requests and $broken, the connections that ended by themselves.
finish_wrk() {
	local connect=0 read=0 write=0 timeout=0 errors
	wait_for "$wrk"
	[ "$status" = 0 ] || fail "wrk ends with $status: $(cat "$work/wrk.out")"
	requests=$(sed -nE 's/^ +([0-9]+) requests in .*/\1/p' "$work/wrk.out")
	[ -n "$requests" ] || fail "wrk says: $(cat "$work/wrk.out")"
	errors=$(sed -nE 's/.*connect ([0-9]+), read ([0-9]+), write ([0-9]+), timeout ([0-9]+).*/\1 \2 \3 \4/p' \
		"$work/wrk.out")
	[ -z "$errors" ] || read -r connect read write timeout <<<"$errors"
	broken=$((read + write))
	[ "$connect" = 0 ] || fail "$connect connections were refused"
	[ "$timeout" = 0 ] || fail "$timeout requests were not answered"
	if grep 'Non-2xx' "$work/wrk.out"; then
		fail 'requests failed'
	fi
}

# read_log: sets $lines, and $gaps: sequences of a process before its last that are not there. Each line has the combined format; each
# process's sequences rise, so no record is there twice; and at each line as many are missing as the process had dropped by
# then, so none is lost.
read_log() {
	local summary
	summary=$(awk '
		function complain(what) {
			print "line " NR " " what ": " $0
			exit failed = 1
		}
		!/^[0-9.]+ - - \[[0-9]+\/[A-Z][a-z][a-z]\/[0-9:]+ \+0000\] "(GET|HEAD|POST) [^" ]+ HTTP\/1\.[01]" [1-5][0-9][0-9] [0-9]+ "[^"]*" "[^"]*" [0-9]+ [0-9]+ [0-9]+-[0-9a-f]+-[0-9]+$/ {
			complain("is not in combined format")
		}
		{
			split($NF, id, "-")
			stream = id[1] "-" id[2]
			if (id[3] <= last[stream] + 0)
				complain("repeats or comes late")
			last[stream] = id[3]
			missing = id[3] - ++count[stream]
			if (missing != $(NF - 1))
				complain("has " missing " missing before it, of which " $(NF - 1) " were dropped")
			gaps[stream] = missing
		}
		END {
			for (stream in gaps)
				sum += gaps[stream]
			if (!failed)
				print NR, sum + 0
		}
	' "$log") || fail "$summary"
	read -r lines gaps <<<"$summary"
}
