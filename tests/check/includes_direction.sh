#!/usr/bin/env bash
#
# Which file may include which: the layers of the project as a table, so that they cannot rot.
#
#	loop/ -> core <- proto/    in the arrows' direction only, and only core's public headers
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
shopt -s nullglob

failed=0
libc='<(sys/|linux/|mach/)?[a-z0-9_]+\.h>'
libevent='<(event2/[a-z_]+|event|ev(dns|http|rpc|util))\.h>'
protobuf='<protobuf-c/protobuf-c\.h>'
evchan='<evchan/[a-z]+\.h>'
evchan_core='<evchan/(evchan|export|loop|observe|system|version)\.h>'

# Prints 'FILE:LINE:<header>' or 'FILE:LINE:"header"' for each include of FILE...
includes() {
	awk 'match($0, /^[ \t]*#[ \t]*include[ \t]*[<"][^>"]+[>"]/) {
		header = substr($0, RSTART, RLENGTH)
		sub(/^[^<"]*/, "", header)
		print FILENAME ":" FNR ":" header
	}' "$@" </dev/null
}

# complain REASON: with the places on standard input, if there are any.
complain() {
	local places
	places=$(cat)
	[ -n "$places" ] || return 0
	printf 'includes_direction: %s:\n%s\n' "$1" "$places"
	failed=1
}

# may_include ALLOWED FILE...: only headers that match ALLOWED, and those of the file's own folder.
may_include() {
	local allowed=$1 place file header
	shift
	while IFS= read -r place; do
		file=${place%%:*}
		header=${place#*:*:}
		if [[ $header == \"*\" ]]; then
			[ ! -e "${file%/*}/${header//\"/}" ] || [[ $header == */* ]] || continue
		elif [[ $header =~ ^($allowed)$ ]]; then
			continue
		fi
		echo "$place"
	done < <(includes "$@")
}

# must_not_include REFUSED FILE...
must_not_include() {
	local refused=$1
	shift
	includes "$@" | grep -E ":[0-9]+:($refused)\$" || true
}

# all_but PATTERN FILE...: the files whose names without folder do not match.
all_but() {
	local pattern=$1 file
	shift
	for file; do
		[[ ${file##*/} =~ ^($pattern)$ ]] || echo "$file"
	done
}

check_layers() {
	complain 'core may include its own headers, its public ones and libc' < <(
		may_include "$libc|$evchan_core" core/*.[ch]
		must_not_include "$libevent" core/*.[ch])
	complain 'loop may include public headers, libevent and libc' < <(
		may_include "$libc|$evchan|$libevent" loop/*.[ch])
	complain 'proto may include its own headers, public ones, protobuf-c and libc' < <(
		may_include "$libc|$evchan|$protobuf" proto/*.[ch]
		must_not_include "$libevent" proto/*.[ch])
	complain "core's public headers may include each other and libc" < <(
		may_include "$libc|$evchan_core" include/evchan/{evchan,export,loop,observe,system}.h
		must_not_include "$libevent" include/evchan/*.h)
}

# The memory that a peer can write is touched in few files only.
check_ring_format() {
	local few='cursor\.h|ring_(format|reader|writer)\.[ch]|shared_memory.*' names others
	mapfile -t others < <(all_but "$few" core/*.[ch])
	complain 'ring_format.h is for cursor.h, ring_writer, ring_reader and shared_memory only' < <(
		must_not_include '"ring_format\.h"' "${others[@]}")
	names=$(sed -nE 's/^(struct [a-z_]+) \{$/\1/p; s/^\} ([a-z_]+);$/\1/p' core/ring_format.h |
		paste -sd '|')
	[ -n "$names" ] || complain 'ring_format.h' <<<'no types found'
	complain 'types of ring_format.h, outside the files that may look into the ring' < <(
		grep -nE "\b($names)\b" "${others[@]}" || true)
}

check_ends() {
	complain 'the receiver must not know the sender' < <(
		must_not_include '"sender[a-z_]*\.h"' core/receiver*.[ch])
	complain 'the sender must not know the receiver' < <(
		must_not_include '"receiver[a-z_]*\.h"' core/sender*.[ch])
}

check_layers
check_ring_format
check_ends
exit "$failed"
