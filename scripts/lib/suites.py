"""Imports all suites in the order in which they run. Each subject has a file, suites_<subject>.py."""

import suites_prepare  # noqa: F401  packages, Python environment
import suites_project  # noqa: F401  scripts, licences
import suites_structure  # noqa: F401  the layers of src, and its limits
import suites_old_rust  # noqa: F401  the oldest Rust that is supported
import suites_library  # noqa: F401  the shipped library and its header
import suites_c        # noqa: F401  C test programs
import suites_examples  # noqa: F401  the examples in C
import suites_loops    # noqa: F401  the examples with event loops of their own
import suites_python   # noqa: F401  tests with mido
import suites_tools    # noqa: F401  the tools and their readers
import suites_rust     # noqa: F401  fmt, clippy, unit tests: late, so that their builds can be made meanwhile
import suites_realtime  # noqa: F401  no system call, allocation, fault, waiting
import suites_instructions  # noqa: F401  instruction counts
import suites_juce    # noqa: F401  a JUCE plugin in hosts
import suites_timing  # noqa: F401  placed frames on a simulated device
import suites_virtual_time  # noqa: F401  sender time where only instructions take time
import suites_guides  # noqa: F401  README.md and docs
import suites_installed  # noqa: F401  midisock built and installed by CMake
import suites_ctest   # noqa: F401  the C and C++ tests by ctest
import suites_consumers  # noqa: F401  programs that get it by CMake or pkg-config
import suites_surroundings  # noqa: F401  the same in unusual projects
import suites_cpack   # noqa: F401  archives and Debian packages
import suites_cpp     # noqa: F401  the C++ header
import suites_abi     # noqa: F401  the ABI and its baseline
import suites_packaging  # noqa: F401  release archives, Conan, vcpkg, Meson
import suites_neighbours  # noqa: F401  the static library beside other Rust libraries
import suites_threads  # noqa: F401  loom, ThreadSanitizer, contained panics
import suites_unload  # noqa: F401  loading and unloading in hosts
import suites_discovery  # noqa: F401  services on the network, beside Avahi
import suites_hostile  # noqa: F401  the soak, fuzzing
import suites_peers   # noqa: F401  what plain peers make of sender time
import suites_simulation  # noqa: F401  sessions over a simulated network
import suites_apple  # noqa: F401  macOS, and systems that are only compiled
import suites_newcomer  # noqa: F401  the quick start in a minimal Debian and Ubuntu
import suites_windows  # noqa: F401  the library and the tools for Windows, under wine
import suites_msvc    # noqa: F401  the same by the MSVC ABI
import suites_platforms  # noqa: F401  Linux on other processors, with musl
import suites_bench    # noqa: F401  that the benchmark runs
import suites_jack    # noqa: F401  midisock-jack and the LV2 plugin, under JACK
