"""All suites, in the order in which they run. Those of later subjects get a file of their own,
suites_<subject>.py, imported here."""

import suites_prepare  # noqa: F401  packages, Python environment
import suites_project  # noqa: F401  scripts, licences
import suites_rust     # noqa: F401  fmt, clippy, unit tests
import suites_library  # noqa: F401  the shipped library and its header
import suites_c        # noqa: F401  C test programs, examples
import suites_python   # noqa: F401  tests with mido, the tools
import suites_realtime  # noqa: F401  no system call, allocation, fault, waiting
import suites_instructions  # noqa: F401  instruction counts
import suites_threads  # noqa: F401  loom, ThreadSanitizer, contained panics
import suites_juce    # noqa: F401  a JUCE plugin in hosts
import suites_timing  # noqa: F401  placed frames on a simulated device
import suites_cmake   # noqa: F401  CMake, packages, C++, ABI, unloading; the guides
import suites_hostile  # noqa: F401  the soak, fuzzing
import suites_simulation  # noqa: F401  sessions over a simulated network
import suites_windows  # noqa: F401  the library for Windows, under wine
import suites_bench    # noqa: F401  that the benchmark runs
import suites_jack    # noqa: F401  midisock-jack and the LV2 plugin, under JACK
