# Does what a document tells its reader to do, and compares what comes of it. Sourced by the tests of README and tutorial, which
# call walk_document(). The blocks of a document say by their first line what they are:
#
#	```c FILE            (or another word that is not below) a file of the folder in which the terminals begin; "FILE +": its end
#	```console NAME      what is typed in a terminal, behind "$ ", and what comes. A terminal keeps its folder and variables.
#	                     "..." in an expected line is any text, alone on a line any lines; "^C" is that key.
#	                     Lines without a command before them are further output of what was typed earlier.
#	                     All has ended at the block's end, unless its first line ends with "running". What still runs at the
#	                     document's end is interrupted.
#	```c                 or ```cmake: a fragment, goes to $work/fragments.c or .cmake
#	```sh                commands that take longer than this may, and that .ci/run gives
#	```text              nothing to do: a picture, or what a program's documentation calls a synopsis
#
# There are no others, and no indented ones, so nothing in a document goes unnoticed. Nothing waits for a time to pass: a terminal's
# next line of output is waited for until it comes.
source "$(dirname "${BASH_SOURCE[0]}")/../programs/common.sh"

# Some commands compile.
patience=100

declare -A terminal_pid terminal_pipe terminal_commands terminal_line terminal_any

# The leader of a session of its own, so that all it has started ends with it.
close_terminals() {
	local name
	for name in "${!terminal_pid[@]}"; do
		kill -KILL -- "-${terminal_pid[$name]}" 2>/dev/null || true
		wait "${terminal_pid[$name]}" 2>/dev/null || true
	done
}
trap 'close_terminals; clean_up' EXIT

# A reader's home, with nothing but evchan in it.
install_for_reader() {
	export HOME=$work/home
	mkdir "$HOME"
	"$EVCHAN_CMAKE" --install "$build" --prefix "$HOME/.local" >"$work/install.log"
}

# What the README tells a reader to set after installing there.
environment_of_reader() {
	export PATH=$HOME/.local/bin:$PATH
	export LD_LIBRARY_PATH=$HOME/.local/lib
	export PKG_CONFIG_PATH=$HOME/.local/lib/pkgconfig
	export CMAKE_PREFIX_PATH=$HOME/.local
}

# The shell of a terminal. Its input is the pipe $1; the exit status of each command goes to $2.
terminal_shell='
	while IFS= read -r -u 3 typed; do
		eval "$typed" 3<&- 4>&- </dev/null
		echo "$?" >&4
	done 3<"$1" 4>"$2"
'

# terminal NAME: opens it if it is not open.
terminal() {
	local files=$work/terminal.$1 descriptor
	[ -z "${terminal_pid[$1]-}" ] || return 0
	mkfifo "$files.in"
	: >"$files.out"
	: >"$files.status"
	(cd "$folder" && exec setsid bash -c "$terminal_shell" terminal "$files.in" "$files.status" \
		>"$files.out" 2>&1 </dev/null) &
	terminal_pid[$1]=$!
	exec {descriptor}>"$files.in"
	terminal_pipe[$1]=$descriptor
	terminal_commands[$1]=0
	terminal_line[$1]=0
	terminal_any[$1]=''
}

# What a terminal has shown, but for the shell's remarks about processes that were killed.
shown() {
	sed -E '/: line [0-9]+: +[0-9]+ Killed /d' "$work/terminal.$1.out"
}

type_line() {
	printf '%s\n' "$2" >&"${terminal_pipe[$1]}"
	terminal_commands[$1]=$((terminal_commands[$1] + 1))
}

# The foreground process is the shell's child.
type_interrupt() {
	until_true pkill -INT -P "${terminal_pid[$1]}"
}

# is_like LINE EXPECTED
is_like() {
	case $2 in
	*...*) [[ $1 == "${2%%...*}"*"${2#*...}" ]] ;;
	*) [ "$1" = "$2" ] ;;
	esac
}

# line_comes NAME EXPECTED: whether the next line is there and as expected, or, after "...", one of the next. One that
# is there and is another ends the test.
line_comes() {
	local line number=0
	while IFS= read -r line; do
		number=$((number + 1))
		[ "$number" -gt "${terminal_line[$1]}" ] || continue
		if is_like "$line" "$2"; then
			terminal_line[$1]=$number
			terminal_any[$1]=''
			return 0
		fi
		[ -n "${terminal_any[$1]}" ] || fail "$place: '$line' instead of '$2'"
	done < <(shown "$1")
	return 1
}

expect_line() {
	if [ "$2" = ... ]; then
		terminal_any[$1]=yes
	else
		until_true line_comes "$1" "$2"
	fi
}

# console NAME LINE: one line of a console block.
console() {
	terminal "$1"
	case $2 in
	'$ '*) type_line "$1" "${2#\$ }" ;;
	'^C') type_interrupt "$1" ;;
	*) expect_line "$1" "$2" ;;
	esac
}

commands_ended() {
	[ "$(wc -l <"$work/terminal.$1.status")" = "${terminal_commands[$1]}" ]
}

# What comes after a block may rely on it.
end_block() {
	[ "$block" != console ] || [[ $argument == *' running' ]] ||
		until_true commands_ended "$argument"
	block=''
}

# All commands have ended, with status 0, and have said no more than was expected.
finish_terminal() {
	local rest
	commands_ended "$1" || type_interrupt "$1"
	until_true commands_ended "$1"
	if grep -vnx 0 "$work/terminal.$1.status"; then
		shown "$1"
		fail "commands of terminal $1 failed: see above, NUMBER:STATUS"
	fi
	type_line "$1" exit
	wait_for "${terminal_pid[$1]}"
	unset "terminal_pid[$1]"
	rest=$(shown "$1" | tail -n "+$((terminal_line[$1] + 1))")
	[ -z "$rest" ] || [ -n "${terminal_any[$1]}" ] || fail "terminal $1 showed more: $rest"
}

# begin_block WORD ARGUMENT: sets $block and $argument.
begin_block() {
	argument=$2
	case $1 in
	console) block=console ;;
	text | sh) block=$1 ;;
	c | cmake) [ -n "$2" ] && block=file || block=fragments.$1 ;;
	*)
		[ -n "$2" ] || fail "$place: a block that is nothing this test knows"
		block=file
		;;
	esac
	case $block:$argument in
	file:*' +') argument=${argument% +} ;;
	file:*) : >"$folder/$argument" ;;
	esac
	blocks=$((blocks + 1))
}

# given_by_ci LINE: but for the remark behind it.
given_by_ci() {
	local command=${1%%#*}
	command=${command#./}
	read -r command <<<"$command"
	grep -qE "^[^#]*$command" "$EVCHAN_SOURCE_DIR/.ci/run" || fail "$place: .ci/run does not run it"
}

block_line() {
	case $block in
	console) console "${argument% running}" "$1" ;;
	file) printf '%s\n' "$1" >>"$folder/$argument" ;;
	fragments.*) printf '%s\n' "$1" >>"$work/$block" ;;
	sh) given_by_ci "$1" ;;
	text) ;;
	esac
}

# A block that is made by indentation, and not within a list, would not be looked at.
outside_line() {
	[[ $2 != '    '* && $2 != $'\t'* ]] || [ -n "$1" ] || fail "$place: an indented block"
}

# walk_document FILE: in $folder. Sets $blocks.
walk_document() {
	local line before='x' number=0 block='' argument=''
	blocks=0
	while IFS= read -r line <&9; do
		number=$((number + 1))
		place="${1##*/}:$number"
		case $block:$line in
		:'```'*)
			line=${line#\`\`\`}
			begin_block "${line%% *}" "$([[ $line != *' '* ]] || echo "${line#* }")"
			;;
		*:'```') end_block ;;
		:*) outside_line "$before" "$line" ;;
		*) block_line "$line" ;;
		esac
		before=$line
	done 9<"$1"
	for argument in "${!terminal_pid[@]}"; do
		finish_terminal "$argument"
	done
	[ "$blocks" -gt 0 ] || fail "$1 has no blocks"
}

# ---- Of README alone -----------------------------------------------------------

# Short enough for a reader to take in at once.
check_length() {
	local lines
	lines=$(grep -c . "$work/fragments.c")
	[ "$lines" -gt 0 ] && [ "$lines" -lt 40 ] ||
		fail "the sample has $lines lines, it should have less than 40"
}

# The program that the fragments of README are parts of: without an argument it receives, otherwise it sends that text.
main_of_fragments() {
	cat <<-'END'
		int main(int argc, char **argv)
		{
			struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
			struct event_base *base = event_base_new();
			struct evchan_proto_sender *proto;
			struct evchan_proto_types *types;
			struct evchan_sender *sender;
			struct evchan_loop *loop;

			setvbuf(stdout, NULL, _IOLBF, 0);
			if (!base || evchan_libevent_loop_new(&loop, base) < 0 || evchan_proto_types_new(&types) < 0 ||
					evchan_proto_types_add(types, &log_record__descriptor, 0) < 0)
				return 2;
			if (argc == 1)
				receive(base, loop, types);
			options.label = "sample";
			options.flags = EVCHAN_SENDER_WAIT;
			if (evchan_sender_new(&sender, NULL, ADDRESS, &options, NULL, NULL) < 0 ||
					evchan_proto_sender_new(&proto, sender, types) < 0 ||
					send_record(proto, argv[1]) < 0 || evchan_drain_wait(sender, 10000) < 0)
				return 1;
			evchan_proto_sender_free(proto);
			evchan_sender_free(sender);
			return 0;
		}
	END
}

# The fragments, with the includes, the message type and the main() that a reader has to add; in $work/project.
compile_fragments() {
	local project=$work/project
	mkdir "$project"
	cat >"$project/log.proto" <<-'END'
		syntax = "proto3";
		message LogRecord {
		  string text = 1;
		}
	END
	protoc-c -I"$project" --c_out="$project" "$project/log.proto"
	{
		printf '#include <%s>\n' stdio.h stdlib.h event2/event.h evchan/libevent.h evchan/proto.h
		echo '#include "log.pb-c.h"'
		sed 's/"\/run\/app\/log"/ADDRESS/' "$work/fragments.c"
		main_of_fragments
	} >"$project/readme.c"
	{
		echo 'cmake_minimum_required(VERSION 3.25)'
		echo 'project(readme C)'
		echo 'add_executable(program readme.c log.pb-c.c)'
		echo "target_compile_definitions(program PRIVATE ADDRESS=\"$project/socket\")"
		echo 'target_compile_options(program PRIVATE -Wall -Wextra -Wno-unused-parameter -Werror)'
		cat "$work/fragments.cmake"
	} >"$project/CMakeLists.txt"
	{
		"$EVCHAN_CMAKE" -S "$project" -B "$project/build" &&
			"$EVCHAN_CMAKE" --build "$project/build"
	} >"$work/project.log" 2>&1 || {
		cat "$work/project.log"
		fail 'the fragments are no project'
	}
}

run_fragments() {
	local program=$work/project/build/program receiver
	"$program" >"$work/project/output" &
	receiver=$!
	"$program" 'through the ring' || fail 'the sample cannot send'
	"$program" 'and again' || fail 'the sample cannot send again'
	kill "$receiver"
	wait_for "$receiver"
	printf 'sample: %s\n' 'through the ring' 'and again' >"$work/project/expected"
	expect_same "$work/project/output" "$work/project/expected" 'what the sample has received'
}
