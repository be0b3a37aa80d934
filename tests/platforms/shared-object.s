/* What build.rs defines by --defsym, which zig's linker does not have. */
.globl midisock_shared_object
.hidden midisock_shared_object
.set midisock_shared_object, 1
