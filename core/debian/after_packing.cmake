# SPDX-License-Identifier: MIT
#
# cpack gives each library scripts that call ldconfig, and cannot be told not to. Debian has a trigger for this, which packages.cmake asks
# for: it runs once for all packages, and before those that wait for the library. So the scripts are taken out again.
foreach(package IN LISTS CPACK_PACKAGE_FILES)
	set(tree ${package}.tree)
	file(REMOVE_RECURSE ${tree})
	execute_process(COMMAND dpkg-deb --raw-extract ${package} ${tree} COMMAND_ERROR_IS_FATAL ANY)
	if(EXISTS ${tree}/DEBIAN/postinst)
		file(REMOVE ${tree}/DEBIAN/postinst ${tree}/DEBIAN/postrm)
		execute_process(COMMAND dpkg-deb --root-owner-group --build ${tree} ${package}
			OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
	endif()
	file(REMOVE_RECURSE ${tree})
endforeach()
