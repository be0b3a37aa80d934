# libmidisock.so beside the binary of each format. It is copied before the link: the build loads a plugin as soon as it
# is linked, to ask it for its manifest.
target_link_libraries(MidisockBridge PUBLIC midisock::shared)
foreach(format IN LISTS MIDISOCK_BRIDGE_FORMATS)
  set_target_properties(MidisockBridge_${format} PROPERTIES
    BUILD_WITH_INSTALL_RPATH ON
    INSTALL_RPATH "$<IF:$<PLATFORM_ID:Darwin>,@loader_path,$ORIGIN>")
  add_custom_command(TARGET MidisockBridge_${format} PRE_LINK
    COMMAND "${CMAKE_COMMAND}" -E copy "$<TARGET_FILE:midisock::shared>"
      "$<TARGET_FILE_DIR:MidisockBridge_${format}>/$<TARGET_SONAME_FILE_NAME:midisock::shared>"
    VERBATIM)
endforeach()
