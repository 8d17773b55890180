#!/usr/bin/env bash
#
# No file of the project has a note to finish something later, or a path of the machine it was
# written on. The patterns are written so that they do not match themselves.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Files that git knows or would take; without git, all but what a build leaves.
files() {
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files -z --cached --others --exclude-standard
	else
		find . \( -name .git -o -name .build \) -prune -o -type f -print0
	fi
}

# must_not_match REASON PATTERN
must_not_match() {
	local hits
	hits=$(files | xargs -0 grep -nIE -e "$2" -- 2>/dev/null || true)
	[ -n "$hits" ] || return 0
	printf 'no_placeholders: %s:\n%s\n' "$1" "$hits"
	failed=1
}

failed=0
[ "$(files | tr -dc '\0' | wc -c)" -gt 0 ] || failed=1
must_not_match 'notes to finish later' '\b(XX[X]|TOD[O]|FIXM[E]|HAC[K])\b'
must_not_match 'machine paths' '(^|[^A-Za-z0-9_.])/(wor[k]|far[m])/|/tmp/bash_job[s]'
exit "$failed"
