# The test programs in tests/c and tests/cpp for ctest. Each has its own deadlines for each case.
include(CTest)
enable_language(CXX)

# A source with a main is a program, the others belong to all of them.
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
  midisock_add_program(midisock-${name} "${source}")
  target_link_libraries(midisock-${name} PRIVATE midisock-test-helpers)
  add_test(NAME ${name} COMMAND midisock-${name})
endforeach()

# The C++ header in each language that it is for.
file(GLOB midisock_cpp_tests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/cpp/test_*.cpp")
foreach(source IN LISTS midisock_cpp_tests)
  foreach(standard IN ITEMS 17 20)
    cmake_path(GET source STEM name)
    string(APPEND name "-cxx${standard}")
    midisock_add_program(midisock-${name} "${source}")
    target_link_libraries(midisock-${name} PRIVATE Threads::Threads)
    set_target_properties(midisock-${name} PROPERTIES
      CXX_STANDARD ${standard} CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
    add_test(NAME ${name} COMMAND midisock-${name})
  endforeach()
endforeach()
