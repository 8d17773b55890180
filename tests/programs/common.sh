# What the tests of evchan-receive and evchan-send share; each begins by sourcing it.
#
# ctest sets EVCHAN_*, see tests/CMakeLists.txt. By hand the release build is taken, and
# EVCHAN_LONG=1 asks for the long form of those tests that have one: minutes instead of seconds.
#
# Nothing waits for a time to pass. A sender with --wait waits for its receiver by itself, and what it
# ends with status 0 was consumed. Where no event tells, until_true() looks again and again.
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${EVCHAN_BUILD_DIR:-$root/.build/release}
slowdown=${EVCHAN_TEST_SLOWDOWN:-1}
sanitizer=${EVCHAN_SANITIZE:-}
long=${EVCHAN_LONG:-}
receive=$build/examples/evchan-receive
send=$build/examples/evchan-send
if ! [ -x "$receive" ] || ! [ -x "$send" ]; then
	echo "${0##*/}: not built: $receive" >&2
	exit 1
fi
# The kinds of bell that can be had here.
bells='eventfd pipe'
if [ "${EVCHAN_EVENTFD:-ON}" = OFF ] || [ -n "${EVCHAN_WITHOUT_EVENTFD-}" ]; then
	bells=pipe
fi
work=$(mktemp -d)
address=$work/socket

# Ends what this script has started and is still there, whatever happened.
clean_up() {
	local left
	left=$(jobs -p)
	[ -z "$left" ] || kill -KILL $left 2>/dev/null || true
	wait 2>/dev/null
	rm -rf "$work"
}
trap clean_up EXIT

fail() {
	echo "${0##*/}: $*" >&2
	exit 1
}

skip() {
	echo "${0##*/}: skipped: $*"
	exit 77
}

# least NUMBER: so much in the short form, less where everything is slow.
scaled() {
	echo $(($1 / slowdown > 1 ? $1 / slowdown : 1))
}

# until_true COMMAND ARGUMENT...: for what no event tells. Fails after $patience seconds times the slowdown.
patience=20
until_true() {
	local end=$((SECONDS + patience * slowdown))
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || fail "in vain waited for: $*"
		sleep 0.01
	done
}

# status_of COMMAND ARGUMENT...: runs it, sets $status; what it prints is in $work/stdout and /stderr.
status_of() {
	status=0
	"$@" >"$work/stdout" 2>"$work/stderr" || status=$?
}

# wait_for PID: sets $status. (The shell has something to say on stderr about processes that were killed.)
wait_for() {
	status=0
	wait "$1" 2>/dev/null || status=$?
}

# expect_exit STATUS PID WHAT
expect_exit() {
	wait_for "$2"
	[ "$status" = "$1" ] || fail "$3: exit status $status instead of $1"
}

# expect_same FILE EXPECTED WHAT
expect_same() {
	cmp "$1" "$2" >&2 || fail "$3: not what was expected"
}

# expect_one_line FILE PATTERN: an error is one line.
expect_one_line() {
	[ "$(wc -l <"$1")" = 1 ] && grep -qE "$2" "$1" ||
		fail "not one line '$2', but: $(cat "$1")"
}

# value_of KEY FILE: of the line that --stats prints.
value_of() {
	sed -nE "s/^(.* )?$1=([0-9]+)( .*)?\$/\\2/p" "$2"
}

# start_receiver OPTION...: into $work/output and /receiver.err; sets $receiver. Returns when it listens.
start_receiver() {
	rm -f "$work/output"
	"$receive" "$@" "$address" >"$work/output" 2>"$work/receiver.err" &
	receiver=$!
	# A message would be printed; no message at all is consumed as soon as a receiver is there.
	"$send" --wait "$address" </dev/null || fail "no receiver: $(cat "$work/receiver.err")"
}

# stop_receiver: what it has got is in $work/output when this returns.
stop_receiver() {
	kill -TERM "$receiver" || fail "the receiver is gone: $(cat "$work/receiver.err")"
	expect_exit 0 "$receiver" "evchan-receive: $(cat "$work/receiver.err")"
}

# needs_strace: skips the test where system calls cannot be counted.
needs_strace() {
	command -v strace >/dev/null || skip 'strace is missing'
	strace -c -o /dev/null true 2>/dev/null || skip 'strace may not trace here'
	# LeakSanitizer does not work in a traced process.
	export ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0
}
