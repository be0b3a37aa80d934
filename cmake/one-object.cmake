# Makes libmidisock.a of one object, in which only the header's functions are global, and hidden:
#
#   cmake -DARCHIVE=<cargo's libmidisock.a> -DHEADER=<midisock.h> -DOUTPUT=<libmidisock.a> -DOBJCOPY=<objcopy> -DAR=<ar>
#         -P one-object.cmake -- <C compiler> <options>...
#
# In cargo's archive the functions of Rust's standard library are global too, so that two such archives do not link into one
# plugin. Here no other library sees them, and a plugin does not export the header's functions by accident.
cmake_minimum_required(VERSION 3.22)

set(compiler)
set(is_compiler FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(number RANGE ${last})
  if(is_compiler)
    list(APPEND compiler "${CMAKE_ARGV${number}}")
  elseif(CMAKE_ARGV${number} STREQUAL "--")
    set(is_compiler TRUE)
  endif()
endforeach()

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " line)
    message(FATAL_ERROR "midisock: libmidisock.a cannot be made of one object (MIDISOCK_ONE_OBJECT=OFF leaves it as cargo "
      "makes it): ${line}: ${status}\n${said}")
  endif()
endfunction()

# A table of the header's functions keeps them, and declares them hidden, which the linker then applies to their definitions.
file(READ "${HEADER}" text)
string(REGEX REPLACE "/[*]([^*]|[*]+[^*/])*[*]+/" "" text "${text}")
string(REGEX MATCHALL "midisock_[a-z0-9_]+[(]" names "${text}")
string(REPLACE "(" "" names "${names}")
list(REMOVE_DUPLICATES names)
if(names STREQUAL "")
  message(FATAL_ERROR "midisock: ${HEADER} declares no function")
endif()
set(source "typedef void function(void);\n")
set(table "")
foreach(name IN LISTS names)
  string(APPEND source "extern __attribute__((visibility(\"hidden\"))) function ${name};\n")
  string(APPEND table "    ${name},\n")
endforeach()
string(APPEND source "__attribute__((section(\".midisock_kept\"))) function *const midisock_kept[] = {\n${table}};\n")

cmake_path(GET OUTPUT PARENT_PATH folder)
set(work "${folder}/one-object")
file(MAKE_DIRECTORY "${work}")
file(WRITE "${work}/kept.c" "${source}")
list(JOIN names "\n" lines)
file(WRITE "${work}/exports" "${lines}\n")

run(${compiler} -fPIC -O1 -c -o "${work}/kept.o" "${work}/kept.c")
run(${compiler} -r -nostdlib -fuse-ld=bfd -Wl,--gc-sections,--force-group-allocation,-u,midisock_kept
  -o "${work}/linked.o" "${work}/kept.o" "${ARCHIVE}")
# The sections of LLVM's bitcode make ar fail.
run("${OBJCOPY}" --remove-section=.llvmbc --remove-section=.llvmcmd --remove-section=.midisock_kept
  --remove-section=.rela.midisock_kept --remove-section=.rel.midisock_kept "--keep-global-symbols=${work}/exports"
  "${work}/linked.o" "${work}/midisock.o")
file(REMOVE "${work}/libmidisock.a")
run("${AR}" rcs "${work}/libmidisock.a" "${work}/midisock.o")
# Programs are linked again only if it changed.
file(COPY_FILE "${work}/libmidisock.a" "${OUTPUT}" ONLY_IF_DIFFERENT)
file(REMOVE_RECURSE "${work}")
