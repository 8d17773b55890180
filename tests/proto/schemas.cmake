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
