# Where things go, by GNUInstallDirs, in three components: Library, Development, Tools.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(midisock_library_dir "${CMAKE_INSTALL_LIBDIR}")
if(WIN32)
  set(midisock_library_dir "${CMAKE_INSTALL_BINDIR}")
endif()

# The libraries. Cargo has built them: stripping is asked for here as for any other target.
function(midisock_install_library target directory component strip)
  install(FILES "$<TARGET_FILE:${target}>" DESTINATION "${directory}" COMPONENT ${component})
  install(CODE "
    if(CMAKE_INSTALL_DO_STRIP AND NOT \"${CMAKE_STRIP}\" STREQUAL \"\")
      set(midisock_to \"\${CMAKE_INSTALL_PREFIX}\")
      cmake_path(APPEND midisock_to \"${directory}\" \"$<TARGET_FILE_NAME:${target}>\")
      execute_process(COMMAND \"${CMAKE_STRIP}\" ${strip} \"\$ENV{DESTDIR}\${midisock_to}\"
        COMMAND_ERROR_IS_FATAL ANY)
    endif()" COMPONENT ${component})
endfunction()
midisock_install_library(midisock::shared "${midisock_library_dir}" Library --strip-unneeded)
midisock_install_library(midisock::static "${CMAKE_INSTALL_LIBDIR}" Development --strip-debug)
if(midisock_import_library)
  install(FILES "$<TARGET_LINKER_FILE:midisock::shared>" DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT Development)
else()
  install(FILES "${midisock_stage}/${midisock_soname}" DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT Library)
  install(FILES "${midisock_stage}/${midisock_cargo_name}" DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT Development)
endif()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/midisock" "${PROJECT_SOURCE_DIR}/include/midisock_juce"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  COMPONENT Development FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")

# For find_package: the prefix is found from where these files lie, so it may be moved.
set(midisock_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/midisock")
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/midisock-config.cmake.in" "${PROJECT_BINARY_DIR}/midisock-config.cmake"
  INSTALL_DESTINATION "${midisock_package_dir}"
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR midisock_library_dir)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/midisock-config-version.cmake"
  COMPATIBILITY ${midisock_compatibility})
install(FILES
  "${PROJECT_BINARY_DIR}/midisock-config.cmake" "${PROJECT_BINARY_DIR}/midisock-config-version.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/midisock-targets.cmake"
  DESTINATION "${midisock_package_dir}" COMPONENT Development)

# For pkg-config, relocatable in the same way unless a directory is absolute. pkg-config splits flags at spaces that have no
# backslash; ${pcfiledir} it escapes itself.
set(midisock_pc_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  string(REPLACE " " "\\ " midisock_pc_prefix "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH midisock_pc_prefix "/prefix/${midisock_pc_dir}" "/prefix")
  string(REGEX REPLACE "/$" "" midisock_pc_prefix "\${pcfiledir}/${midisock_pc_prefix}")
endif()
foreach(directory INCLUDEDIR LIBDIR)
  string(REPLACE " " "\\ " midisock_pc_${directory} "${CMAKE_INSTALL_${directory}}")
  if(NOT IS_ABSOLUTE "${midisock_pc_${directory}}")
    string(PREPEND midisock_pc_${directory} "\${prefix}/")
  endif()
endforeach()
string(REPLACE ";" " " midisock_pc_private "${midisock_STATIC_LINK_OPTIONS};${midisock_NATIVE_LIBRARIES}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/midisock.pc.in" "${PROJECT_BINARY_DIR}/midisock.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/midisock.pc" DESTINATION "${midisock_pc_dir}" COMPONENT Development)

if(MIDISOCK_BUILD_TOOLS)
  install(TARGETS ${midisock_tools} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT Tools)
endif()

if(MIDISOCK_BUILD_LV2)
  install(DIRECTORY "${midisock_bundle}" DESTINATION "${CMAKE_INSTALL_LIBDIR}/lv2"
    COMPONENT Tools USE_SOURCE_PERMISSIONS)
endif()

# With the ABI's number where the library is alone: two ABIs can be installed side by side.
foreach(component IN ITEMS Library Development)
  set(midisock_licences "${CMAKE_INSTALL_DATADIR}/licenses/midisock")
  if(component STREQUAL "Library")
    set(midisock_licences "${CMAKE_INSTALL_DATADIR}/licenses/libmidisock${midisock_abi}")
  endif()
  install(FILES "${PROJECT_SOURCE_DIR}/LICENSE-MIT" "${PROJECT_SOURCE_DIR}/LICENSE-APACHE"
    DESTINATION "${midisock_licences}" COMPONENT ${component})
endforeach()
file(GLOB midisock_guides CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/*.md")
install(FILES "${PROJECT_SOURCE_DIR}/CHANGELOG.md" ${midisock_guides}
  DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT Development)
install(FILES "${PROJECT_SOURCE_DIR}/README.md"
  DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT Development OPTIONAL)
