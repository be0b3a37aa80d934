# Builds the static library in FOLDER and copies it to OUTPUT: for meson.build.
cmake_minimum_required(VERSION 3.22)
cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH source)
cmake_path(GET OUTPUT FILENAME name)
execute_process(
  COMMAND "${CMAKE_COMMAND}" -S "${source}" -B "${FOLDER}" -DCMAKE_BUILD_TYPE=Release -DMIDISOCK_BUILD_TOOLS=OFF
    -DMIDISOCK_INSTALL=OFF
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(
  COMMAND "${CMAKE_COMMAND}" --build "${FOLDER}" --config Release --target midisock-cargo
  COMMAND_ERROR_IS_FATAL ANY)
file(GLOB_RECURSE built "${FOLDER}/lib/${name}")
file(COPY_FILE "${built}" "${OUTPUT}" ONLY_IF_DIFFERENT)
