#!/usr/bin/env bash
#
# docs/operations.md has every refusal's text, every log line and every reason for which a lane is cut off, so that who searches for
# what a log says finds it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

document=docs/operations.md

# First strings of the calls that say something; what is filled in cuts them.
said() {
	# Strings that are written in pieces are one.
	cat core/*.c | tr '\n' ' ' | sed -E 's/"[ \t]+"//g' |
		grep -oE '(lane_break|receiver_report|log_line|sender_note_refused)\([^;]*;' |
		grep -oE '"([^"\\]|\\.)*"' | tr -d '"'
	sed -n '/control_refusal_text\|refusals\[\]/,/^}/p' core/control_message.c |
		grep -oE '"([^"\\]|\\.)*"' | tr -d '"'
}

# Formats as the document writes them.
as_written() {
	sed -E 's/pid %ld/pid PID/g; s/uid %lu/uid UID/g; s/^%s: //; s/: %s.*//; s/%s.*//; s/: a silent connection stays$//'
}

failed=0 count=0
while IFS= read -r text; do
	[ ${#text} -gt 3 ] || continue
	count=$((count + 1))
	grep -qF -- "$text" "$document" || {
		echo "operations_document: not in $document: $text"
		failed=1
	}
done < <(said | as_written | sort -u)
[ "$count" -ge 30 ] || {
	echo "operations_document: only $count texts found in core/"
	failed=1
}
exit "$failed"
