# What midisock's targets ask of whoever links them, written once: CMakeLists.txt uses this file for
# add_subdirectory and FetchContent, and it is installed for find_package.

# What the Rust standard library inside libmidisock.a needs of the system.
if(WIN32)
  set(midisock_NATIVE_LIBRARIES kernel32 ntdll userenv ws2_32 dbghelp)
elseif(APPLE)
  set(midisock_NATIVE_LIBRARIES iconv m)
else()
  set(midisock_NATIVE_LIBRARIES gcc_s util rt pthread m dl c)
endif()

# Elf only. A plugin must not export the symbols of the library inside it (two plugins with different
# versions would get in each other's way), and must stay mapped after dlclose: Rust's thread-locals
# leave destructors behind in the host's threads.
set(midisock_STATIC_LINK_OPTIONS)
if(NOT WIN32 AND NOT APPLE)
  set(midisock_STATIC_LINK_OPTIONS -Wl,--exclude-libs,libmidisock.a -Wl,-z,nodelete)
endif()

# midisock_add_targets(<include directory> <"GLOBAL" or ""> <"shared", "static" or both>...)
# The caller sets where the library files are.
function(midisock_add_targets include_directory scope)
  foreach(kind IN LISTS ARGN)
    string(TOUPPER ${kind} type)
    add_library(midisock::${kind} ${type} IMPORTED ${scope})
    set_target_properties(midisock::${kind} PROPERTIES
      INTERFACE_INCLUDE_DIRECTORIES "${include_directory}")
  endforeach()

  if("static" IN_LIST ARGN)
    set_target_properties(midisock::static PROPERTIES
      IMPORTED_LINK_INTERFACE_LANGUAGES C
      INTERFACE_COMPILE_DEFINITIONS "$<$<PLATFORM_ID:Windows>:MIDISOCK_STATIC>"
      INTERFACE_LINK_LIBRARIES "${midisock_NATIVE_LIBRARIES}"
      INTERFACE_LINK_OPTIONS "${midisock_STATIC_LINK_OPTIONS}")
  endif()

  # As add_library does for libraries made here: static unless BUILD_SHARED_LIBS says otherwise.
  if("shared" IN_LIST ARGN AND (BUILD_SHARED_LIBS OR NOT "static" IN_LIST ARGN))
    set(chosen shared)
  else()
    set(chosen static)
  endif()
  add_library(midisock::midisock INTERFACE IMPORTED ${scope})
  set_target_properties(midisock::midisock PROPERTIES
    INTERFACE_LINK_LIBRARIES midisock::${chosen})
endfunction()
