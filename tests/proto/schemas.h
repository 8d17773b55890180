/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_SCHEMAS_H
#define EVCHAN_TESTS_SCHEMAS_H

/* Every message type of tests/proto/schemas/. */

#include <stddef.h>

#include "code_size.pb-c.h"
#include "everything.pb-c.h"
#include "everything3.pb-c.h"
#include "many.pb-c.h"

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

#endif
