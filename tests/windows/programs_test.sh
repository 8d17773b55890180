#!/usr/bin/env bash
#
# The programs on Windows: lines and typed messages arrive, from files and from a pipe; a receiver that is killed is replaced, and
# nothing is missing; errors are those of the other systems.
set -euo pipefail
programs=$EVCHAN_BUILD_DIR/examples
work=$(mktemp -d)
started=()
trap 'for process in "${started[@]}"; do kill -9 "$process" 2>/dev/null || true; done; rm -rf "$work"' EXIT
name=@programs-$$

die() {
	echo "$*"
	head -50 "$work"/*.err
	exit 1
}

# Becomes the program, so that its process is the one that was started.
run() {
	local program=$1
	shift
	exec ${EVCHAN_TEST_WRAPPER} "$programs/$program.exe" "$@"
}

# eventually SECONDS COMMAND...
eventually() {
	local tries=$(($1 * 20))
	shift
	until "$@"; do
		[ $((tries -= 1)) -gt 0 ] || return 1
		sleep 0.05
	done
}

has_lines() {
	[ "$(wc -l <"$1")" -ge "$2" ]
}

echo '- from a pipe'
(run evchan-receive --count 3 "$name" >"$work/output" 2>"$work/receive.err") &
started+=($!)
printf 'through\nshared "memory"\n\303\244\n' | (run evchan-send --wait "$name" 2>"$work/send.err") || die 'evchan-send failed'
wait "${started[-1]}" || die 'evchan-receive failed'
printf 'received "through"\nreceived "shared \\"memory\\""\nreceived "\303\244"\n' | cmp - "$work/output" || die 'other lines'

echo '- from a file, many times, through receivers that are killed'
seq 20000 >"$work/lines"
(run evchan-send --wait --repeat 20 "$name" "Z:${work//\//\\}\\lines" 2>"$work/send.err") &
sender=$!
started+=("$sender")
: >"$work/all"
for killed in 1 2 3; do
	(run evchan-receive --raw --slow 1 "$name" >"$work/part" 2>"$work/receive.err") &
	started+=($!)
	eventually 30 has_lines "$work/part" 100 || die 'a receiver gets nothing'
	kill -9 "${started[-1]}"
	wait "${started[-1]}" 2>/dev/null || true
	cat "$work/part" >>"$work/all"
done
(run evchan-receive --raw "$name" >"$work/part" 2>"$work/receive.err") &
started+=($!)
wait "$sender" || die 'evchan-send failed'
cat "$work/part" >>"$work/all"
# Lines follow each other, but for a few that come again after each death.
awk -v lines=20000 -v kills=3 '
	{ want = expected % lines + 1 }
	$1 == want { expected++; next }
	{ back = (want - $1 + lines) % lines; repeats++; if (back < 1 || back > 2000) exit 1; expected -= back - 1 }
	END { if (expected != 20 * lines || repeats > kills) { print "expected", expected, "repeats", repeats; exit 1 } }' "$work/all" ||
	die 'lines are missing'
kill -9 "${started[-1]}"
wait "${started[-1]}" 2>/dev/null || true

echo '- errors'
status=0
(run evchan-send "$name" "Z:${work//\//\\}\\lines" 2>"$work/send.err") || status=$?
[ "$status" = 1 ] && grep -q 'no receiver is there' "$work/send.err" || die "an absent receiver: $status"
(run evchan-receive --raw "$name" >"$work/output" 2>"$work/receive.err") &
started+=($!)
(echo first | run evchan-send --wait "$name" 2>"$work/send.err") || die 'evchan-send failed'
status=0
(run evchan-receive "$name" >"$work/part" 2>"$work/second.err") || status=$?
[ "$status" = 1 ] && grep -q 'a live receiver' "$work/second.err" || die "a second receiver: $status"
(run evchan-stat "$name" >"$work/stat" 2>"$work/stat.err") || die 'evchan-stat failed'
grep -q 1 "$work/stat" || die 'evchan-stat says nothing'
kill -9 "${started[-1]}"
wait "${started[-1]}" 2>/dev/null || true

echo '- typed messages'
(run evchan-telemetry-receive --senders 1 --verbose "$name" >"$work/output" 2>"$work/receive.err") &
started+=($!)
sent=''
for ((tries = 0; tries < 100; tries++)); do
	(run evchan-telemetry-send --count 5 "$name" >"$work/said" 2>"$work/send.err") && sent=yes && break
	sleep 0.1
done
[ -n "$sent" ] || die 'evchan-telemetry-send failed'
wait "${started[-1]}" || die 'evchan-telemetry-receive failed'
grep -q 'request .* was answered' "$work/output" || die 'no typed messages'
