# What JUCE 7.0.5 writes about an LV2 plugin, put right where lv2_validate objects:
#   a plugin with a maintainer and a release is a doap:Project, and a maintainer's empty mailbox is none
#   what a UI can do is said of options and of no resizing as if they were something else
#   the preset for the one program there is, with a property that nothing declares
# and room for more than JUCE asks hosts for, 8 KB in a block: MIDISOCK_JUCE_LV2_BYTES in CMakeLists.txt
# Runs after each link:  cmake -DBUNDLE=<folder> -DEVENT_BYTES=<room> -P lv2.cmake
foreach(file IN ITEMS dsp ui manifest)
  file(READ "${BUNDLE}/${file}.ttl" ${file})
endforeach()
string(REPLACE "a lv2:InstrumentPlugin ;" "a lv2:InstrumentPlugin , lv2:Plugin , doap:Project ;" dsp "${dsp}")
string(REPLACE "\t\tfoaf:mbox <> ;\n" "" dsp "${dsp}")
string(REGEX REPLACE "rsz:minimumSize [0-9]+ ;" "rsz:minimumSize ${EVENT_BYTES} ;" dsp "${dsp}")
string(REPLACE "\t\tui:noUserResize ,\n" "" ui "${ui}")
string(REPLACE "\t\topts:interface ,\n\t\topts:options ;" "\t\topts:options ;" ui "${ui}")
string(REGEX REPLACE "<[^>]*:preset1>.*" "" manifest "${manifest}")
foreach(file IN ITEMS dsp ui manifest)
  file(WRITE "${BUNDLE}/${file}.ttl" "${${file}}")
endforeach()
