#!/usr/bin/env bash
#
# The example of docs/protobuf.md is real: its schema and its two programs are taken out of the document, compiled
# against the libraries of this build, and run.
set -euo pipefail

document=$EVCHAN_SOURCE_DIR/docs/protobuf.md
work=$(mktemp -d)
trap 'kill "${receiver:-}" 2>/dev/null || true; rm -rf "$work"' EXIT

skip() {
	echo "document_test: skipped: $*"
	exit 77
}

die() {
	echo "document_test: $*" >&2
	exit 1
}

# block NAME: what stands in the block that is opened by ```NAME.
block() {
	awk -v opening="\`\`\`$1" '$0 == opening { inside = 1; next } /^```/ { inside = 0 } inside' "$document"
}

# build NAME: makes the program of that block.
build() {
	local flags=() sanitize=()
	read -ra flags <<<"$(pkg-config --cflags --libs libprotobuf-c libevent_core)"
	[ -z "$EVCHAN_SANITIZE" ] || sanitize=("-fsanitize=$EVCHAN_SANITIZE")
	block "c $1" >"$work/$1.c"
	[ -s "$work/$1.c" ] || die "no program '$1' in $document"
	"$CC" -std=c11 -O1 -Wall -Wextra -Wno-unused-parameter -Werror "${sanitize[@]}" -o "$work/$1" \
		-I"$work" -I"$EVCHAN_SOURCE_DIR/include" -I"$EVCHAN_BUILD_DIR/include" \
		"$work/$1.c" "$work/camera.pb-c.c" "${libraries[@]}" "${flags[@]}" -lpthread
}

command -v protoc-c >/dev/null || skip 'no protoc-c'
libraries=("$EVCHAN_BUILD_DIR"/{proto/libevchan-protobuf-c,loop/libevchan-libevent,core/libevchan}.a)
for library in "${libraries[@]}"; do
	[ -e "$library" ] || skip "no $library in this build"
done

block proto >"$work/camera.proto"
protoc-c -I"$work" --c_out="$work" "$work/camera.proto"
build receiver
build sender
"$work/receiver" "$work/socket" >"$work/output" &
receiver=$!
"$work/sender" "$work/socket" || die "the sender fails with $?"
wait "$receiver" || die "the receiver fails with $?"
for number in {0..9}; do
	echo "frame $number: 307200 bytes, the first is $number"
done | diff - "$work/output" || die 'the frames are not those that were sent'
echo 'document_test: both programs do what the document says'
