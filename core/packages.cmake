# SPDX-License-Identifier: MIT
#
# Debian's packages, made by cpack in a build for /usr (preset "debian"):
#
#	libevchan0, libevchan-libevent0, libevchan-protobuf-c0     the shared libraries
#	libevchan-dev       headers, static libraries, package files, evchan(7)
#	evchan-tools        the programs
#	evchan-nats         the bridge, apart because of the libraries that it needs; if it is built
#
# The number in a package's name is that of the SONAME. dpkg-shlibdeps finds what a package needs of others; what these need of each
# other is said here: a library any later version of the one below (a symbol is never taken away without a new SONAME), the rest exactly
# the same version, as programs and headers are only tested so.

# A package names somebody who answers for it: who makes it for others sets this. example.org belongs to nobody.
set(EVCHAN_PACKAGE_CONTACT "The evchan authors <evchan@example.org>" CACHE STRING
	"Maintainer of the packages that cpack makes")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME evchan)
set(CPACK_PACKAGE_VENDOR "The evchan authors")
set(CPACK_PACKAGE_CONTACT ${EVCHAN_PACKAGE_CONTACT})
# It would stand above each package's own.
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS
	${PROJECT_BINARY_DIR}/core ${PROJECT_BINARY_DIR}/loop ${PROJECT_BINARY_DIR}/proto)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/core/debian/before_packing.cmake)
set(CPACK_POST_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/core/debian/after_packing.cmake)

set(debian ${PROJECT_BINARY_DIR}/debian)
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(${PROJECT_SOURCE_DIR}/core/debian/changelog.in ${debian}/changelog @ONLY)
execute_process(COMMAND gzip -9nkf ${debian}/changelog COMMAND_ERROR_IS_FATAL ANY)
file(WRITE ${debian}/triggers "activate-noawait ldconfig\n")

# evchan_package(COMPONENT PACKAGE SECTION "what it needs" "what it is" "more about it")
macro(evchan_package component package section needs what more)
	string(TOUPPER ${component} key)
	list(APPEND CPACK_COMPONENTS_ALL ${component})
	set(CPACK_DEBIAN_${key}_PACKAGE_NAME ${package})
	set(CPACK_DEBIAN_${key}_PACKAGE_SECTION ${section})
	set(CPACK_DEBIAN_${key}_PACKAGE_DEPENDS "${needs}")
	set(CPACK_DEBIAN_${key}_DESCRIPTION "${what}\n${more}")
	install(FILES ${PROJECT_SOURCE_DIR}/LICENSE RENAME copyright
		DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT ${component})
	install(FILES ${debian}/changelog.gz
		DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT ${component})
endmacro()

# evchan_shared_package(LIBRARY "what" "more" LIBRARY-IT-STANDS-ON...)
macro(evchan_shared_package library what more)
	set(needs ${ARGN})
	list(TRANSFORM needs REPLACE "(.+)" "lib\\1${PROJECT_VERSION_MAJOR} (>= ${PROJECT_VERSION})")
	list(JOIN needs ", " needs)
	evchan_package(${library} lib${library}${PROJECT_VERSION_MAJOR} libs "${needs}"
		"${what}" "${more}")
	string(TOUPPER ${library} key)
	set(CPACK_DEBIAN_${key}_PACKAGE_CONTROL_EXTRA ${debian}/triggers)
	list(APPEND all_shared "lib${library}${PROJECT_VERSION_MAJOR} (= ${PROJECT_VERSION})")
endmacro()

set(CPACK_COMPONENTS_ALL "")
set(all_shared "")
evchan_shared_package(evchan "messages from many processes to one, through shared memory"
	"Channels inside the event loops of processes: one ring in shared memory for\neach sender, no locks, and no loss of what was published when a process dies.")
evchan_shared_package(evchan-libevent "messages through shared memory, on a libevent base"
	"Runs the senders and receivers of evchan on an event_base." evchan)
set(development_needs libevent-dev)
if(EVCHAN_BUILD_PROTOBUF_C)
	evchan_shared_package(evchan-protobuf-c "protobuf-c messages through shared memory"
		"Packs messages of protobuf-c into the rings of evchan, and decodes them where\nthey lie." evchan)
	list(APPEND development_needs libprotobuf-c-dev)
endif()
list(JOIN all_shared ", " same_shared)
list(JOIN development_needs ", " development_needs)
evchan_package(development libevchan-dev libdevel "${same_shared}, ${development_needs}"
	"messages through shared memory - development files"
	"Headers, static libraries, and the files of evchan for pkg-config and CMake.")
if(EVCHAN_BUILD_EXAMPLES)
	evchan_package(tools evchan-tools utils "${same_shared}"
		"messages through shared memory - programs"
		"evchan-send and evchan-receive move lines between processes; evchan-top and\nevchan-stat show what a receiver is doing; the others are examples.")
endif()
if(TARGET evchan-nats)
	list(GET all_shared 0 1 needs)
	list(JOIN needs ", " needs)
	evchan_package(nats evchan-nats net "${needs}"
		"messages through shared memory - bridge to NATS JetStream"
		"Carries the messages of an evchan channel to JetStream and back, and releases\none when JetStream has acknowledged it.")
endif()
include(CPack)
