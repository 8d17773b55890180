#!/usr/bin/env bash
#
# The API reference can be built: every public symbol is documented, and Doxygen has no warning.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
command -v doxygen >/dev/null || {
	echo 'reference: doxygen is missing (.ci/packages.sh ci)' >&2
	exit 1
}
docs/reference/build "$scratch" >"$scratch/log" 2>&1 || {
	cat "$scratch/log"
	exit 1
}
[ -s "$scratch/html/index.html" ]
# Of each header something has been read.
for header in include/evchan/*.h; do
	symbol=$(sed -nE 's/^EVCHAN_API.*\b(evchan_[a-z_]+)\(.*/\1/p' "$header" | sed 1q)
	[ -z "$symbol" ] || grep -rqF "$symbol" "$scratch/html" || {
		echo "reference: nothing of $header is in it"
		exit 1
	}
done
