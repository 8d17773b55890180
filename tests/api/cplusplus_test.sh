#!/usr/bin/env bash
#
# A C++17 program uses all headers, with every warning an error, and links against the shared libraries: their names are not
# mangled, and the _INIT macros initialise. With g++, and with clang++ where it is installed.
source "$(dirname "${BASH_SOURCE[0]}")/../programs/common.sh"

[ -z "$sanitizer" ] || skip 'readers build without sanitizers'

"$EVCHAN_CMAKE" --install "$build" --prefix "$work/prefix" >"$work/install.log"
export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig LD_LIBRARY_PATH=$work/prefix/lib
{
	printf '#include <%s>\n' string
	(cd "$work/prefix/include" && printf '#include <%s>\n' evchan/*.h)
	cat <<-'END'
		static std::string received;

		static void on_message(evchan_receiver *, const evchan_message *message, void *)
		{
			received.assign(static_cast<const char *>(message->data), message->size);
		}

		int main()
		{
			evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;
			evchan_receiver_options receiver_options = EVCHAN_RECEIVER_OPTIONS_INIT;
			evchan_sender_options sender_options = EVCHAN_SENDER_OPTIONS_INIT;
			evchan_sender_callbacks sender_callbacks = EVCHAN_SENDER_CALLBACKS_INIT;
			evchan_lane_stats lane_stats = EVCHAN_LANE_STATS_INIT;
			evchan_receiver_stats receiver_stats = EVCHAN_RECEIVER_STATS_INIT;
			evchan_pending pending = EVCHAN_PENDING_INIT;
			evchan_proto_decode_options decode_options = EVCHAN_PROTO_DECODE_OPTIONS_INIT;
			evchan_proto_callbacks proto_callbacks = EVCHAN_PROTO_CALLBACKS_INIT;
			evchan_proto_receiver_options proto_options = EVCHAN_PROTO_RECEIVER_OPTIONS_INIT;
			evchan_proto_stats proto_stats = EVCHAN_PROTO_STATS_INIT;
			evchan_observer_callbacks observer_callbacks = EVCHAN_OBSERVER_CALLBACKS_INIT;
			evchan_observer *observer = nullptr;
			evchan_proto_types *types = nullptr;
			evchan_proto_receiver *typed = nullptr;
			evchan_receiver *receiver = nullptr;
			evchan_sender *sender = nullptr;
			evchan_loop *loop = nullptr;

			if (evchan_libevent_loop_new(&loop, nullptr) != -EINVAL || decode_options.flags || proto_stats.decoded ||
					evchan_proto_types_new(&types) < 0 ||
					evchan_proto_receiver_new(&typed, types, &proto_options, &proto_callbacks, nullptr) < 0 ||
					evchan_poll_loop_new(&loop) < 0)
				return 1;
			callbacks.message = on_message;
			if (evchan_receiver_new(&receiver, loop, "", &receiver_options, &callbacks, nullptr) < 0 ||
					evchan_sender_new(&sender, loop, evchan_receiver_address(receiver), &sender_options,
							&sender_callbacks, nullptr) < 0 ||
					evchan_send(sender, 1, "from C++", 8, 0) < 0)
				return 2;
			while (received.empty())
				if (evchan_poll_loop_run_once(loop, 10000) < 0)
					return 3;
			evchan_sender_get_pending(sender, &pending);
			evchan_sender_get_stats(sender, &lane_stats);
			evchan_receiver_get_stats(receiver, &receiver_stats);
			if (evchan_observer_new(&observer, loop, evchan_receiver_address(receiver), &observer_callbacks, nullptr) < 0)
				return 5;
			evchan_observer_free(observer);
			evchan_sender_free(sender);
			evchan_receiver_free(receiver);
			evchan_proto_receiver_free(typed);
			evchan_proto_types_free(types);
			evchan_poll_loop_free(loop);
			return received == "from C++" && lane_stats.messages == 1 ? 0 : 4;
		}
	END
} | sed 's/^#include <string>/#include <cerrno>\n&/' >"$work/program.cpp"
compilers=0
for cxx in ${CXX:-g++ clang++}; do
	command -v "$cxx" >/dev/null || continue
	"$cxx" -std=c++17 -Wall -Wextra -Wpedantic -Werror -o "$work/program" "$work/program.cpp" \
		$(pkg-config --cflags --libs evchan-libevent evchan-protobuf-c)
	"$work/program" || fail "$cxx: the program failed: $?"
	compilers=$((compilers + 1))
done
[ "$compilers" -gt 0 ] || skip 'no C++ compiler'
echo "cplusplus_test: $compilers compilers"
