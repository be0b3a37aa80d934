# Builds both libraries with one run of cargo and makes the targets for them.

find_program(MIDISOCK_CARGO cargo
  HINTS "$ENV{CARGO_HOME}/bin" "$ENV{HOME}/.cargo/bin" "$ENV{USERPROFILE}/.cargo/bin"
  DOC "cargo, which builds midisock")
if(NOT MIDISOCK_CARGO)
  message(FATAL_ERROR "midisock is built by Rust's cargo, and there is none: install it from "
    "https://rustup.rs, or set MIDISOCK_CARGO")
endif()
set(MIDISOCK_CARGO_TARGET "" CACHE STRING
  "The Rust target to build for, such as aarch64-unknown-linux-gnu; empty: this machine")
set(MIDISOCK_CARGO_PROFILE "" CACHE STRING
  "The cargo profile to build in every configuration; empty: by configuration")
set(MIDISOCK_CARGO_TARGET_DIR "${PROJECT_BINARY_DIR}/cargo" CACHE PATH
  "Where cargo builds; several build trees may share one")
set(MIDISOCK_VENDOR_DIR "" CACHE PATH
  "Crates as `cargo vendor` leaves them: builds without the network; empty: vendor beside Cargo.toml, if there")
mark_as_advanced(MIDISOCK_CARGO MIDISOCK_CARGO_PROFILE MIDISOCK_CARGO_TARGET_DIR)

if(CMAKE_CROSSCOMPILING AND NOT MIDISOCK_CARGO_TARGET)
  message(FATAL_ERROR "midisock: cross-compiling for ${CMAKE_SYSTEM_NAME} on ${CMAKE_SYSTEM_PROCESSOR}: set "
    "MIDISOCK_CARGO_TARGET to Rust's name for it (`rustc --print target-list`)")
endif()

# The ABI of Microsoft's compiler. MSVC is not set for clang with the options of gcc.
set(midisock_msvc OFF)
if(MSVC OR CMAKE_C_SIMULATE_ID STREQUAL "MSVC")
  set(midisock_msvc ON)
endif()

# Configurations differ in the cargo profile and the folder that cargo names after it.
if(MIDISOCK_CARGO_PROFILE)
  set(midisock_profile "${MIDISOCK_CARGO_PROFILE}")
else()
  set(midisock_profile "$<IF:$<CONFIG:Debug>,dev,$<IF:$<CONFIG:RelWithDebInfo>,relwithdebinfo,$<IF:$<CONFIG:MinSizeRel>,minsizerel,release>>>")
endif()
set(midisock_built "$<IF:$<STREQUAL:${midisock_profile},dev>,debug,${midisock_profile}>")
set(midisock_built "${MIDISOCK_CARGO_TARGET_DIR}/${MIDISOCK_CARGO_TARGET}/${midisock_built}")

set(midisock_environment --unset=MAKEFLAGS --unset=MFLAGS --unset=CARGO_BUILD_TARGET)
set(midisock_arguments
  --lib --locked --profile "${midisock_profile}"
  --manifest-path "${PROJECT_SOURCE_DIR}/Cargo.toml" --target-dir "${MIDISOCK_CARGO_TARGET_DIR}"
  # The profiles that Cargo.toml does not have.
  --config profile.relwithdebinfo.inherits="release" --config profile.relwithdebinfo.debug="full"
  --config profile.minsizerel.inherits="release" --config profile.minsizerel.opt-level="s")
if(NOT MIDISOCK_DISCOVERY)
  list(APPEND midisock_arguments --no-default-features)
endif()
if(MIDISOCK_CARGO_TARGET)
  list(APPEND midisock_arguments --target "${MIDISOCK_CARGO_TARGET}")
endif()
if(CMAKE_CROSSCOMPILING)
  string(TOUPPER "CARGO_TARGET_${MIDISOCK_CARGO_TARGET}_LINKER" midisock_linker)
  string(REGEX REPLACE "[-.]" "_" midisock_linker "${midisock_linker}")
endif()
if(CMAKE_CROSSCOMPILING AND midisock_msvc)
  # Rust calls the linker of this ABI itself.
  list(APPEND midisock_environment "${midisock_linker}=${CMAKE_LINKER}")
elseif(CMAKE_CROSSCOMPILING)
  # Cargo links like CMake: with the C compiler, its target and its sysroot.
  list(APPEND midisock_environment "${midisock_linker}=${CMAKE_C_COMPILER}")
  # For build.rs.
  if(CMAKE_C_COMPILER_TARGET AND CMAKE_C_COMPILER_ID MATCHES "Clang")
    list(APPEND midisock_environment "MIDISOCK_LINK_TARGET=${CMAKE_C_COMPILER_TARGET}")
  endif()
  if(CMAKE_SYSROOT)
    list(APPEND midisock_environment "MIDISOCK_LINK_SYSROOT=${CMAKE_SYSROOT}")
  endif()
endif()
set(midisock_vendor "${MIDISOCK_VENDOR_DIR}")
if(NOT midisock_vendor AND IS_DIRECTORY "${PROJECT_SOURCE_DIR}/vendor")
  set(midisock_vendor "${PROJECT_SOURCE_DIR}/vendor")
endif()
if(midisock_vendor)
  list(APPEND midisock_arguments --offline
    --config source.crates-io.replace-with="midisock-vendored"
    --config "source.midisock-vendored.directory=\"${midisock_vendor}\"")
endif()

# Names of the library for cargo, for the linker and at run time. On macOS a program loads build.rs's install name; its @rpath
# tells CMake that the program needs an rpath.
set(midisock_soname_prefix)
# The file is called after the SONAME, so that packages of two ABIs never share a file.
set(midisock_file_version "${midisock_abi}.${PROJECT_VERSION_MINOR}.${PROJECT_VERSION_PATCH}")
set(midisock_import_library)
set(midisock_import_file)
if(WIN32)
  set(midisock_shared_name midisock.dll)
  set(midisock_soname midisock.dll)
  if(midisock_msvc)
    set(midisock_static_name midisock.lib)
    set(midisock_import_library midisock.dll.lib)
  else()
    set(midisock_static_name libmidisock.a)
    set(midisock_import_library libmidisock.dll.a)
  endif()
  set(midisock_cargo_name midisock.dll)
elseif(APPLE)
  set(midisock_static_name libmidisock.a)
  set(midisock_cargo_name libmidisock.dylib)
  set(midisock_shared_name libmidisock.${midisock_file_version}.dylib)
  set(midisock_soname libmidisock.${midisock_abi}.dylib)
  set(midisock_soname_prefix @rpath/)
else()
  set(midisock_static_name libmidisock.a)
  set(midisock_cargo_name libmidisock.so)
  set(midisock_shared_name libmidisock.so.${midisock_file_version})
  set(midisock_soname libmidisock.so.${midisock_abi})
endif()

# Cargo's output under its installed names. It is touched only if it has changed, so that programs are not linked again for
# nothing. A build tree with several configurations has a folder for each. A build tree with one has one folder, because the
# parent project may still change its build type after this.
set(midisock_stage "${PROJECT_BINARY_DIR}/lib")
if(CMAKE_CONFIGURATION_TYPES)
  string(APPEND midisock_stage "/$<CONFIG>")
endif()
set(midisock_copy COMMAND "${CMAKE_COMMAND}" -E copy_if_different)
set(midisock_link COMMAND "${CMAKE_COMMAND}" -E create_symlink)
set(midisock_steps
  ${midisock_copy} "${midisock_built}/${midisock_cargo_name}" "${midisock_stage}/${midisock_shared_name}")
if(midisock_one_object)
  midisock_one_object_command(midisock_line "${midisock_built}/${midisock_static_name}"
    "${PROJECT_SOURCE_DIR}/include/midisock/midisock.h" "${midisock_stage}/${midisock_static_name}")
  list(APPEND midisock_steps COMMAND ${midisock_line})
else()
  list(APPEND midisock_steps
    ${midisock_copy} "${midisock_built}/${midisock_static_name}" "${midisock_stage}/${midisock_static_name}")
endif()
if(midisock_import_library)
  set(midisock_import_file "${midisock_stage}/${midisock_import_library}")
  list(APPEND midisock_steps ${midisock_copy} "${midisock_built}/${midisock_import_library}" "${midisock_import_file}")
else()
  list(APPEND midisock_steps
    ${midisock_link} ${midisock_shared_name} "${midisock_stage}/${midisock_soname}"
    ${midisock_link} ${midisock_soname} "${midisock_stage}/${midisock_cargo_name}")
endif()

set(midisock_all)
if(PROJECT_IS_TOP_LEVEL OR MIDISOCK_INSTALL)
  set(midisock_all ALL)
endif()
add_custom_target(midisock-cargo ${midisock_all}
  # Cargo itself knows whether there is anything to do.
  COMMAND "${CMAKE_COMMAND}" -E env ${midisock_environment} "${MIDISOCK_CARGO}" build ${midisock_arguments}
  COMMAND "${CMAKE_COMMAND}" -E make_directory "${midisock_stage}"
  ${midisock_steps}
  BYPRODUCTS "${midisock_stage}/${midisock_shared_name}" "${midisock_stage}/${midisock_static_name}" ${midisock_import_file}
  WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
  COMMENT "midisock: cargo build"
  USES_TERMINAL VERBATIM)

midisock_add_targets("${PROJECT_SOURCE_DIR}/include" GLOBAL shared static)
add_dependencies(midisock::shared midisock-cargo)
add_dependencies(midisock::static midisock-cargo)

# The location of an imported target cannot be a generator expression: each configuration has a property.
set(midisock_configurations ${CMAKE_CONFIGURATION_TYPES})
if(NOT midisock_configurations)
  set(midisock_configurations "ANY")
endif()
foreach(configuration IN LISTS midisock_configurations)
  if(configuration STREQUAL "ANY")
    set(suffix "")
    set(stage "${PROJECT_BINARY_DIR}/lib")
  else()
    string(TOUPPER "_${configuration}" suffix)
    set(stage "${PROJECT_BINARY_DIR}/lib/${configuration}")
  endif()
  set_target_properties(midisock::shared PROPERTIES
    IMPORTED_LOCATION${suffix} "${stage}/${midisock_shared_name}"
    IMPORTED_SONAME${suffix} "${midisock_soname_prefix}${midisock_soname}")
  if(midisock_import_library)
    set_target_properties(midisock::shared PROPERTIES
      IMPORTED_IMPLIB${suffix} "${stage}/${midisock_import_library}")
  endif()
  set_target_properties(midisock::static PROPERTIES
    IMPORTED_LOCATION${suffix} "${stage}/${midisock_static_name}")
endforeach()
