# What the scripts of this folder know of the targets; each sources it. choose_target TARGET sets
#	compiler archiver emulator emulator_program placement flags link_flags system processor static suffix cmake_options
# An emulator is a command with its arguments, and so is the placement, which whoever shares memory with it needs too. The target windows needs with_wine before anything is run.

targets='musl musl-static arm64 armhf s390x windows'
compiled_targets='macos'
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Dependencies outside the tree: of what version and for what target is in the name.
cache=${EVCHAN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/evchan}

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

choose_target() {
	emulator=''
	emulator_program=''
	placement=''
	archiver=ar
	link_flags=''
	static=''
	flags=''
	system=Linux
	suffix=''
	cmake_options=()
	case $1 in
	musl | musl-static)
		compiler=musl-gcc
		processor=x86_64
		# musl-gcc does not look for the kernel's headers.
		flags='-idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu'
		if [ "$1" = musl-static ]; then
			static=yes
			link_flags=-static
		fi
		;;
	arm64)
		cross aarch64 aarch64-linux-gnu
		# The emulator has no barrier between stlr and ldar: docs/platforms.md. On one CPU none is needed.
		placement="taskset -c $(first_cpu)"
		emulator="$placement $emulator"
		;;
	armhf) cross arm arm-linux-gnueabihf ;;
	s390x) cross s390x s390x-linux-gnu ;;
	macos-arm64) macos arm64 ;;
	macos-x86_64) macos x86_64 ;;
	windows)
		system=Windows
		processor=x86_64
		compiler=x86_64-w64-mingw32-gcc-posix
		archiver=x86_64-w64-mingw32-ar
		emulator=wine
		emulator_program=wine
		suffix=.exe
		static=yes
		link_flags=-static
		;;
	*) die "no such target: $1 (there are: $targets $compiled_targets)" ;;
	esac
}

# cross PROCESSOR TRIPLET
cross() {
	processor=$1
	compiler=$2-gcc
	emulator_program=qemu-$1
	emulator="$emulator_program -L /usr/$2"
}

# One that we may run on.
first_cpu() {
	taskset -cp $$ | sed 's/.*: //; s/[-,].*//'
}

# macos PROCESSOR: the compiler that tests/platforms/macos has made. Nothing that is linked can run here, so nothing changes it.
macos() {
	system=Darwin
	processor=$1
	compiler=$cache/zig/$1-cc
	archiver=$cache/zig/ar
	cmake_options=(-DCMAKE_AR="$archiver" -DCMAKE_RANLIB="$cache/zig/ranlib" -DCMAKE_OSX_SYSROOT= -DCMAKE_OSX_ARCHITECTURES=
		-DCMAKE_INSTALL_NAME_TOOL="$(command -v true)")
}

# What wine needs to run programs without a screen and without a word about itself: a prefix of its own in FOLDER.
with_wine() {
	export WINEPREFIX=$1/wine WINEDEBUG=-all WINEDLLOVERRIDES='winedbg.exe=d;mscoree=d;mshtml=d'
	unset DISPLAY WAYLAND_DISPLAY
}

# Ends what wine has left running for that prefix.
end_wine() {
	local server
	server=$(PATH=$PATH:/usr/lib/wine command -v wineserver) && [ -d "$1/wine" ] || return 0
	WINEPREFIX=$1/wine "$server" -k 2>/dev/null || true
}

# Whether what is compiled runs; if not, says why.
target_works() {
	local work=$1
	if ! command -v "$compiler" >/dev/null; then
		echo "no $compiler"
	elif [ -n "$emulator_program" ] && ! command -v "$emulator_program" >/dev/null; then
		echo "no $emulator_program"
	else
		echo 'int main(void) { return 0; }' >"$work/empty.c"
		# shellcheck disable=SC2086
		if ! "$compiler" $flags $link_flags -o "$work/empty$suffix" "$work/empty.c" 2>"$work/errors"; then
			echo "$compiler does not work: $(head -1 "$work/errors")"
		elif ! $emulator "$work/empty$suffix" >/dev/null 2>&1; then
			echo 'what is compiled does not run here'
		else
			return 0
		fi
	fi
	return 1
}
