# Windows on x86-64 by the MSVC ABI, built elsewhere: clang-cl and lld-link, and headers and libraries in the folders that INCLUDE
# and LIB name, as in the developer prompt of Visual Studio. wine, where it is, runs the tests.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR AMD64)
set(CMAKE_C_COMPILER clang-cl-22)
set(CMAKE_C_COMPILER_TARGET x86_64-pc-windows-msvc)
set(CMAKE_LINKER lld-link-22)
set(CMAKE_AR llvm-lib-22)
set(CMAKE_RC_COMPILER llvm-rc-22)
set(CMAKE_MT llvm-mt-22)
# MinGW's headers stand in for Microsoft's. They know clang only as a compiler like gcc, and take everything from the DLLs of
# Windows' own C runtime with these definitions. /GS-: no cookies on the stack, whose check is Microsoft's.
set(CMAKE_C_FLAGS_INIT "/GS- /clang:-fgnuc-version=4.2.1 -D_UCRT -D__USE_MINGW_ANSI_STDIO=0")
# CMake names a dozen libraries for every program.
set(CMAKE_C_STANDARD_LIBRARIES kernel32.lib CACHE STRING "")
# The C runtime for debugging stays with Visual Studio.
set(CMAKE_TRY_COMPILE_CONFIGURATION Release)
set(CMAKE_EXE_LINKER_FLAGS_INIT /manifest:no)
set(CMAKE_SHARED_LINKER_FLAGS_INIT /manifest:no)
find_program(CMAKE_CROSSCOMPILING_EMULATOR NAMES wine64 wine PATHS /usr/lib/wine)
set(MIDISOCK_CARGO_TARGET x86_64-pc-windows-msvc)
