#!/usr/bin/env bash
#
# The command line of evchan-nats: what is wrong is said in one line, with status 2, before anything is begun; NATS'
# environment variables count.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# refuses PATTERN ARGUMENT...
refuses() {
	local pattern=$1
	shift
	status_of "$nats" "$@"
	[ "$status" = 2 ] || fail "status $status: $*"
	expect_one_line "$work/stderr" "$pattern"
}

refuses 'no address'
refuses 'the address is empty' ''
refuses 'more than one address' a b
refuses 'subject: .*wildcard' --subject 'a.*' a
refuses 'subject: .*in braces' --subject 'a.{host}' a
refuses 'subject: .*server' --subject '$JS.x' a
refuses 'of which --stream' --consumer c a
refuses 'which --stream' --create a
refuses 'stream: .* not a name' --stream 'a.b' a
refuses 'tlscert and --tlskey' --tlscert x a
refuses 'max-in-flight: .* between' --max-in-flight 0 a
refuses 'max-in-flight-bytes: .*1G' --max-in-flight-bytes 2G a
refuses 'ack-wait: .* number' --ack-wait 1s a
refuses 'server: it is empty' --server , a
refuses 'allow-uid: .* number' --allow-uid me a
status_of "$nats" --help
[ "$status" = 0 ] && [ ! -s "$work/stderr" ] || fail '--help'
for option in subject server user password creds tlscert tlskey tlsca consumer create; do
	grep -qe "--$option" "$work/stdout" || fail "--help does not know --$option"
done
status_of "$nats" --version
grep -q '^evchan-nats [0-9]' "$work/stdout" || fail '--version'

status_of "$nats" "$work/no/folder"
[ "$status" = 1 ] || fail "an address that cannot be: status $status"
expect_one_line "$work/stderr" 'nothing has this address'

# Nobody listens on port 1, and the password in the URL is nobody's business.
NATS_URL=nats://me:secret@127.0.0.1:1 "$nats" "$address" 2>"$work/stderr" &
bridge=$!
until_true grep -q 'trying again' "$work/stderr"
kill -TERM "$bridge"
expect_exit 0 "$bridge" 'without a server, with nothing to do'
grep -q '127.0.0.1:1' "$work/stderr" || fail "NATS_URL does not count: $(cat "$work/stderr")"
! grep -q secret "$work/stderr" || fail 'it tells the password'
