# SPDX-License-Identifier: MIT
#
# How each library of this project is made: from one list of sources, so that what is tested is
# what is installed.
#
#	evchan_library(NAME
#		EXPORT   name behind evchan::
#		SOURCES  file.c ...           beside the caller, with NAME.map, NAME.pc.in
#		                              and NAME-config.cmake.in
#		HEADERS  header.h ...         of include/evchan/
#		ON       target ...           libraries of this project it stands on
#		PUBLIC   target ...           others that its users need as well
#		PRIVATE  target ...           others that only it needs
#	)
#
# Targets, with NAME's '-' turned into '_', and each with a version of the libraries in ON:
#
#	NAME           shared, exports what NAME.map says     evchan::EXPORT
#	NAME_static    static                                 evchan::EXPORT_static
#	NAME_testing   static, all symbols visible, compiled with EVCHAN_TESTING; never installed
#
# If one of the first two is not built, evchan::EXPORT is the other.

include(CMakePackageConfigHelpers)

function(evchan_library name)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "EXPORT" "SOURCES;HEADERS;ON;PUBLIC;PRIVATE")
	string(REPLACE "-" "_" target ${name})
	set(installed "")

	# Shared and static differ in linking only, so their objects are the same.
	add_library(${target}_objects OBJECT ${arg_SOURCES})
	_evchan_library_usage(${target}_objects "" "${arg_ON}" "${arg_PUBLIC}" "${arg_PRIVATE}")

	if(EVCHAN_BUILD_STATIC)
		add_library(${target}_static STATIC $<TARGET_OBJECTS:${target}_objects>)
		_evchan_library_usage(${target}_static _static
			"${arg_ON}" "${arg_PUBLIC}" "${arg_PRIVATE}")
		set_target_properties(${target}_static PROPERTIES
			OUTPUT_NAME ${name} EXPORT_NAME ${arg_EXPORT}_static)
		add_library(evchan::${arg_EXPORT}_static ALIAS ${target}_static)
		list(APPEND installed ${target}_static)
	endif()

	if(EVCHAN_BUILD_SHARED)
		add_library(${target} SHARED $<TARGET_OBJECTS:${target}_objects>)
		_evchan_library_usage(${target} "" "${arg_ON}" "${arg_PUBLIC}" "${arg_PRIVATE}")
		set_target_properties(${target} PROPERTIES
			OUTPUT_NAME ${name} EXPORT_NAME ${arg_EXPORT}
			VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
			INSTALL_RPATH "$ORIGIN")
		set(map ${CMAKE_CURRENT_SOURCE_DIR}/${name}.map)
		set_property(TARGET ${target} PROPERTY LINK_DEPENDS ${map})
		# On macOS the visibility of each symbol is all, and undefined ones are errors anyhow.
		if(NOT APPLE)
			target_link_options(${target} PRIVATE "LINKER:--version-script=${map}")
		endif()
		# clang leaves a sanitizer's functions to the program.
		if(NOT APPLE AND (NOT EVCHAN_SANITIZE OR CMAKE_C_COMPILER_ID STREQUAL "GNU"))
			target_link_options(${target} PRIVATE LINKER:-z,defs)
		endif()
		add_library(evchan::${arg_EXPORT} ALIAS ${target})
		list(APPEND installed ${target})
	else()
		add_library(evchan::${arg_EXPORT} ALIAS ${target}_static)
	endif()

	if(EVCHAN_TESTS)
		add_library(${target}_testing STATIC ${arg_SOURCES})
		_evchan_library_usage(${target}_testing _testing
			"${arg_ON}" "${arg_PUBLIC}" "${arg_PRIVATE}")
		target_compile_definitions(${target}_testing PUBLIC EVCHAN_TESTING)
		set_target_properties(${target}_testing PROPERTIES C_VISIBILITY_PRESET default)
	endif()

	if(EVCHAN_INSTALL)
		_evchan_library_install(${name} "${installed}" "${arg_HEADERS}")
	endif()
endfunction()

# The include path and the libraries of one version of a library; `suffix` names the version.
function(_evchan_library_usage target suffix on public private)
	target_include_directories(${target} PUBLIC
		$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
		$<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
		$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
	# What this system's own headers lack.
	if(WIN32)
		target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/core/windows)
	endif()
	foreach(other IN LISTS on)
		if(suffix STREQUAL "" AND NOT EVCHAN_BUILD_SHARED)
			target_link_libraries(${target} PUBLIC ${other}_static)
		else()
			target_link_libraries(${target} PUBLIC ${other}${suffix})
		endif()
	endforeach()
	target_link_libraries(${target} PUBLIC ${public} PRIVATE ${private})
endfunction()

function(_evchan_library_install name targets headers)
	# Each shared library is a component of its own, see packages.cmake.
	install(TARGETS ${targets} EXPORT ${name}-targets
		LIBRARY COMPONENT ${name} NAMELINK_COMPONENT development
		ARCHIVE COMPONENT development)
	list(TRANSFORM headers PREPEND ${PROJECT_SOURCE_DIR}/include/evchan/)
	install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/evchan
		COMPONENT development)

	# The .pc file finds its prefix from where it lies itself, so that an installed tree can be moved.
	set(pkgconfig ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
	file(RELATIVE_PATH up ${pkgconfig} ${CMAKE_INSTALL_PREFIX})
	string(REGEX REPLACE "/$" "" EVCHAN_PC_PREFIX "\${pcfiledir}/${up}")
	# Packages are not moved, and pkg-config leaves out the system's own folders only if it sees them.
	if(EVCHAN_DEBIAN)
		set(EVCHAN_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
	endif()
	cmake_path(APPEND EVCHAN_PC_LIBDIR "\${prefix}" ${CMAKE_INSTALL_LIBDIR})
	cmake_path(APPEND EVCHAN_PC_INCLUDEDIR "\${prefix}" ${CMAKE_INSTALL_INCLUDEDIR})
	configure_file(${name}.pc.in ${name}.pc @ONLY)
	install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc
		DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

	set(package ${CMAKE_INSTALL_LIBDIR}/cmake/${name})
	configure_package_config_file(${name}-config.cmake.in
		${CMAKE_CURRENT_BINARY_DIR}/${name}-config.cmake INSTALL_DESTINATION ${package})
	write_basic_package_version_file(
		${CMAKE_CURRENT_BINARY_DIR}/${name}-config-version.cmake
		COMPATIBILITY SameMinorVersion)
	install(FILES
		${CMAKE_CURRENT_BINARY_DIR}/${name}-config.cmake
		${CMAKE_CURRENT_BINARY_DIR}/${name}-config-version.cmake
		DESTINATION ${package} COMPONENT development)
	install(EXPORT ${name}-targets NAMESPACE evchan:: DESTINATION ${package}
		COMPONENT development)
endfunction()
