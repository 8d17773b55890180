#!/usr/bin/env bash
#
# The specification suffices for another implementation: a sender in Python, made from docs/ring-format.md and docs/control-protocol.md
# alone, sends 10,000 messages through a ring of one page, full again and again, to a receiver that checks each; by each kind of bell;
# with a receiver that ends in order in between, after which nothing is missing and nothing comes twice; and with one that is killed,
# after which nothing is missing.
source "$(dirname "${BASH_SOURCE[0]}")/../programs/common.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
command -v python3 >/dev/null || skip 'no python3'
[[ $(uname -m) =~ ^(x86_64|i[3-6]86)$ ]] || skip 'Python has no orders of access, and only on x86 does it need none but a full fence'
python3 -c 'import os, sys; os.memfd_create; sys.exit(sys.version_info < (3, 9))' || skip 'a Python without memfd_create'
[ "${EVCHAN_MEMFD:-ON}" = ON ] || skip 'rings of this build are no memfds'
receiver=$build/tests/interop_checking_receiver
messages=10000

# start_sender [BELL]
start_sender() {
	timeout $((30 * slowdown)) python3 "$here/python_sender.py" "$address" "$messages" 4096 "${1-0}" >"$work/sent" &
	sender=$!
}

expect_sent() {
	expect_exit 0 "$sender" 'python_sender.py'
	grep -qE "^sent=$messages full=[1-9][0-9]* rings=[0-9]+ connections=$1\$" "$work/sent" ||
		fail "the sender has seen something else: $(cat "$work/sent")"
}

whole() {
	start_sender "$1"
	"$receiver" "$address" 0 "$messages" >"$work/got" || fail "bell $1"
	expect_sent 1
}

for bell in 0 1 2 3; do
	whole "$bell"
done

start_sender
"$receiver" "$address" 0 3000 >"$work/got" || fail 'before the restart'
"$receiver" "$address" 3000 "$messages" >"$work/got" || fail 'after the restart'
expect_sent 2

start_sender
status_of "$receiver" "$address" 0 3000 killed
[ "$status" = 137 ] || fail "the receiver that kills itself: $status"
"$receiver" "$address" any "$messages" >"$work/got" || fail 'after the kill'
expect_sent 2
read -r first _ <"$work/got"
[ "$first" -le 2999 ] || fail "messages up to $((first - 1)) were lost with the receiver"
echo "python_sender_test: after the kill $(cat "$work/got")"
