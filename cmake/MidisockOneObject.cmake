# Whether libmidisock.a is made of one object (see one-object.cmake): ELF only, with a compiler that has GNU's linker.

set(MIDISOCK_ONE_OBJECT AUTO CACHE STRING
  "Make libmidisock.a of one object, which links beside other Rust libraries: ON, OFF, or AUTO: where the compiler's tools can")
set_property(CACHE MIDISOCK_ONE_OBJECT PROPERTY STRINGS AUTO ON OFF)
mark_as_advanced(MIDISOCK_ONE_OBJECT)

# The compiler as CMake calls it, with its target and the options that choose a machine.
set(midisock_compiler "${CMAKE_C_COMPILER}")
separate_arguments(midisock_line UNIX_COMMAND "${CMAKE_C_COMPILER_ARG1}")
list(APPEND midisock_compiler ${midisock_line})
if(CMAKE_C_COMPILER_TARGET AND CMAKE_C_COMPILER_ID MATCHES "Clang")
  list(APPEND midisock_compiler "--target=${CMAKE_C_COMPILER_TARGET}")
endif()
if(CMAKE_SYSROOT)
  list(APPEND midisock_compiler "--sysroot=${CMAKE_SYSROOT}")
endif()
string(REGEX MATCHALL "(^| )-m[^ ]+" midisock_line "${CMAKE_C_FLAGS}")
string(REPLACE " " "" midisock_line "${midisock_line}")
list(APPEND midisock_compiler ${midisock_line})

# midisock_one_object_command(<variable> <archive> <header> <output>)
function(midisock_one_object_command variable archive header output)
  set(${variable} "${CMAKE_COMMAND}" "-DARCHIVE=${archive}" "-DHEADER=${header}" "-DOUTPUT=${output}"
    "-DOBJCOPY=${CMAKE_OBJCOPY}" "-DAR=${CMAKE_AR}" -P "${PROJECT_SOURCE_DIR}/cmake/one-object.cmake"
    -- ${midisock_compiler} PARENT_SCOPE)
endfunction()

# Tries it with an archive of one function.
function(midisock_try_one_object variable)
  set(folder "${PROJECT_BINARY_DIR}/CMakeFiles/midisock-one-object")
  file(MAKE_DIRECTORY "${folder}")
  file(WRITE "${folder}/try.h" "void midisock_try(void);\n")
  file(WRITE "${folder}/try.c" "void midisock_try(void);\nvoid midisock_try(void)\n{\n}\n")
  file(REMOVE "${folder}/try.a")
  midisock_one_object_command(make "${folder}/try.a" "${folder}/try.h" "${folder}/made.a")
  execute_process(
    COMMAND ${midisock_compiler} -fPIC -c -o "${folder}/try.o" "${folder}/try.c"
    COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND "${CMAKE_AR}" rcs "${folder}/try.a" "${folder}/try.o" COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${make} RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(status EQUAL 0)
    set(said "")
  endif()
  set(${variable} "${said}" PARENT_SCOPE)
endfunction()

set(midisock_one_object OFF)
if(MIDISOCK_ONE_OBJECT AND (WIN32 OR APPLE))
  set(midisock_line "it is for ELF only")
elseif(MIDISOCK_ONE_OBJECT AND (NOT CMAKE_OBJCOPY OR NOT CMAKE_AR))
  set(midisock_line "there is no objcopy or no ar")
elseif(MIDISOCK_ONE_OBJECT)
  midisock_try_one_object(midisock_line)
  if(midisock_line STREQUAL "")
    set(midisock_one_object ON)
  endif()
endif()
if(MIDISOCK_ONE_OBJECT AND NOT midisock_one_object)
  if(NOT MIDISOCK_ONE_OBJECT STREQUAL "AUTO")
    message(FATAL_ERROR "midisock: MIDISOCK_ONE_OBJECT is ${MIDISOCK_ONE_OBJECT}, but: ${midisock_line}")
  elseif(NOT WIN32 AND NOT APPLE)
    message(STATUS "midisock: libmidisock.a does not link beside other Rust libraries: ${midisock_line}")
  endif()
endif()
