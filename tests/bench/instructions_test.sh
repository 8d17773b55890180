#!/usr/bin/env bash
#
# Sending and receiving a message take no more instructions than they did: a guard against slow growth that does
# not depend on how busy the machine is.
#
#	instructions_test.sh PROGRAM [--update]
#
# Compares what callgrind counts with instructions.txt. --update writes that file anew, after a change that is worth its
# instructions. The figures are those of one compiler, so others skip.
set -euo pipefail

program=$1
baseline=$(dirname "${BASH_SOURCE[0]}")/instructions.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "instructions: $*" >&2
	exit 1
}

skip() {
	echo "skipped: $*"
	exit 77
}

# Prints "NAME INSTRUCTIONS-PER-MESSAGE" for each dump.
count() {
	valgrind --tool=callgrind --collect-atstart=no --callgrind-out-file="$work/out" \
		"$program" >"$work/log" 2>&1 || fail "callgrind: $(cat "$work/log")"
	awk '
		/^desc: Trigger: Client Request: / { name = $5; times = $6 }
		/^totals: / && name != "" { printf "%s %.1f\n", name, $2 / times; name = "" }
	' "$work"/out*
}

# compare NAME MOST: fails if it took more.
compare() {
	local name=$1 most=$2 now
	now=$(awk -v name="$name" '$1 == name { print $2 }' "$work/now")
	[ -n "$now" ] || fail "$name was not counted"
	awk -v name="$name" -v now="$now" -v most="$most" 'BEGIN {
		printf "%-14s %8.1f instructions per message, at most %.1f\n", name, now, most
		exit now > most
	}' || failed=1
}

command -v valgrind >/dev/null || skip 'no valgrind'
[ -n "${2-}" ] || [ "${EVCHAN_COUNTS_INSTRUCTIONS-}" = yes ] ||
	skip 'the figures are those of gcc 12, -O2, on x86-64'
count >"$work/now"
if [ "${2-}" = --update ]; then
	{
		echo '# Instructions per message of 64 bytes, and how many more are tolerated, in per cent.'
		echo '# gcc 12, -O2, x86-64. Written by instructions_test.sh --update.'
		awk '{ print $1, $2, $1 ~ /lone/ ? 20 : 10 }' "$work/now"
	} >"$baseline"
	cat "$baseline"
	exit
fi
failed=''
while read -r name instructions tolerance; do
	[ "${name:0:1}" != '#' ] || continue
	compare "$name" "$(awk -v i="$instructions" -v t="$tolerance" \
		'BEGIN { print i * (1 + t / 100) }')"
done <"$baseline"
[ -z "$failed" ] || fail 'more instructions than before'
