#include "overhead.hpp"

unsigned exchange_c(midisock_port *a, midisock_port *b)
{
    unsigned sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        midisock_message m;
        for (int i = 0; i < MESSAGES; i++) {
            const uint8_t note_on[] = {0x90, (uint8_t)(60 + i), 100};
            if (midisock_push(a, note_on, sizeof note_on) != MIDISOCK_OK)
                return 0;
        }
        while (midisock_pop(b, &m) == MIDISOCK_OK)
            sum += m.data[1];
        const uint8_t bend[] = {0xe3, 0x00, 0x40};
        if (midisock_push(a, bend, sizeof bend) != MIDISOCK_OK)
            return 0;
        midisock_block block = {sizeof block, MIDISOCK_BLOCK_OFFLINE, 1, 48000.0, 64, 0};
        if (midisock_begin_block(b, &block) != MIDISOCK_OK)
            return 0;
        while (midisock_pop_block(b, &m) == MIDISOCK_OK)
            sum += m.data[2];
    }
    return sum;
}
