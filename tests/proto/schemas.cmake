# SPDX-License-Identifier: MIT
#
# evchan_test_schemas: what protoc-c makes of schemas/*.proto, and what tests of them share.

file(GLOB schemas CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/schemas/*.proto)
evchan_generate_messages(evchan_test_generated ${schemas})

add_library(evchan_test_schemas STATIC
	${CMAKE_CURRENT_LIST_DIR}/compare_messages.c
	${CMAKE_CURRENT_LIST_DIR}/random_wire.c)
target_include_directories(evchan_test_schemas PUBLIC
	${CMAKE_CURRENT_LIST_DIR} ${PROJECT_SOURCE_DIR}/proto)
target_link_libraries(evchan_test_schemas PUBLIC evchan_test_generated)

# The schemas of protobuf's conformance suite: conformance/, which is protobuf's own but for the groups, and what that
# refers to, which comes with protobuf's compiler or its headers.
find_path(EVCHAN_PROTOBUF_TYPES google/protobuf/struct.proto)
if(EVCHAN_PROTOBUF_TYPES)
	set(folder ${CMAKE_CURRENT_BINARY_DIR}/evchan_test_conformance)
	file(MAKE_DIRECTORY ${folder})
	set(names test_messages_proto2 test_messages_proto3)
	foreach(name IN ITEMS any duration field_mask struct timestamp wrappers)
		list(APPEND names google/protobuf/${name})
	endforeach()
	list(TRANSFORM names APPEND .proto OUTPUT_VARIABLE protos)
	list(TRANSFORM names APPEND .pb-c.c OUTPUT_VARIABLE sources)
	list(TRANSFORM sources PREPEND ${folder}/)
	add_custom_command(
		OUTPUT ${sources}
		COMMAND ${EVCHAN_PROTOC_C} --c_out=${folder}
			-I${CMAKE_CURRENT_LIST_DIR}/conformance -I${EVCHAN_PROTOBUF_TYPES} ${protos}
		DEPENDS
			${CMAKE_CURRENT_LIST_DIR}/conformance/test_messages_proto2.proto
			${CMAKE_CURRENT_LIST_DIR}/conformance/test_messages_proto3.proto)
	add_library(evchan_test_conformance STATIC ${sources})
	target_compile_options(evchan_test_conformance PRIVATE -w)
	target_include_directories(evchan_test_conformance SYSTEM PUBLIC ${folder})
	target_compile_definitions(evchan_test_conformance INTERFACE EVCHAN_TEST_CONFORMANCE)
	target_link_libraries(evchan_test_conformance PUBLIC PkgConfig::EVCHAN_PROTOBUF_C)
	target_link_libraries(evchan_test_schemas PUBLIC evchan_test_conformance)
endif()
