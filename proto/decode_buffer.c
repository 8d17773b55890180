/* SPDX-License-Identifier: MIT */
/* Decoding any buffer: the public function around decode.c. */

#include <errno.h>

#include "decode.h"
#include "options.h"
#include "types.h"

#define DEPTH_DEFAULT 100
#define FLAGS_KNOWN \
	(EVCHAN_PROTO_COPY_BYTES | EVCHAN_PROTO_BORROW_PACKED | EVCHAN_PROTO_CHECK_UTF8)

int decode_read_options(struct decode_rules *rules,
		const struct evchan_proto_decode_options *options)
{
	struct evchan_proto_decode_options read;
	int r;

	r = options_read(&read, sizeof(read), options);
	if (r < 0)
		return r;
	if (read.flags & ~(uint32_t)FLAGS_KNOWN)
		return -EINVAL;
	rules->flags = read.flags;
	rules->max_depth = read.max_depth ? read.max_depth : DEPTH_DEFAULT;
	rules->max_bytes = read.max_bytes;
	return 0;
}

static const struct plan *find_plan(const struct evchan_proto_types *types,
		const ProtobufCMessageDescriptor *descriptor)
{
	return types ? plan_table_find(&types->plans, descriptor) : NULL;
}

int evchan_proto_decode(const ProtobufCMessage **message, struct evchan_proto_arena *arena,
		struct evchan_proto_types *types, const ProtobufCMessageDescriptor *descriptor,
		const void *data, size_t size, const struct evchan_proto_decode_options *options,
		struct evchan_proto_problem *problem)
{
	struct decode_rules rules = { 0, DEPTH_DEFAULT, 0 };
	struct evchan_proto_problem unwanted;
	struct plan_table table = PLAN_TABLE_NONE;
	const struct plan *plan = find_plan(types, descriptor);
	int r;

	if (!problem)
		problem = &unwanted;
	r = options ? decode_read_options(&rules, options) : 0;
	if (r < 0)
		return r;
	if (plan)
		return decode_message(message, arena, plan, data, size, &rules, problem);
	/* A plan for this one time. What it decodes does not point to it. */
	r = plan_table_add(&table, &plan, descriptor);
	if (r == 0)
		r = decode_message(message, arena, plan, data, size, &rules, problem);
	plan_table_deinit(&table);
	return r;
}
