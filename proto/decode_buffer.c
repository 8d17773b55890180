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

/* With a plan for this one time. What it decodes does not point to it. */
static int decode_unplanned(const ProtobufCMessage **message,
		struct evchan_proto_arena *arena,
		const ProtobufCMessageDescriptor *descriptor, const void *data,
		size_t size, const struct decode_rules *rules,
		struct evchan_proto_problem *problem)
{
	struct plan_table table = PLAN_TABLE_NONE;
	const struct plan *plan;
	int r;

	r = plan_table_add(&table, &plan, descriptor);
	if (r == 0)
		r = decode_message(message, arena, plan, data, size, rules, problem);
	plan_table_deinit(&table);
	return r;
}

int evchan_proto_decode(const ProtobufCMessage **message,
		struct evchan_proto_arena *arena, struct evchan_proto_types *types,
		const ProtobufCMessageDescriptor *descriptor, const void *data,
		size_t size, const struct evchan_proto_decode_options *options,
		struct evchan_proto_problem *problem)
{
	struct decode_rules rules = { 0, DEPTH_DEFAULT, 0 };
	struct evchan_proto_problem unwanted;
	const struct plan *plan;
	int r;

	if (!problem)
		problem = &unwanted;
	/* For what is wrong before the first byte is looked at. */
	*problem = (struct evchan_proto_problem){ 0, "it was not looked at" };
	r = options ? decode_read_options(&rules, options) : 0;
	if (r < 0)
		return r;
	if (types)
		types_freeze(types);
	plan = find_plan(types, descriptor);
	if (!plan)
		return decode_unplanned(
				message, arena, descriptor, data, size, &rules, problem);
	return decode_message(message, arena, plan, data, size, &rules, problem);
}
