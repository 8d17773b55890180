#!/usr/bin/env bash
#
# Memory ordering between processes lives in core/cursor.h, and the few words that only threads of
# one process share in four more. The points that the argument speaks of carry the same
# labels in the code, in the document and in the model.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
shopt -s nullglob

failed=0
allowed='core/(cursor\.h|descriptor\.c|disposal\.c|log\.c)|proto/types\.[ch]'
labels='[D1] [D2] [D3] [D4] [S1] [S2] [S3] [S4]'

check_places() {
	local hits
	hits=$(grep -nE '\b(atomic_|memory_order|__atomic_|__sync_)' \
		core/*.[ch] loop/*.[ch] proto/*.[ch] include/evchan/*.h examples/*.[ch] |
		grep -vE "^($allowed):|__atomic_always_lock_free" || true)
	[ -n "$hits" ] || return 0
	printf 'ordering_labels: atomics outside the files that may have them:\n%s\n' "$hits"
	failed=1
}

# check_labels PLACE: exactly the labels above occur in this file or folder.
check_labels() {
	local found
	found=$(grep -rhoE '\[[DS][0-9]+\]' "$1" 2>/dev/null | sort -u | paste -sd ' ' || true)
	[ "$found" != "$labels" ] || return 0
	printf 'ordering_labels: %s has the labels "%s" instead of "%s"\n' "$1" "$found" "$labels"
	failed=1
}

check_places
for place in core/cursor.h docs/memory-order.md tests/model; do
	check_labels "$place"
done
exit "$failed"
