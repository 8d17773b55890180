# SPDX-License-Identifier: MIT
#
# evchan_test_schemas: what protoc-c makes of schemas/*.proto, and what tests of them share.

find_program(EVCHAN_PROTOC_C protoc-c REQUIRED)
pkg_get_variable(protobuf_c_headers libprotobuf-c includedir)
set(folder ${CMAKE_CURRENT_LIST_DIR}/schemas)
set(generated_folder ${CMAKE_CURRENT_BINARY_DIR}/schemas)
file(MAKE_DIRECTORY ${generated_folder})
file(GLOB schemas CONFIGURE_DEPENDS ${folder}/*.proto)
set(generated "")
foreach(schema IN LISTS schemas)
	cmake_path(GET schema STEM name)
	add_custom_command(
		OUTPUT ${generated_folder}/${name}.pb-c.c ${generated_folder}/${name}.pb-c.h
		COMMAND ${EVCHAN_PROTOC_C} --c_out=${generated_folder} -I${folder}
			-I${protobuf_c_headers} ${schema}
		DEPENDS ${schema})
	list(APPEND generated ${generated_folder}/${name}.pb-c.c)
endforeach()

# Generated code is not ours to keep free of warnings.
add_library(evchan_test_generated STATIC ${generated})
target_compile_options(evchan_test_generated PRIVATE -w)
target_include_directories(evchan_test_generated SYSTEM PUBLIC ${generated_folder})
target_link_libraries(evchan_test_generated PUBLIC PkgConfig::EVCHAN_PROTOBUF_C)

add_library(evchan_test_schemas STATIC
	${CMAKE_CURRENT_LIST_DIR}/compare_messages.c
	${CMAKE_CURRENT_LIST_DIR}/random_wire.c)
target_include_directories(evchan_test_schemas PUBLIC ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(evchan_test_schemas PUBLIC evchan_test_generated)
