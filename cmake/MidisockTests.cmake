# The test programs in tests/c, tests/cpp and tests/tools, for ctest. A C program runs each of its cases in a process with a deadline of its
# own; the time-out of ctest ends a program that hangs all the same.
include(CTest)
enable_language(CXX)

set(MIDISOCK_TEST_TIMEOUT 150 CACHE STRING "Seconds after which ctest ends a test program as failed")

# midisock_add_test(<name> <source>... [ARGUMENTS <argument>...]): a program that is one test.
function(midisock_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 test "" "" "ARGUMENTS")
  midisock_add_program(midisock-${name} ${test_UNPARSED_ARGUMENTS})
  add_test(NAME ${name} COMMAND midisock-${name} ${test_ARGUMENTS})
  set_tests_properties(${name} PROPERTIES TIMEOUT "${MIDISOCK_TEST_TIMEOUT}")
endfunction()

# Each test_*.c is a program. All programs link the other sources.
file(GLOB midisock_c_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/c/*.c")
set(midisock_c_tests ${midisock_c_sources})
list(FILTER midisock_c_tests INCLUDE REGEX "/test_[^/]*\\.c$")
list(REMOVE_ITEM midisock_c_sources ${midisock_c_tests})
find_package(Threads REQUIRED)
add_library(midisock-test-helpers OBJECT ${midisock_c_sources})
target_include_directories(midisock-test-helpers PUBLIC "${PROJECT_SOURCE_DIR}/tests/c")
target_link_libraries(midisock-test-helpers PUBLIC midisock::shared Threads::Threads)
midisock_set_strict(midisock-test-helpers)
foreach(source IN LISTS midisock_c_tests)
  cmake_path(GET source STEM name)
  midisock_add_test(${name} "${source}")
  target_link_libraries(midisock-${name} PRIVATE midisock-test-helpers)
endforeach()

# The tools' readers: each source in tests/tools is a program with the parts of midisock-send that read, and the harness of the
# C tests. A program that tests random inputs takes fewer of them here than in scripts/test.
set(midisock_reader_sources)
foreach(folder IN ITEMS send midi-file common)
  file(GLOB found CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tools/${folder}/*.c")
  list(APPEND midisock_reader_sources ${found})
endforeach()
list(FILTER midisock_reader_sources EXCLUDE REGEX "/midisock-send\\.c$")
add_library(midisock-readers OBJECT ${midisock_reader_sources} "${PROJECT_SOURCE_DIR}/tests/c/check.c")
target_include_directories(midisock-readers PUBLIC "${PROJECT_SOURCE_DIR}/tests/c")
target_link_libraries(midisock-readers PUBLIC midisock::shared Threads::Threads)
midisock_set_strict(midisock-readers)
file(GLOB midisock_tool_tests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/tools/*.c")
foreach(source IN LISTS midisock_tool_tests)
  cmake_path(GET source STEM name)
  set(arguments)
  if(name MATCHES "^fuzz_")
    set(arguments 10000)
  endif()
  midisock_add_test(tools-${name} "${source}" ARGUMENTS ${arguments})
  target_link_libraries(midisock-tools-${name} PRIVATE midisock-readers)
endforeach()

# The C++ header, in each standard that it supports.
file(GLOB midisock_cpp_tests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/cpp/test_*.cpp")
foreach(source IN LISTS midisock_cpp_tests)
  foreach(standard IN ITEMS 17 20)
    cmake_path(GET source STEM name)
    string(APPEND name "-cxx${standard}")
    midisock_add_test(${name} "${source}")
    target_link_libraries(midisock-${name} PRIVATE Threads::Threads)
    set_target_properties(midisock-${name} PROPERTIES
      CXX_STANDARD ${standard} CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
  endforeach()
endforeach()
