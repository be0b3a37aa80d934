# midisock for vcpkg, from this checkout: vcpkg install midisock --overlay-ports=packaging/vcpkg. It needs cargo on PATH.
# One build is for all configurations: the interface is C's, and Rust links the same C runtime in each.
set(VCPKG_BUILD_TYPE release)
cmake_path(SET SOURCE_PATH NORMALIZE "${CURRENT_PORT_DIR}/../../..")

# vcpkg's names of machines and systems are not Rust's. Only a build for another machine needs a name.
set(target)
if(VCPKG_CROSSCOMPILING)
  if(VCPKG_TARGET_ARCHITECTURE STREQUAL "x64")
    set(target x86_64)
  elseif(VCPKG_TARGET_ARCHITECTURE STREQUAL "x86")
    set(target i686)
  elseif(VCPKG_TARGET_ARCHITECTURE STREQUAL "arm64")
    set(target aarch64)
  else()
    message(FATAL_ERROR "midisock: no Rust target is known for ${VCPKG_TARGET_ARCHITECTURE}")
  endif()
  if(VCPKG_TARGET_IS_MINGW)
    string(APPEND target -pc-windows-gnu)
  elseif(VCPKG_TARGET_IS_WINDOWS)
    string(APPEND target -pc-windows-msvc)
  elseif(VCPKG_TARGET_IS_OSX)
    string(APPEND target -apple-darwin)
  else()
    string(APPEND target -unknown-linux-gnu)
  endif()
endif()

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -DMIDISOCK_INSTALL=ON
    -DMIDISOCK_BUILD_TOOLS=OFF
    "-DMIDISOCK_CARGO_TARGET=${target}")
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/midisock)
vcpkg_fixup_pkgconfig()

# A triplet asks for one of the two libraries: midisock-config.cmake notices which is there.
set(lib "${CURRENT_PACKAGES_DIR}/lib")
if(VCPKG_LIBRARY_LINKAGE STREQUAL "static")
  file(GLOB unwanted "${lib}/libmidisock.so*" "${lib}/libmidisock*.dylib" "${lib}/midisock.dll.lib" "${lib}/libmidisock.dll.a"
    "${CURRENT_PACKAGES_DIR}/bin")
else()
  file(GLOB unwanted "${lib}/libmidisock.a" "${lib}/midisock.lib")
endif()
file(REMOVE_RECURSE ${unwanted} "${CURRENT_PACKAGES_DIR}/share/doc" "${CURRENT_PACKAGES_DIR}/share/licenses")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE-MIT" "${SOURCE_PATH}/LICENSE-APACHE")
file(INSTALL "${CURRENT_PORT_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
