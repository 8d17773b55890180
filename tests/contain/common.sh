# What the tests of contained processes share; each begins by sourcing it.
if ! [ -x "${EVCHAN_BUILD_DIR:-.build/release}/examples/evchan-send" ]; then
	echo "${0##*/}: skipped: this build has no example programs"
	exit 77
fi
source "$(dirname "${BASH_SOURCE[0]}")/../programs/common.sh"

# A stream of lines of different lengths, told apart by sender.
lines=$(scaled 20000)

# lines_of NAME
lines_of() {
	seq -f "$1 %.0f" "$lines"
}

# expect_lines NAME...: what $work/output has to be made of: each of them, whole and in
# order.
expect_lines() {
	local name
	[ "$(wc -l <"$work/output")" = $(($# * lines)) ] ||
		fail "$(wc -l <"$work/output") lines instead of $# times $lines"
	for name; do
		lines_of "$name" >"$work/expected"
		grep "^$name " "$work/output" >"$work/got" || true
		expect_same "$work/got" "$work/expected" "the lines of $name"
	done
}

# in_namespaces COMMAND...: in PID, mount and IPC namespaces of its own, without /dev/shm.
in_namespaces() {
	unshare --pid --fork --kill-child --mount --ipc --mount-proc -- bash -c '
		while mountpoint -q /dev/shm; do
			umount -l /dev/shm || exit 99
		done
		exec "$@"' bash "$@"
}

needs_namespaces() {
	command -v unshare >/dev/null || skip 'unshare is missing'
	in_namespaces true 2>/dev/null || skip 'namespaces may not be made here'
}

needs_root() {
	[ "$(id -u)" = 0 ] || skip 'only root can become somebody else'
	command -v setpriv >/dev/null || skip 'setpriv is missing'
}
