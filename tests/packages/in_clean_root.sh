#!/usr/bin/env bash
#
# Run by tests/packages/run, as root of a clean Debian. The programs work with nothing but what apt installs for them; with all packages
# installed, a new user gets through README and tutorial; when they are removed, nothing of them is left. Nobody sets a path: where
# the libraries are, the loader knows by the package's trigger alone.
set -euo pipefail
cd /

fail() {
	echo "in_clean_root: $*" >&2
	exit 1
}

say() {
	printf '        %s\n' "$*"
}

# quietly COMMAND...
quietly() {
	"$@" >/tmp/log 2>&1 </dev/null || {
		cat /tmp/log
		fail "failed: $*"
	}
}

# What is on the disk: but for dpkg's and apt's own books, which are asked themselves, logs, caches and homes. The loader's
# cache is made anew and has no fixed content.
inventory() {
	find / -xdev \( -path /proc -o -path /dev -o -path /run -o -path /tmp -o -path /source -o -path /packages -o -path /home \
		-o -path /var/log -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt \) -prune -o \
		-printf '%p %y %m %u %l\n' | sort
	find /etc -xdev -type f ! -name 'ld.so.cache' -exec sha256sum {} + | sort
}

install_packages() {
	quietly apt-get -q -y --no-install-recommends install "$@"
}

# as_reader COMMAND...: with nothing in its environment that a login would not set.
as_reader() {
	(cd /home/reader && setsid runuser -u reader -- env -i HOME=/home/reader USER=reader PATH=/usr/local/bin:/usr/bin:/bin \
		LC_ALL=C.UTF-8 TERM=dumb "$@")
}

check_programs_alone() {
	install_packages /packages/libevchan0_*.deb /packages/libevchan-libevent0_*.deb \
		/packages/libevchan-protobuf-c0_*.deb /packages/evchan-tools_*.deb
	[ ! -e /usr/include/evchan ] || fail 'headers have come with the programs'
	printf 'one\ntwo\n' >/home/reader/lines
	as_reader bash -euc '
		evchan-receive --count 2 socket >received &
		evchan-send --wait socket <lines
		wait $!
		printf "received \"%s\"\n" one two | cmp - received
		rm received' || fail 'the programs do not work'
	say 'the programs work, with what apt installs for them'
	quietly apt-get -q -y purge '*evchan*'
	quietly apt-get -q -y autoremove --purge
}

check_package_files() {
	local name
	for name in evchan evchan-libevent evchan-protobuf-c; do
		pkg-config --exists --print-errors "$name" || fail "pkg-config $name"
	done
	[ "$(pkg-config --cflags --libs evchan | tr -d ' ')" = -levchan ] ||
		fail "the compiler is sent to: $(pkg-config --cflags --libs evchan)"
	ldconfig -p | grep -q 'libevchan-protobuf-c\.so\.0 ' || fail 'the loader does not know the libraries'
	for name in evchan-receive evchan-send evchan-top evchan-stat evchan-nats; do
		"$name" --version >/dev/null || fail "$name --version"
	done
	quietly dpkg --verify
	dpkg --audit | grep . && fail 'dpkg --audit' || true
}

inventory >/tmp/before
check_programs_alone
install_packages /packages/*.deb
say "installed: $(dpkg-query -W -f '${Package} ' '*evchan*')"
check_package_files
as_reader bash /source/tests/packages/reader.sh || fail 'README and tutorial'
quietly apt-get -q -y purge '*evchan*'
quietly apt-get -q -y autoremove --purge
! dpkg-query -W '*evchan*' 2>/dev/null | grep . || fail 'dpkg still knows the packages above'
! find / -xdev -path /proc -prune -o -path /source -prune -o -path /packages -prune -o -path /home -prune -o \
	-path /tmp -prune -o -name '*evchan*' -print | grep . || fail 'the files above are left'
inventory >/tmp/after
diff /tmp/before /tmp/after || fail 'removing the packages has left the root different'
say 'removed: nothing is left'
