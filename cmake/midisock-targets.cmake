# The targets and their link requirements. CMakeLists.txt uses this file for add_subdirectory and FetchContent, and it is
# installed for find_package.

# The project may set policies of an older CMake. This file does not support them.
cmake_policy(VERSION 3.22)

# The system libraries that libmidisock.a needs. They are flags, because CMake would take a bare name for a target of the project.
# Where the archive is one object (midisock_one_object), the compiler adds those that are not here.
if(MSVC)
  set(midisock_NATIVE_LIBRARIES kernel32.lib ntdll.lib userenv.lib ws2_32.lib dbghelp.lib)
elseif(WIN32)
  set(midisock_NATIVE_LIBRARIES -lkernel32 -lntdll -luserenv -lws2_32 -ldbghelp)
elseif(APPLE)
  set(midisock_NATIVE_LIBRARIES -liconv -lm)
elseif(midisock_one_object)
  set(midisock_NATIVE_LIBRARIES -lpthread -lm -ldl)
else()
  set(midisock_NATIVE_LIBRARIES -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc)
endif()

# ELF only. A plugin must stay mapped after dlclose: Rust's thread-locals leave destructors behind in the host's threads. It must
# not export the symbols of the library inside it, because two plugins with different versions would disturb each other; in one
# object they are hidden. These travel with the libraries: below policy CMP0099 link options do not come through a static
# library that links this one privately.
set(midisock_STATIC_LINK_OPTIONS)
if(NOT WIN32 AND NOT APPLE)
  set(midisock_STATIC_LINK_OPTIONS -Wl,-z,nodelete)
  if(NOT midisock_one_object)
    list(APPEND midisock_STATIC_LINK_OPTIONS -Wl,--exclude-libs,libmidisock.a)
  endif()
endif()

# midisock_add_targets(<include directory> <"GLOBAL" or ""> <"shared", "static" or both>...)
# The caller sets the locations of the library files.
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
      INTERFACE_LINK_LIBRARIES "${midisock_STATIC_LINK_OPTIONS};${midisock_NATIVE_LIBRARIES}")
  endif()

  # As add_library does: static unless BUILD_SHARED_LIBS is on.
  if("shared" IN_LIST ARGN AND (BUILD_SHARED_LIBS OR NOT "static" IN_LIST ARGN))
    set(chosen shared)
  else()
    set(chosen static)
  endif()
  add_library(midisock::midisock INTERFACE IMPORTED ${scope})
  set_target_properties(midisock::midisock PROPERTIES
    INTERFACE_LINK_LIBRARIES midisock::${chosen})

  # The project's CMAKE_MAP_IMPORTED_CONFIG_... is meant for other packages: each configuration exists here.
  foreach(configuration IN LISTS CMAKE_CONFIGURATION_TYPES CMAKE_BUILD_TYPE ITEMS Debug Release RelWithDebInfo MinSizeRel)
    string(TOUPPER "${configuration}" configuration)
    foreach(kind IN LISTS ARGN ITEMS midisock)
      set_property(TARGET midisock::${kind} PROPERTY MAP_IMPORTED_CONFIG_${configuration})
    endforeach()
  endforeach()
endfunction()

# midisock_find_juce_module(<variable>): the folder for juce_add_module() that belongs to the present targets.
function(midisock_find_juce_module variable)
  foreach(kind IN ITEMS shared static)
    if(TARGET midisock::${kind})
      get_target_property(directory midisock::${kind} INTERFACE_INCLUDE_DIRECTORIES)
      set(${variable} "${directory}/midisock_juce" PARENT_SCOPE)
    endif()
  endforeach()
endfunction()
