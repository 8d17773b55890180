#!/usr/bin/env bash
#
# The programs of docs/migration.md are real: its ```c NAME blocks, those of one name joined, are compiled against the libraries of
# this build and run. The programs before and after the migration say the same.
set -euo pipefail

document=$EVCHAN_SOURCE_DIR/docs/migration.md
work=$(mktemp -d)
receiver=''
trap 'kill $receiver 2>/dev/null || true; rm -rf "$work"' EXIT
messages=20000

die() {
	echo "migration_test: $*" >&2
	exit 1
}

# build NAME
build() {
	local flags=() sanitize=()
	read -ra flags <<<"$(pkg-config --cflags --libs libevent_core libevent_extra)"
	[ -z "$EVCHAN_SANITIZE" ] || sanitize=("-fsanitize=$EVCHAN_SANITIZE")
	awk -v opening="\`\`\`c $1" '$0 == opening { inside = 1; next } /^```/ { inside = 0 } inside' \
		"$document" >"$work/$1.c"
	[ -s "$work/$1.c" ] || die "no program '$1' in $document"
	"$CC" -std=gnu11 -O1 -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Werror \
		"${sanitize[@]}" -o "$work/$1" -I"$EVCHAN_SOURCE_DIR/include" \
		-I"$EVCHAN_BUILD_DIR/include" "$work/$1.c" \
		"$EVCHAN_BUILD_DIR"/{loop/libevchan-libevent,core/libevchan}.a "${flags[@]}" -lpthread
}

# run before|after: what the receiver prints goes to $work/NAME.
run() {
	build "$1_receiver"
	build "$1_sender"
	"$work/$1_receiver" "$work/$1.socket" >"$work/$1" &
	receiver=$!
	until [ -S "$work/$1.socket" ]; do
		kill -0 "$receiver" || die "$1_receiver does not listen"
		sleep 0.01
	done
	"$work/$1_sender" "$work/$1.socket" "$messages" || die "$1_sender fails with $?"
	wait "$receiver" || die "$1_receiver fails with $?"
	receiver=''
}

seq -f 'message %.0f' "$messages" >"$work/expected"
for name in before after; do
	run "$name"
	cmp "$work/$name" "$work/expected" || die "$name: the messages are not those that were sent"
done
build ipmpsc
"$work/ipmpsc" >"$work/output" || die "the calls of ipmpsc: $?"
printf 'received "%s"\n' send send_timeout send_when_empty | diff - "$work/output" ||
	die 'the calls of ipmpsc: other messages'
# Each call of ipmpsc's that is promised has its row.
for call in create create_temp open send send_timeout send_when_empty try_recv recv recv_timeout zero_copy_context; do
	grep -qE "^\| .*(::|\`)$call\(.*\|.*\|" "$document" || die "nothing is said about $call()"
done
echo "migration_test: the programs before and after, and the calls of ipmpsc, do what the document says"
