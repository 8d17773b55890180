# SPDX-License-Identifier: MIT
#
# evchan_generate_messages(TARGET file.proto ...): a static library of what protoc-c makes of these files. Needed by
# tests and examples only; the library itself needs no compiler for protobuf.

function(evchan_generate_messages target)
	find_program(EVCHAN_PROTOC_C protoc-c REQUIRED)
	pkg_get_variable(include_folder libprotobuf-c includedir)
	set(folder ${CMAKE_CURRENT_BINARY_DIR}/${target})
	file(MAKE_DIRECTORY ${folder})
	set(sources "")
	foreach(proto IN LISTS ARGN)
		cmake_path(ABSOLUTE_PATH proto)
		cmake_path(GET proto PARENT_PATH proto_folder)
		cmake_path(GET proto STEM name)
		add_custom_command(
			OUTPUT ${folder}/${name}.pb-c.c ${folder}/${name}.pb-c.h
			COMMAND ${EVCHAN_PROTOC_C} --c_out=${folder} -I${proto_folder}
				-I${include_folder} ${proto}
			DEPENDS ${proto})
		list(APPEND sources ${folder}/${name}.pb-c.c)
	endforeach()
	# Generated code is not ours to keep free of warnings.
	add_library(${target} STATIC ${sources})
	target_compile_options(${target} PRIVATE -w)
	# Its INIT macros cast the runtime's empty string, which clang holds against whoever uses them.
	target_compile_options(${target} INTERFACE $<$<C_COMPILER_ID:Clang>:-Wno-cast-qual>)
	target_include_directories(${target} SYSTEM PUBLIC ${folder})
	target_link_libraries(${target} PUBLIC PkgConfig::EVCHAN_PROTOBUF_C)
endfunction()
