/* What a plugin with a Rust library of its own exports beside the rest of tests/unload/plugin.c. */
#include <stdint.h>

uint32_t neighbour_sum(uint32_t count);
__attribute__((visibility("default"))) uint32_t plugin_sum(uint32_t count);

uint32_t plugin_sum(uint32_t count)
{
    return neighbour_sum(count);
}
