# The tools and the shortest examples, in C99.

# Installed programs find the library from where they lie, so that both may be moved together; unless a directory was given
# as absolute, and stays.
include(GNUInstallDirs)
if(IS_ABSOLUTE "${CMAKE_INSTALL_BINDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(midisock_rpath "${CMAKE_INSTALL_FULL_LIBDIR}")
else()
  file(RELATIVE_PATH midisock_rpath "/prefix/${CMAKE_INSTALL_BINDIR}" "/prefix/${CMAKE_INSTALL_LIBDIR}")
  set(midisock_rpath "$<IF:$<PLATFORM_ID:Darwin>,@loader_path,$ORIGIN>/${midisock_rpath}")
endif()

# midisock_add_program(<name> <source>...): a program that is held to what the header promises.
function(midisock_add_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE midisock::shared)
  set_target_properties(${name} PROPERTIES
    C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
    NO_SYSTEM_FROM_IMPORTED ON # the header's own warnings count
    INSTALL_RPATH "${midisock_rpath}")
  if(MSVC)
    target_compile_options(${name} PRIVATE /W4 $<$<BOOL:${MIDISOCK_WERROR}>:/WX>)
  else()
    target_compile_options(${name} PRIVATE
      -Wall -Wextra -Wpedantic $<$<BOOL:${MIDISOCK_WERROR}>:-Werror>)
  endif()
endfunction()

set(midisock_programs_dir "${PROJECT_SOURCE_DIR}/examples/c")

if(MIDISOCK_BUILD_TOOLS)
  set(midisock_monitor_sources address cli decode message platform report)
  set(midisock_echo_sources ${midisock_monitor_sources})
  set(midisock_send_sources
    address cli held message midi_file platform player progress sender smf smf_time words)
  set(midisock_tools)
  foreach(tool IN ITEMS monitor send echo)
    list(TRANSFORM midisock_${tool}_sources REPLACE "(.+)" "${midisock_programs_dir}/\\1.c"
      OUTPUT_VARIABLE sources)
    midisock_add_program(midisock-${tool} "${midisock_programs_dir}/midisock-${tool}.c" ${sources})
    list(APPEND midisock_tools midisock-${tool})
  endforeach()
endif()

if(MIDISOCK_BUILD_EXAMPLES)
  foreach(example IN ITEMS server client)
    midisock_add_program(midisock-simple-${example} "${midisock_programs_dir}/simple-${example}.c")
  endforeach()
endif()
