/* SPDX-License-Identifier: MIT */

/*
 * The command line of evchan-nats.
 *
 * What concerns the connection has the names, and the environment variables, that NATS' own tools use. A password
 * on a command line can be read by every user of the machine; that is what the variables are for.
 */

#include "nats_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "subject.h"

#define LABEL_MAX 63
#define CAPACITY_MAX ((uint64_t)1 << 30)
/* The bounds keep every time in milliseconds, and in nanoseconds, below 2^63. */
#define SECONDS_MAX 1000000
#define IN_FLIGHT_MAX 1000000
#define IN_FLIGHT_BYTES_MAX ((uint64_t)1 << 30)

/* clang-format off */
static const char help[] =
	"Usage: evchan-nats [OPTION]... ADDRESS\n"
	"       evchan-nats --stream NAME --consumer NAME [OPTION]... ADDRESS\n"
	"The first form receives at ADDRESS (a path of a socket, @NAME, fd:N or systemd:[NAME])\n"
	"what any number of senders send, and publishes each message to NATS JetStream. A message\n"
	"stays in its sender's ring until JetStream has acknowledged it: while NATS is away, or\n"
	"slow, senders are told that their rings are full, and nothing is lost if this program is\n"
	"killed. The next one goes on at the first message that was not acknowledged; what was\n"
	"published twice JetStream drops by its Nats-Msg-Id, if it comes within the stream's\n"
	"duplicate window.\n"
	"The second form sends what a push consumer of a stream delivers to the receiver at\n"
	"ADDRESS, and acknowledges each message when that receiver has released it.\n"
	"\n"
	"From the channel to NATS:\n"
	"      --subject TEMPLATE  subject of each message, with the words {label}, {type} and {uid}\n"
	"                          of its sender; default evchan.{label}.{type}. Bytes of a label\n"
	"                          other than letters, digits, '-' and '_' are written as %XX,\n"
	"                          the dots of a type's name as '-'; a type without a name is its\n"
	"                          number\n"
	"      --allow-uid UID     let this user send, 'any': all; may be repeated. Without it only\n"
	"                          the user of this process may\n"
	"      --max-in-flight-bytes BYTES  not acknowledged at a time; default 8M\n"
	"From NATS to the channel:\n"
	"      --stream NAME, --consumer NAME  what to subscribe to\n"
	"      --label NAME        what the receiver is to call this sender (63 bytes)\n"
	"      --capacity BYTES    size of the ring; default 1M\n"
	"Both:\n"
	"      --max-in-flight N   messages not acknowledged at a time; default 4096. From NATS it\n"
	"                          is the consumer that limits them: used only when it is made\n"
	"      --ack-wait SECONDS  how long to wait for an acknowledgement before the connection is\n"
	"                          given up and all is published again; default 10. Of a consumer\n"
	"                          that is made: after which JetStream delivers again; default 30\n"
	"      --create            make the stream --stream for the subjects of --subject, and the\n"
	"                          consumer --consumer, if they do not exist\n"
	"      --duplicate-window SECONDS, --replicas N  of a stream that is made; 120 and 1\n"
	"      --stats             print counters to standard error at the end; SIGUSR1: any time\n"
	"\n"
	"Connection, as NATS' own tools call it, with their environment variables:\n"
	"  -s, --server URL[,URL]  default nats://127.0.0.1:4222; taken in turn    (NATS_URL)\n"
	"      --user NAME         user, or the token if there is no password      (NATS_USER)\n"
	"      --password TEXT     better in the environment                       (NATS_PASSWORD)\n"
	"      --creds FILE        credentials of the user                         (NATS_CREDS)\n"
	"      --tlscert FILE      this client's certificate                       (NATS_CERT)\n"
	"      --tlskey FILE       its key                                         (NATS_KEY)\n"
	"      --tlsca FILE        authorities that are trusted                    (NATS_CA)\n"
	"      --connection-name NAME  default evchan-nats\n"
	"      --help, --version\n"
	"\n"
	"SIGINT or SIGTERM ends the program with status 0 when all that is in flight is\n"
	"acknowledged, and all that senders who are gone have left; a second one ends it at once,\n"
	"with status 130 or 143: then what living senders have goes to the next bridge. Status 1:\n"
	"an error, 2: a wrong command line.\n"
	"\n"
	"Counters: messages taken; their bytes; acked; duplicates, acknowledged as known already;\n"
	"published, repetitions included; failed, acknowledgements that were refusals; too_large;\n"
	"in_flight; lanes; paused, how often the limit was reached. From NATS: arrived,\n"
	"redelivered, sent, acked, too_large, in_flight. Both: connects; losses of the connection.\n";

/* clang-format on */

enum option_code {
	OPTION_SERVER = 's',
	OPTION_SUBJECT = 256,
	OPTION_ALLOW_UID,
	OPTION_IN_FLIGHT,
	OPTION_IN_FLIGHT_BYTES,
	OPTION_STREAM,
	OPTION_CONSUMER,
	OPTION_LABEL,
	OPTION_CAPACITY,
	OPTION_ACK_WAIT,
	OPTION_CREATE,
	OPTION_DUPLICATE_WINDOW,
	OPTION_REPLICAS,
	OPTION_STATS,
	OPTION_USER,
	OPTION_PASSWORD,
	OPTION_CREDS,
	OPTION_TLS_CERTIFICATE,
	OPTION_TLS_KEY,
	OPTION_TLS_CA,
	OPTION_CONNECTION_NAME,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "server", required_argument, NULL, OPTION_SERVER },
	{ "subject", required_argument, NULL, OPTION_SUBJECT },
	{ "allow-uid", required_argument, NULL, OPTION_ALLOW_UID },
	{ "max-in-flight", required_argument, NULL, OPTION_IN_FLIGHT },
	{ "max-in-flight-bytes", required_argument, NULL, OPTION_IN_FLIGHT_BYTES },
	{ "stream", required_argument, NULL, OPTION_STREAM },
	{ "consumer", required_argument, NULL, OPTION_CONSUMER },
	{ "label", required_argument, NULL, OPTION_LABEL },
	{ "capacity", required_argument, NULL, OPTION_CAPACITY },
	{ "ack-wait", required_argument, NULL, OPTION_ACK_WAIT },
	{ "create", no_argument, NULL, OPTION_CREATE },
	{ "duplicate-window", required_argument, NULL, OPTION_DUPLICATE_WINDOW },
	{ "replicas", required_argument, NULL, OPTION_REPLICAS },
	{ "stats", no_argument, NULL, OPTION_STATS },
	{ "user", required_argument, NULL, OPTION_USER },
	{ "password", required_argument, NULL, OPTION_PASSWORD },
	{ "creds", required_argument, NULL, OPTION_CREDS },
	{ "tlscert", required_argument, NULL, OPTION_TLS_CERTIFICATE },
	{ "tlskey", required_argument, NULL, OPTION_TLS_KEY },
	{ "tlsca", required_argument, NULL, OPTION_TLS_CA },
	{ "connection-name", required_argument, NULL, OPTION_CONNECTION_NAME },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static void read_subject(struct nats_options *options)
{
	const char *problem = subject_check(optarg);

	if (problem)
		usage_error("--subject: '%s': %s", optarg, problem);
	options->subject = optarg;
}

static void read_label(struct nats_options *options)
{
	if (strlen(optarg) > LABEL_MAX)
		usage_error("--label: it has more than %d bytes", LABEL_MAX);
	options->sender.label = optarg;
}

static void read_capacity(struct nats_options *options)
{
	options->sender.capacity = parse_size("--capacity", optarg);
	if (options->sender.capacity > CAPACITY_MAX)
		usage_error("--capacity: '%s' is more than 1G", optarg);
}

static void read_in_flight_bytes(struct nats_options *options)
{
	options->max_in_flight_bytes = parse_size("--max-in-flight-bytes", optarg);
	if (options->max_in_flight_bytes > IN_FLIGHT_BYTES_MAX)
		usage_error("--max-in-flight-bytes: '%s' is more than 1G", optarg);
}

/* Names of streams and consumers are tokens of the server's own subjects. */
static const char *read_name(const char *option)
{
	if (!*optarg || optarg[strcspn(optarg, " \t\r\n.*>/\\")])
		usage_error("%s: '%s' is not a name that NATS allows", option, optarg);
	return optarg;
}

/* Whether it was one of these. */
static bool read_connection_option(struct server_options *server, int code)
{
	switch (code) {
	case OPTION_SERVER:
		free(server->list);
		server->list = strdup(optarg);
		break;
	case OPTION_USER:
		server->user = optarg;
		break;
	case OPTION_PASSWORD:
		server->password = optarg;
		break;
	case OPTION_CREDS:
		server->creds = optarg;
		break;
	case OPTION_TLS_CERTIFICATE:
		server->tls_certificate = optarg;
		break;
	case OPTION_TLS_KEY:
		server->tls_key = optarg;
		break;
	case OPTION_TLS_CA:
		server->tls_ca = optarg;
		break;
	case OPTION_CONNECTION_NAME:
		server->connection_name = optarg;
		break;
	default:
		return false;
	}
	return true;
}

static void read_option(struct nats_options *options, int code)
{
	switch (code) {
	case OPTION_SUBJECT:
		read_subject(options);
		break;
	case OPTION_ALLOW_UID:
		allow_uid(&options->receiver, &options->allow_uids, optarg);
		break;
	case OPTION_IN_FLIGHT:
		options->max_in_flight =
				parse_number("--max-in-flight", optarg, 1, IN_FLIGHT_MAX);
		break;
	case OPTION_IN_FLIGHT_BYTES:
		read_in_flight_bytes(options);
		break;
	case OPTION_STREAM:
		options->stream = read_name("--stream");
		break;
	case OPTION_CONSUMER:
		options->consumer = read_name("--consumer");
		break;
	case OPTION_LABEL:
		read_label(options);
		break;
	case OPTION_CAPACITY:
		read_capacity(options);
		break;
	case OPTION_ACK_WAIT:
		options->ack_wait = parse_number("--ack-wait", optarg, 1, SECONDS_MAX);
		break;
	case OPTION_CREATE:
		options->creates = true;
		break;
	case OPTION_DUPLICATE_WINDOW:
		options->duplicate_window = parse_number(
				"--duplicate-window", optarg, 1, SECONDS_MAX);
		break;
	case OPTION_REPLICAS:
		options->replicas = (int)parse_number("--replicas", optarg, 1, 5);
		break;
	case OPTION_STATS:
		options->with_stats = true;
		break;
	case OPTION_HELP:
		fputs(help, stdout);
		exit(EXIT_SUCCESS);
	case OPTION_VERSION:
		print_version();
		exit(EXIT_SUCCESS);
	default:
		/* getopt_long() has said what is wrong. */
		exit(EXIT_USAGE);
	}
}

static void use_environment(struct server_options *server)
{
	const char *url = getenv("NATS_URL");

	server->list = strdup(url && *url ? url : "nats://127.0.0.1:4222");
	server->user = getenv("NATS_USER");
	server->password = getenv("NATS_PASSWORD");
	server->creds = getenv("NATS_CREDS");
	server->tls_certificate = getenv("NATS_CERT");
	server->tls_key = getenv("NATS_KEY");
	server->tls_ca = getenv("NATS_CA");
	server->connection_name = "evchan-nats";
}

static void split_servers(struct server_options *server)
{
	char *rest = NULL;

	if (!server->list)
		usage_error("out of memory");
	for (char *url = strtok_r(server->list, ", ", &rest); url;
			url = strtok_r(NULL, ", ", &rest)) {
		if (server->server_count == SERVERS_MAX)
			usage_error("--server: more than %d servers", SERVERS_MAX);
		server->servers[server->server_count++] = url;
	}
	if (server->server_count == 0)
		usage_error("--server: it is empty");
}

static void check_combination(const struct nats_options *options)
{
	const struct server_options *server = &options->server;

	if (options->consumer && !options->stream)
		usage_error("--consumer: of which --stream?");
	if (options->creates && !options->stream)
		usage_error("--create: which --stream?");
	if (!server->tls_certificate != !server->tls_key)
		usage_error("--tlscert and --tlskey belong together");
}

void nats_options_init(struct nats_options *options, int argc, char **argv)
{
	int code;

	*options = (struct nats_options){
		.replicas = 1,
		.duplicate_window = 120,
		.max_in_flight = 4096,
		.max_in_flight_bytes = 8 << 20,
		.receiver = EVCHAN_RECEIVER_OPTIONS_INIT,
		.sender = EVCHAN_SENDER_OPTIONS_INIT,
	};
	options->sender.capacity = 1 << 20;
	use_environment(&options->server);
	while ((code = getopt_long(argc, argv, "s:", long_options, NULL)) != -1)
		if (!read_connection_option(&options->server, code))
			read_option(options, code);
	if (optind != argc - 1)
		usage_error(optind < argc ? "more than one address" : "no address");
	options->address = argv[optind];
	if (!*options->address)
		usage_error("the address is empty");
	split_servers(&options->server);
	check_combination(options);
	if (options->ack_wait == 0)
		options->ack_wait = options->consumer ? 30 : 10;
	if (!options->subject && !options->consumer)
		options->subject = "evchan.{label}.{type}";
}

void nats_options_deinit(struct nats_options *options)
{
	free(options->server.list);
	free(options->allow_uids);
}
