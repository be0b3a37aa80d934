# Linux with musl, built by zig: a C compiler with its own musl.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER "${CMAKE_CURRENT_LIST_DIR}/zig-cc")
set(CMAKE_CXX_COMPILER "${CMAKE_CURRENT_LIST_DIR}/zig-c++")
# zig takes no --dependency-file.
set(CMAKE_LINK_DEPENDS_USE_LINKER FALSE)
set(MIDISOCK_CARGO_TARGET x86_64-unknown-linux-musl)
