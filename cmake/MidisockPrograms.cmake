# The tools, the LV2 plugin and the simplest examples, in C99.

# Installed programs find the library from where they lie, so that both may be moved together; unless a directory was given
# as absolute, and stays.
include(GNUInstallDirs)
if(IS_ABSOLUTE "${CMAKE_INSTALL_BINDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(midisock_rpath "${CMAKE_INSTALL_FULL_LIBDIR}")
else()
  file(RELATIVE_PATH midisock_rpath "/prefix/${CMAKE_INSTALL_BINDIR}" "/prefix/${CMAKE_INSTALL_LIBDIR}")
  set(midisock_rpath "$<IF:$<PLATFORM_ID:Darwin>,@loader_path,$ORIGIN>/${midisock_rpath}")
endif()

# The warnings for every target here. Each source is a unit of its own: they were not written to share one.
function(midisock_set_strict name)
  set_target_properties(${name} PROPERTIES C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF UNITY_BUILD OFF)
  if(MSVC)
    target_compile_options(${name} PRIVATE /W4 $<$<BOOL:${MIDISOCK_WERROR}>:/WX>)
  else()
    target_compile_options(${name} PRIVATE
      -Wall -Wextra -Wpedantic $<$<BOOL:${MIDISOCK_WERROR}>:-Werror>)
  endif()
endfunction()

# midisock_add_program(<name> <source>...): a program that is held to what the header promises.
function(midisock_add_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE midisock::shared)
  midisock_set_strict(${name})
  set_target_properties(${name} PROPERTIES
    NO_SYSTEM_FROM_IMPORTED ON # the header's own warnings count
    INSTALL_RPATH "${midisock_rpath}")
  if(MINGW)
    # C99's formats in place of those of Windows' own library.
    target_compile_definitions(${name} PRIVATE __USE_MINGW_ANSI_STDIO=1)
  endif()
endfunction()

# The part of the tools that depends on the system: on Windows tools/windows/platform.c stands in for that of tools/common.
function(midisock_choose_platform variable)
  if(WIN32)
    list(FILTER ${variable} EXCLUDE REGEX "/common/platform\\.c$")
    list(APPEND ${variable} "${PROJECT_SOURCE_DIR}/tools/windows/platform.c")
    set(${variable} "${${variable}}" PARENT_SCOPE)
  endif()
endfunction()

# midisock_add_tool(<name> <folder>...): midisock-<name> of all the C files in these folders of tools and in tools/common.
set(midisock_tools)
function(midisock_add_tool name)
  set(sources)
  foreach(folder IN ITEMS ${ARGN} common)
    file(GLOB found CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tools/${folder}/*.c")
    list(APPEND sources ${found})
  endforeach()
  midisock_choose_platform(sources)
  midisock_add_program(midisock-${name} ${sources})
  set(midisock_tools ${midisock_tools} midisock-${name} PARENT_SCOPE)
endfunction()

if(MIDISOCK_BUILD_TOOLS)
  midisock_add_tool(monitor monitor)
  midisock_add_tool(send send midi-file)
  midisock_add_tool(echo echo)
endif()

# JACK is one of the system's libraries where it is at all: without it there is one tool less.
if(MIDISOCK_BUILD_TOOLS AND MIDISOCK_BUILD_JACK)
  find_path(MIDISOCK_JACK_INCLUDE_DIR jack/midiport.h)
  find_library(MIDISOCK_JACK_LIBRARY jack)
  mark_as_advanced(MIDISOCK_JACK_INCLUDE_DIR MIDISOCK_JACK_LIBRARY)
  if(MIDISOCK_JACK_INCLUDE_DIR AND MIDISOCK_JACK_LIBRARY)
    midisock_add_tool(jack jack)
    target_include_directories(midisock-jack SYSTEM PRIVATE "${MIDISOCK_JACK_INCLUDE_DIR}")
    target_link_libraries(midisock-jack PRIVATE "${MIDISOCK_JACK_LIBRARY}")
  elseif(MIDISOCK_BUILD_JACK STREQUAL "AUTO")
    message(STATUS "midisock: no JACK here, and so no midisock-jack")
  else()
    message(FATAL_ERROR "midisock: MIDISOCK_BUILD_JACK is ${MIDISOCK_BUILD_JACK}, and there is no JACK: jack/midiport.h and "
      "libjack, of libjack-jackd2-dev on Debian")
  endif()
endif()

if(MIDISOCK_BUILD_LV2)
  find_path(MIDISOCK_LV2_INCLUDE_DIR lv2/core/lv2.h REQUIRED)
  mark_as_advanced(MIDISOCK_LV2_INCLUDE_DIR)
  set(midisock_lv2_dir "${PROJECT_SOURCE_DIR}/examples/lv2")
  add_library(midisock-lv2 MODULE "${midisock_lv2_dir}/midisock.c")
  # The static library: a plugin brings its own.
  target_link_libraries(midisock-lv2 PRIVATE midisock::static)
  target_include_directories(midisock-lv2 SYSTEM PRIVATE "${MIDISOCK_LV2_INCLUDE_DIR}")
  midisock_set_strict(midisock-lv2)
  # A bundle for each configuration, where there are several in one build tree.
  get_property(midisock_several GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  set(midisock_bundle "${PROJECT_BINARY_DIR}/$<$<BOOL:${midisock_several}>:$<CONFIG>/>midisock.lv2")
  set_target_properties(midisock-lv2 PROPERTIES
    C_VISIBILITY_PRESET hidden NO_SYSTEM_FROM_IMPORTED ON
    PREFIX "" OUTPUT_NAME midisock SUFFIX ".so" # as manifest.ttl has it
    LIBRARY_OUTPUT_DIRECTORY "${midisock_bundle}")
  foreach(file IN ITEMS manifest midisock presets)
    file(GENERATE OUTPUT "${midisock_bundle}/${file}.ttl" INPUT "${midisock_lv2_dir}/${file}.ttl")
  endforeach()
endif()

if(MIDISOCK_BUILD_EXAMPLES)
  foreach(example IN ITEMS server client)
    midisock_add_program(midisock-simple-${example} "${PROJECT_SOURCE_DIR}/examples/c/simple-${example}.c")
  endforeach()
endif()
