# SPDX-License-Identifier: MIT
#
# The tests of Windows: those of the other folders that need neither forks nor UNIX descriptors, and those in this folder, which do
# with processes, handles and pipes what the others do there.

set(here ${CMAKE_CURRENT_LIST_DIR})
list(APPEND environment "EVCHAN_TEST_WRAPPER=${EVCHAN_TEST_WRAPPER}")
set(support ${CMAKE_CURRENT_LIST_DIR}/../support)

# Of the folders beside this one.
set(unit admission backoff control_message control_message_format control_message_frame
	control_message_hello control_message_hello_bytes error list observe_message options
	ring_hostile_receiver ring_hostile_sender ring_reader_notes ring_reader_release ring_writer ring_writer_notes
	timer_list)
# Not reentrancy: it counts on all that can happen being there at once, and here a thread of the system's is in between.
set(promise counters p3_pulled_shutdown)
set(proto arena channel conformance description description_hostile detach differential keep lanes limits merge
	numbers pack reentrancy types utf8 writer writer_alignment writer_misuse)

add_library(evchan_test_support INTERFACE)
target_include_directories(evchan_test_support INTERFACE
	${here}/support ${CMAKE_CURRENT_LIST_DIR}/.. ${support})
target_link_libraries(evchan_test_support INTERFACE PkgConfig::CMOCKA Threads::Threads)
target_compile_options(evchan_test_support INTERFACE -include ${here}/support/lacking.h)
file(GLOB support_sources CONFIGURE_DEPENDS ${here}/support/*.c)
foreach(name IN ITEMS check drama stream test_observer test_receiver test_sender)
	list(APPEND support_sources ${support}/${name}.c)
endforeach()
add_library(evchan_test_support_objects STATIC ${support_sources})
target_link_libraries(evchan_test_support_objects
	PUBLIC evchan_libevent_testing evchan_white_box PkgConfig::CMOCKA)
target_include_directories(evchan_test_support_objects PRIVATE ${here}/support ${support})
target_compile_options(evchan_test_support_objects PRIVATE -include ${here}/support/lacking.h)
target_link_libraries(evchan_test_support INTERFACE evchan_test_support_objects)

# windows_tests(FOLDER NAME... ON target ...)
function(windows_tests folder)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "ON")
	foreach(name IN LISTS arg_UNPARSED_ARGUMENTS)
		add_executable(${folder}_${name}_test ${here}/../${folder}/${name}_test.c)
		target_link_libraries(${folder}_${name}_test PRIVATE evchan_test_support ${arg_ON})
		evchan_test(${folder} ${name} ${EVCHAN_TEST_WRAPPER} $<TARGET_FILE:${folder}_${name}_test>)
	endforeach()
endfunction()

windows_tests(unit ${unit} ON evchan_white_box)
windows_tests(promise ${promise} ON evchan_libevent_testing evchan_white_box)
if(TARGET evchan_protobuf_c_testing)
	include(proto/schemas.cmake)
	windows_tests(proto ${proto} ON evchan_test_schemas evchan_protobuf_c_testing evchan_libevent_testing
		evchan_white_box)
endif()
# They count on rings of 4 KiB; the smallest here has 64.
function(windows_skip program name)
	if(TARGET ${program})
		target_compile_definitions(${program} PRIVATE EVCHAN_TEST_SKIP="${name}")
	endif()
endfunction()
windows_skip(promise_counters_test fill_and_its_peak_are_known_on_both_sides)
windows_skip(proto_channel_test largest_message_fits)
windows_skip(proto_writer_misuse_test impossible_messages_are_not_begun)

evchan_tests(windows evchan_test_support evchan_libevent_testing evchan_white_box)
# It keeps all threads of the system's pool busy for a moment, beside which processes may not get theirs.
set_tests_properties(windows/loop PROPERTIES RUN_SERIAL ON)
# What the programs ask of the system is a part of them.
target_sources(windows_system_test PRIVATE
	${PROJECT_SOURCE_DIR}/examples/program.c ${PROJECT_SOURCE_DIR}/examples/system_windows.c)
target_include_directories(windows_system_test PRIVATE ${PROJECT_SOURCE_DIR}/examples)
