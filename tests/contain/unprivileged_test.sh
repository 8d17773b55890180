#!/usr/bin/env bash
#
# Users without privileges: both ends run as nobody, with no capability and no way to get
# one. What they need is a folder of their own.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
needs_root

user=65534
as_nobody=(setpriv --reuid "$user" --regid "$user" --clear-groups
	--bounding-set=-all --inh-caps=-all --no-new-privs --)
"${as_nobody[@]}" "$send" --version >/dev/null 2>&1 ||
	skip 'nobody may not execute the programs of this build'
chown "$user:$user" "$work"

start_as_nobody() {
	"${as_nobody[@]}" "$receive" --raw "$address" >>"$work/output" 2>"$work/receiver.err" &
	receiver=$!
}

send_as_nobody() {
	lines_of "$1" | "${as_nobody[@]}" "$send" --wait "$address" ||
		fail "no receiver: $(cat "$work/receiver.err")"
}

start_as_nobody
send_as_nobody first

# Killed, it leaves a path that the next one takes over, without privileges as well.
kill -KILL "$receiver"
expect_exit 137 "$receiver" 'a killed receiver'
start_as_nobody
send_as_nobody second
stop_receiver
expect_lines first second
[ -z "$(find "$work" -name 'socket*')" ] || fail 'something was left behind'
