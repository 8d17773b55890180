#!/usr/bin/env bash
#
# TLS and users: a bridge with the authority's certificate, a certificate of its own and a user gets through; one that trusts
# another authority, or has another password, does not, nor does one for which the server's certificate has another
# name.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
find_server
command -v openssl >/dev/null || skip 'openssl is missing'

# make_authority NAME
make_authority() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
		-keyout "$work/$1.key" -out "$work/$1.crt" 2>/dev/null
}

# make_certificate NAME ALTERNATIVE
make_certificate() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
		-keyout "$work/$1.key" -out "$work/$1.csr" 2>/dev/null
	echo "subjectAltName=$2" >"$work/$1.ext"
	openssl x509 -req -in "$work/$1.csr" -CA "$work/authority.crt" -CAkey "$work/authority.key" \
		-CAcreateserial -days 2 -extfile "$work/$1.ext" -out "$work/$1.crt" 2>/dev/null
}

make_authority authority
make_authority stranger
make_certificate server IP:127.0.0.1
make_certificate other DNS:elsewhere.example
make_certificate client DNS:client

# secure_server CERTIFICATE
secure_server() {
	start_server --tls --tlscert "$work/$1.crt" --tlskey "$work/$1.key" --tlsverify \
		--tlscacert "$work/authority.crt" --user me --pass secret
}

# is_refused PATTERN OPTION...
is_refused() {
	local pattern=$1
	shift
	: >"$work/bridge.err"
	start_bridge "$@" "$work/refused"
	until_true grep -q 'trying again' "$work/bridge.err"
	grep -qiE "$pattern" "$work/bridge.err" || fail "not refused for '$pattern': $(cat "$work/bridge.err")"
	stop_bridge
}

identity=(--tlscert "$work/client.crt" --tlskey "$work/client.key" --user me)
export NATS_PASSWORD=secret
secure_server server
echo hello >"$work/line"
start_bridge "${identity[@]}" --tlsca "$work/authority.crt" --stream TLS --create --subject 'tls.{label}' \
	--stats "$address"
"$send" --wait "$address" "$work/line"
stop_bridge
[ "$(value_of acked "$work/bridge.err")" = 1 ] || fail "$(cat "$work/bridge.err")"

is_refused 'certificate|verify' "${identity[@]}" --tlsca "$work/stranger.crt"
NATS_PASSWORD=wrong is_refused 'authoriz' "${identity[@]}" --tlsca "$work/authority.crt"
# With TLS 1.3 a client learns only later that its certificate was missed.
is_refused 'certificate|SSL|Protocol Error|closed' --user me --tlsca "$work/authority.crt"
kill_server
secure_server other
is_refused 'mismatch|name|verify' "${identity[@]}" --tlsca "$work/authority.crt"
