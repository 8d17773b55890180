/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_SCHEMAS_H
#define EVCHAN_TESTS_SCHEMAS_H

/* Every message type of tests/proto/schemas/, and the two of protobuf's conformance suite that refer to nearly all it has. */

#include <stddef.h>

#include "code_size.pb-c.h"
#include "everything.pb-c.h"
#include "everything3.pb-c.h"
#include "many.pb-c.h"
#ifdef EVCHAN_TEST_CONFORMANCE
#include "test_messages_proto2.pb-c.h"
#include "test_messages_proto3.pb-c.h"
#endif

static const ProtobufCMessageDescriptor *const all_schemas[] = {
	&evchan__test__required__descriptor,
	&evchan__test__leaf__descriptor,
	&evchan__test__optional__descriptor,
	&evchan__test__defaults__descriptor,
	&evchan__test__repeated__descriptor,
	&evchan__test__choice__descriptor,
	&evchan__test__tree__descriptor,
	&evchan__test__numbers__descriptor,
	&evchan__test__text__descriptor,
	&evchan__test__pair__descriptor,
	&evchan__test__empty__descriptor,
	&evchan__test__many__descriptor,
	&evchan__test__nameless__descriptor,
	&evchan__test3__plain__descriptor,
	&evchan__test3__inner__descriptor,
};
#define SCHEMA_COUNT (sizeof(all_schemas) / sizeof(all_schemas[0]))

#ifdef EVCHAN_TEST_CONFORMANCE
static const ProtobufCMessageDescriptor *const conformance_schemas[] = {
	&protobuf_test_messages__proto2__test_all_types_proto2__descriptor,
	&protobuf_test_messages__proto3__test_all_types_proto3__descriptor,
};
#define CONFORMANCE_COUNT (sizeof(conformance_schemas) / sizeof(conformance_schemas[0]))
#else
#define CONFORMANCE_COUNT 0u
#endif

/* All of them. */
#define ORACLE_COUNT (SCHEMA_COUNT + CONFORMANCE_COUNT)

static inline const ProtobufCMessageDescriptor *oracle_schema(size_t number)
{
#ifdef EVCHAN_TEST_CONFORMANCE
	if (number >= SCHEMA_COUNT)
		return conformance_schemas[number - SCHEMA_COUNT];
#endif
	return all_schemas[number];
}

#endif
