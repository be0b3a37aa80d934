# The test programs in tests/c and tests/cpp, for ctest. A C program runs each of its cases in a process with a deadline of its
# own; the time-out of ctest ends a program that hangs all the same.
include(CTest)
enable_language(CXX)

set(MIDISOCK_TEST_TIMEOUT 150 CACHE STRING "Seconds after which ctest ends a test program as failed")

# midisock_add_test(<name> <source>...): a program that is one test.
function(midisock_add_test name)
  midisock_add_program(midisock-${name} ${ARGN})
  add_test(NAME ${name} COMMAND midisock-${name})
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
