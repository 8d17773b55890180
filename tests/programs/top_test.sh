#!/usr/bin/env bash
#
# evchan-top in a real terminal (tmux), under load: the table is drawn, and drawn anew; keys sort it and end it; a size that
# changes, more lanes than lines and a receiver that goes away and comes back are no trouble; the terminal is given
# back as it was.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

top=$build/examples/evchan-top
[ -x "$top" ] || fail "not built: $top"
command -v tmux >/dev/null || skip 'tmux is missing'
export TERM=xterm TMUX_TMPDIR=$work
unset TMUX
lanes=12

mux() {
	tmux -L top -f /dev/null "$@"
}

close_terminal() {
	mux kill-server 2>/dev/null || true
	clean_up
}
trap close_terminal EXIT

screen() {
	mux capture-pane -p -t top
}

shows() {
	screen | grep -qE -- "$1"
}

shows_not() {
	! shows "$1"
}

# sees PATTERN: waits until the screen has it.
sees() {
	until_true shows "$1"
}

# In a shell, so that it is seen what is left behind.
open_terminal() {
	mux new-session -d -s top -x 100 -y 30 "PS1='ready> ' bash --norc --noprofile -i"
	sees '^ready>'
	mux send-keys -t top "$top --interval 0.1 $address; echo status=\$?" Enter
}

start_load() {
	local i
	seq 1 20000 >"$work/lines"
	for ((i = 0; i < lanes; i++)); do
		"$send" --wait --label "lane-$i" --repeat 1000000 "$address" "$work/lines" 2>/dev/null &
		senders+=($!)
	done
}

senders=()
start_receiver --quiet
start_load
open_terminal
sees "receiver pid $receiver uid $(id -u)"
sees "[1-9][0-9.KM]* msg/s .* $lanes lanes"
for ((i = 0; i < lanes; i++)); do
	sees "^ +[0-9]+ +[0-9]+ +$(id -u) .* lane-$i *\$"
done
sees 'sorted by messages'
# Something is going on, and it is seen: two screens differ.
first=$(screen)
different() {
	[ "$(screen)" != "$first" ]
}
until_true different

mux send-keys -t top s
sees 'sorted by bytes'
mux send-keys -t top S S r
sees 'sorted by lane, reversed'
sees '^ +[0-9]+ .* lane-[0-9]+ *$'

# Fewer lines than lanes, and shorter ones; the last line stays free.
mux resize-window -t top -x 60 -y 10
sees '\([0-9]+ more lanes\)'
sees 'MSG/S'
mux resize-window -t top -x 120 -y 30
sees 'LABEL'
until_true shows_not 'more lanes'

# Its receiver goes away and comes back.
kill -KILL "$receiver"
wait_for "$receiver"
sees 'gone|no receiver'
first_receiver=$receiver
"$receive" --quiet "$address" >/dev/null 2>&1 &
receiver=$!
sees "receiver pid $receiver "
[ "$receiver" != "$first_receiver" ] || fail 'the same process'
until_true shows_not 'gone|no receiver'
sees "$lanes lanes"

mux send-keys -t top q
sees 'status=0'
sees '^ready>'
shows_not 'MSG/S' || fail 'the table is left behind'
kill -KILL "${senders[@]}"
for sender in "${senders[@]}"; do
	wait_for "$sender"
done
