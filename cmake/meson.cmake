# Builds the static library in FOLDER and copies it to OUTPUT: for meson.build.
cmake_minimum_required(VERSION 3.22)
file(REAL_PATH "${CMAKE_CURRENT_LIST_DIR}/.." source)
cmake_path(GET OUTPUT FILENAME name)
set(options)
if(NOT "$ENV{CARGO_TARGET_DIR}" STREQUAL "")
  set(options "-DMIDISOCK_CARGO_TARGET_DIR=$ENV{CARGO_TARGET_DIR}")
endif()
execute_process(
  COMMAND "${CMAKE_COMMAND}" -S "${source}" -B "${FOLDER}" -DCMAKE_BUILD_TYPE=Release -DMIDISOCK_BUILD_TOOLS=OFF
    -DMIDISOCK_INSTALL=OFF ${options}
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(
  COMMAND "${CMAKE_COMMAND}" --build "${FOLDER}" --config Release --target midisock-cargo
  COMMAND_ERROR_IS_FATAL ANY)
file(GLOB_RECURSE built "${FOLDER}/lib/${name}")
file(COPY_FILE "${built}" "${OUTPUT}" ONLY_IF_DIFFERENT)
