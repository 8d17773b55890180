#!/usr/bin/env bash
#
# under_valgrind.sh PROGRAM ARGUMENT...
#
# Runs one test program under valgrind and fails, with what valgrind said, on
#  - a memory error or a leak in it or in any child it forked, also where nobody looks at the
#    child's exit status;
#  - a descriptor that the program itself leaves open. (Valgrind only reports these. A forked child
#    that ends by _exit has its parent's descriptors open, rightly.)
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# Exec keeps the process id, which names the log of the program itself.
bash -c 'echo $$ >"$0/main"; exec "$@"' "$logs" \
	valgrind --leak-check=full --errors-for-leak-kinds=definite,possible \
	--track-fds=yes --child-silent-after-fork=no --error-exitcode=99 \
	--suppressions="$here/valgrind.supp" --log-file="$logs/%p.log" "$@"
status=$?

# A descriptor's description is followed by where it came from, on the next line.
left_open=$(awk '
	open != "" && !/<inherited from parent>/ { print open }
	{ open = "" }
	/ Open / { open = $0 }
' "$logs/$(cat "$logs/main").log")
errors=$(grep -h 'ERROR SUMMARY: [1-9]' "$logs"/*.log)

if [ "$status" = 77 ] && [ -z "$errors" ]; then
	exit 77
fi
if [ "$status" != 0 ] || [ -n "$errors" ] || [ -n "$left_open" ]; then
	cat "$logs"/*.log
	echo "under_valgrind: exit status $status"
	[ -z "$errors" ] || printf 'under_valgrind: memory errors or leaks:\n%s\n' "$errors"
	[ -z "$left_open" ] || printf 'under_valgrind: left open:\n%s\n' "$left_open"
	[ "$status" != 0 ] || status=99
fi
exit "$status"
