"""midisock for Conan 2, from this checkout: `conan create packaging/conan`. It needs cargo."""

import os
import re

from conan import ConanFile
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rm, rmdir

SOURCES = ("CMakeLists.txt", "Cargo.toml", "Cargo.lock", "build.rs", "cbindgen.toml", "cmake/*", "src/*", "include/*", "docs/*.md",
           "CHANGELOG.md", "LICENSE-*")


class Midisock(ConanFile):
    name = "midisock"
    description = "MIDI between programs over TCP, safe on the audio thread"
    license = "MIT OR Apache-2.0"
    topics = ("midi", "audio", "realtime", "network")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False]}
    default_options = {"shared": False}
    no_copy_source = True

    def set_version(self):
        text = load(self, os.path.join(self.recipe_folder, "..", "..", "Cargo.toml"))
        self.version = re.search(r'^version = "([^"]+)"', text, re.MULTILINE)[1]

    def configure(self):
        # The interface is C's.
        self.settings.rm_safe("compiler.libcxx")
        self.settings.rm_safe("compiler.cppstd")

    def export_sources(self):
        root = os.path.join(self.recipe_folder, "..", "..")
        for pattern in SOURCES:
            copy(self, pattern, root, self.export_sources_folder)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["MIDISOCK_INSTALL"] = True
        toolchain.cache_variables["MIDISOCK_BUILD_TOOLS"] = False
        toolchain.cache_variables["CMAKE_INSTALL_LIBDIR"] = "lib"
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        # One of the two libraries: midisock-config.cmake notices which.
        lib = os.path.join(self.package_folder, "lib")
        if self.options.shared:
            rm(self, "midisock.lib" if self.settings.os == "Windows" and self.settings.compiler == "msvc" else "libmidisock.a", lib)
        else:
            for pattern in ("libmidisock.so*", "libmidisock*.dylib", "midisock.dll.lib", "libmidisock.dll.a"):
                rm(self, pattern, lib)
            rm(self, "midisock.dll", os.path.join(self.package_folder, "bin"))
        rmdir(self, os.path.join(self.package_folder, "share", "doc"))

    def package_info(self):
        # CMake projects use the installed midisock-config.cmake, whose targets have all flags.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = ["lib/cmake/midisock"]
        self.cpp_info.set_property("pkg_config_name", "midisock")
        is_import_library = self.options.shared and self.settings.os == "Windows" and self.settings.compiler == "msvc"
        self.cpp_info.libs = ["midisock.dll" if is_import_library else "midisock"]
        if self.options.shared:
            return
        if self.settings.os == "Windows":
            self.cpp_info.defines = ["MIDISOCK_STATIC"]
            self.cpp_info.system_libs = ["kernel32", "ntdll", "userenv", "ws2_32", "dbghelp"]
        elif self.settings.os == "Macos":
            self.cpp_info.system_libs = ["iconv", "m"]
        else:
            self.cpp_info.system_libs = ["pthread", "m", "dl"]
            # A plugin must stay mapped after dlclose.
            self.cpp_info.sharedlinkflags = ["-Wl,-z,nodelete"]
