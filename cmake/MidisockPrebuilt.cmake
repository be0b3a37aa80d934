# The targets from a release archive, in place of a build by cargo: no Rust is needed.

if(IS_DIRECTORY "${MIDISOCK_PREBUILT}")
  set(midisock_unpacked "${MIDISOCK_PREBUILT}")
elseif(EXISTS "${MIDISOCK_PREBUILT}")
  file(SHA256 "${MIDISOCK_PREBUILT}" midisock_sum)
  if(EXISTS "${MIDISOCK_PREBUILT}.sha256")
    file(READ "${MIDISOCK_PREBUILT}.sha256" midisock_line)
    string(TOLOWER "${midisock_line}" midisock_line)
    if(NOT midisock_line MATCHES "^${midisock_sum}( |$)")
      message(FATAL_ERROR "midisock: ${MIDISOCK_PREBUILT} is not the file whose checksum is in ${MIDISOCK_PREBUILT}.sha256")
    endif()
  endif()
  set(midisock_unpacked "${PROJECT_BINARY_DIR}/prebuilt/${midisock_sum}")
  if(NOT EXISTS "${midisock_unpacked}")
    file(ARCHIVE_EXTRACT INPUT "${MIDISOCK_PREBUILT}" DESTINATION "${midisock_unpacked}.new")
    file(RENAME "${midisock_unpacked}.new" "${midisock_unpacked}")
  endif()
else()
  message(FATAL_ERROR "midisock: MIDISOCK_PREBUILT is ${MIDISOCK_PREBUILT}, and there is no such archive or folder")
endif()

file(GLOB_RECURSE midisock_found "${midisock_unpacked}/midisock-config.cmake")
list(LENGTH midisock_found midisock_line)
if(NOT midisock_line EQUAL 1)
  message(FATAL_ERROR "midisock: ${MIDISOCK_PREBUILT} is not an archive of midisock: it has ${midisock_line} files "
    "midisock-config.cmake")
endif()
cmake_path(GET midisock_found PARENT_PATH midisock_found)

# The archive must be for this version, and for a machine with pointers of the same size.
unset(midisock_DIR CACHE)
set(midisock_target_scope GLOBAL)
find_package(midisock ${PROJECT_VERSION} EXACT CONFIG QUIET NO_DEFAULT_PATH PATHS "${midisock_found}")
if(NOT midisock_FOUND)
  list(JOIN midisock_CONSIDERED_VERSIONS ", " midisock_line)
  message(FATAL_ERROR "midisock: ${MIDISOCK_PREBUILT} has version ${midisock_line}, and this is ${PROJECT_VERSION} "
    "for pointers of ${CMAKE_SIZEOF_VOID_P} bytes ${midisock_NOT_FOUND_MESSAGE}")
endif()
