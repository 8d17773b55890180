/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_NATS_STREAM_SETUP_H
#define EVCHAN_NATS_STREAM_SETUP_H

/* Making the stream and the consumer that the command line names. */

#include <nats/nats.h>

struct nats_options;

/* Makes what does not exist; leaves alone what does. Waits for the server. */
natsStatus stream_setup(jsCtx *stream, const struct nats_options *options);

#endif
