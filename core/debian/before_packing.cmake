# SPDX-License-Identifier: MIT
#
# Manual pages are compressed in packages; nothing but a package has a use for that.
file(GLOB_RECURSE pages ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/man/*.[1-8])
foreach(page IN LISTS pages)
	execute_process(COMMAND gzip -9nf ${page} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
