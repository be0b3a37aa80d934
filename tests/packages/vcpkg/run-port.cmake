# Runs the port's portfile.cmake without vcpkg: PORT, WORK and LINKAGE are given. The functions stand for vcpkg's of the same name,
# as its documentation describes them, as far as the port uses them.
cmake_minimum_required(VERSION 3.22)

set(CURRENT_PORT_DIR "${PORT}")
cmake_path(GET PORT FILENAME PORT)
set(CURRENT_PACKAGES_DIR "${WORK}/package")
set(VCPKG_LIBRARY_LINKAGE "${LINKAGE}")
set(VCPKG_TARGET_ARCHITECTURE x64)
set(VCPKG_TARGET_IS_LINUX ON)
set(VCPKG_CROSSCOMPILING OFF)

function(must)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 given "" "SOURCE_PATH" "OPTIONS")
  set(shared OFF)
  if(VCPKG_LIBRARY_LINKAGE STREQUAL "dynamic")
    set(shared ON)
  endif()
  must("${CMAKE_COMMAND}" -S "${given_SOURCE_PATH}" -B "${WORK}/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=${shared}
    -DCMAKE_INSTALL_LIBDIR=lib "-DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR}" "-DMIDISOCK_CARGO_TARGET_DIR=${CARGO_TARGET_DIR}"
    ${given_OPTIONS})
endfunction()

function(vcpkg_cmake_install)
  must("${CMAKE_COMMAND}" --build "${WORK}/build")
  must("${CMAKE_COMMAND}" --install "${WORK}/build")
endfunction()

# vcpkg moves the files from CONFIG_PATH to share/<port>, where they look for the prefix two folders above.
function(vcpkg_cmake_config_fixup)
  cmake_parse_arguments(PARSE_ARGV 0 given "" "CONFIG_PATH" "")
  file(COPY "${CURRENT_PACKAGES_DIR}/${given_CONFIG_PATH}/" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
  file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/lib/cmake")
  set(file "${CURRENT_PACKAGES_DIR}/share/${PORT}/midisock-config.cmake")
  file(READ "${file}" text)
  string(REPLACE "/../../../\" ABSOLUTE)" "/../../\" ABSOLUTE)" text "${text}")
  file(WRITE "${file}" "${text}")
endfunction()

function(vcpkg_fixup_pkgconfig)
endfunction()

function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 given "" "" "FILE_LIST")
  foreach(file IN LISTS given_FILE_LIST)
    file(READ "${file}" text)
    file(APPEND "${CURRENT_PACKAGES_DIR}/share/${PORT}/copyright" "${text}\n")
  endforeach()
endfunction()

include("${CURRENT_PORT_DIR}/portfile.cmake")
