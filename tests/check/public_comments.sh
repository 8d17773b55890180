#!/usr/bin/env bash
#
# The comment above each public function that returns int lists its errors, after "Errors:". A comment
# holds for all declarations that follow it up to the next empty line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

awk '
	FNR == 1 || /^$/ { has_errors = 0 }
	/^[ \t]*\/\*/ { in_comment = 1; has_errors = 0 }
	in_comment && /Errors:/ { has_errors = 1 }
	/\*\// { in_comment = 0; next }
	in_comment { next }
	/^EVCHAN_API[ \t]+int[ \t]/ {
		seen++
		if (!has_errors) {
			print "public_comments: no \"Errors:\" above " FILENAME ":" FNR ": " $0
			failed = 1
		}
	}
	END {
		if (!seen)
			print "public_comments: found no function at all"
		exit failed || !seen
	}
' include/evchan/*.h
