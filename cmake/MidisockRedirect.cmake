# find_package(midisock) elsewhere in this build finds the midisock of add_subdirectory or FetchContent, through the folder that
# CMake 3.24 and later search first.
if(NOT DEFINED CMAKE_FIND_PACKAGE_REDIRECTS_DIR)
  return()
endif()
include(CMakePackageConfigHelpers)
file(WRITE "${CMAKE_FIND_PACKAGE_REDIRECTS_DIR}/midisock-config.cmake" "
set(midisock_JUCE_MODULE \"${midisock_JUCE_MODULE}\")
set(midisock_shared_FOUND TRUE)
set(midisock_static_FOUND TRUE)
foreach(midisock_component IN LISTS midisock_FIND_COMPONENTS)
  if(midisock_FIND_REQUIRED_\${midisock_component} AND NOT midisock_\${midisock_component}_FOUND)
    set(midisock_FOUND FALSE)
    set(midisock_NOT_FOUND_MESSAGE \"there is no component \${midisock_component}: there are shared and static\")
  endif()
endforeach()
")
write_basic_package_version_file("${CMAKE_FIND_PACKAGE_REDIRECTS_DIR}/midisock-config-version.cmake"
  VERSION "${PROJECT_VERSION}" COMPATIBILITY ${midisock_compatibility})
