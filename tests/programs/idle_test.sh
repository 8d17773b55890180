#!/usr/bin/env bash
#
# An idle channel uses nothing: 64 connected senders and their receiver make no system call and get no CPU
# time, for as long as nothing is sent. Nor do senders whose rings are full, and their receiver, for as long as it does
# not want anything. Both are measured: by strace, and, undisturbed by it, by the kernel's
# own accounts, in nanoseconds where /proc/PID/schedstat is there.
#
# The time in which nothing happens is the one time that a test has to wait for: 3 s, in the long form 10 s.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

senders=64
idle_seconds=$([ -n "$long" ] && echo 10 || echo 3)

# cpu_time_of PID: clock ticks, user and system, and nanoseconds.
cpu_time_of() {
	local stat ran=''
	read -r stat <"/proc/$1/stat"
	# The name, in brackets, may have blanks.
	read -ra stat <<<"${stat##*) }"
	if [ -r "/proc/$1/schedstat" ]; then
		read -r ran _ <"/proc/$1/schedstat"
	fi
	echo "${stat[11]} ${stat[12]} $ran"
}

cpu_times() {
	local pid
	for pid in "${all[@]}"; do
		echo "$pid $(cpu_time_of "$pid")"
	done
}

# Starts a receiver and senders, each of which has sent one line and waits for its input to go on. Sets $all.
connect() {
	local i pid line
	mkfifo "$work/never" "$work/lines"
	echo hello >"$work/hello"
	"$receive" --raw "$address" >"$work/lines" 2>"$work/receiver.err" &
	receiver=$!
	all=("$receiver")
	exec {lines}<"$work/lines"
	for ((i = 0; i < senders; i++)); do
		"$send" --wait "$address" "$work/hello" "$work/never" &
		all+=($!)
	done
	for ((i = 0; i < senders; i++)); do
		read -r line <&"$lines"
		[ "$line" = hello ] || fail "not a hello: $line"
	done
}

# A receiver that has a message and takes no more, and senders that have endless input. Adds to $all.
fill_lanes() {
	local i
	"$receive" --raw --slow 86400000000 "$address.full" >"$work/output" 2>"$work/receiver.err" &
	all+=($!)
	for ((i = 0; i < 4; i++)); do
		"$send" --wait --repeat 1000000000 "$address.full" "$work/hello" &
		all+=($!)
	done
	until_true [ -s "$work/output" ]
}

# All have come to rest when no time is added any more; that this takes a moment is not what is tested.
come_to_rest() {
	local before after
	after=$(cpu_times)
	until [ "$after" = "${before-}" ]; do
		sleep 0.2
		before=$after
		after=$(cpu_times)
	done
}

no_cpu_time() {
	local before
	come_to_rest
	before=$(cpu_times)
	sleep "$idle_seconds"
	[ "$before" = "$(cpu_times)" ] ||
		fail "CPU time was used: $(diff <(echo "$before") <(cpu_times))"
	echo "no CPU time in $idle_seconds s in ${#all[@]} processes"
}

# Attaching disturbs: it breaks off the one call in which each process waits. So the log counts
# from when it has come to rest until before strace lets go.
no_system_call() {
	local before attached=0 tracer line
	needs_strace
	: >"$work/calls"
	mkfifo "$work/strace.err"
	strace -f -o "$work/calls" "${all[@]/#/-p}" 2>"$work/strace.err" &
	tracer=$!
	exec {attaching}<"$work/strace.err"
	while [ "$attached" -lt "${#all[@]}" ]; do
		read -r -u "$attaching" line || fail 'strace does not attach'
		[[ $line != *attached* ]] || attached=$((attached + 1))
	done
	come_to_rest
	before=$(wc -l <"$work/calls")
	sleep "$idle_seconds"
	[ "$before" = "$(wc -l <"$work/calls")" ] ||
		fail "system calls: $(tail -n "+$((before + 1))" "$work/calls" | head)"
	# What is traced is seen, too: or there was nothing to count.
	exec {writer}<>"$work/never"
	echo line >&"$writer"
	read -r line <&"$lines"
	[ "$before" -lt "$(wc -l <"$work/calls")" ] || fail 'strace has seen nothing at all'
	kill -INT "$tracer"
	wait_for "$tracer"
	echo "no system call in $idle_seconds s in ${#all[@]} processes"
}

[[ $sanitizer != *thread* ]] || skip 'ThreadSanitizer has a thread that wakes up by itself'
connect
fill_lanes
no_cpu_time
no_system_call
