#include "overhead.hpp"

uint64_t c_push(const struct ports *p)
{
    midisock_port *a = p->a;
    uint64_t sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        const uint8_t note_on[] = {0x90, (uint8_t)(60 + i % MESSAGES), 100};
        sum += midisock_push(a, note_on, sizeof note_on) == MIDISOCK_OK;
    }
    return sum;
}

uint64_t c_built(const struct ports *p)
{
    midisock_port *a = p->a;
    uint64_t sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        const int *v = p->values[i % MESSAGES];
        const int channel = v[0], note = v[1], velocity = v[2];
        uint8_t note_on[3];
        note_on[0] = (uint8_t)(0x90 | channel);
        note_on[1] = (uint8_t)note;
        note_on[2] = (uint8_t)velocity;
        if (channel < 0 || channel >= 16 || note < 0 || note >= 128 || velocity < 0 || velocity >= 128)
            note_on[0] = 0;
        sum += midisock_push(a, note_on, sizeof note_on) == MIDISOCK_OK;
    }
    return sum;
}

uint64_t c_push_at(const struct ports *p)
{
    midisock_port *a = p->a;
    uint64_t sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        const uint8_t start[] = {0xfa};
        midisock_message m = {0};
        m.time_ns = 1 + i;
        m.data = start;
        m.size = sizeof start;
        sum += midisock_push_message(a, &m) == MIDISOCK_OK;
    }
    return sum;
}

uint64_t c_push_to(const struct ports *p)
{
    midisock_port *server = p->server;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const uint8_t start[] = {0xfa};
        midisock_message m = {0};
        m.data = start;
        m.size = sizeof start;
        m.client = i;
        sum += i == 0 || midisock_push_message(server, &m) == MIDISOCK_ERR_NO_SUCH_CLIENT;
    }
    return sum;
}

uint64_t c_pop(const struct ports *p)
{
    midisock_port *b = p->b;
    midisock_message m;
    uint64_t sum = 0;
    fill(p->a, ROUNDS);
    while (midisock_pop(b, &m) == MIDISOCK_OK)
        if ((m.data[0] & 0xf0) == 0x90 && m.data[2] != 0 && (m.data[0] & 0x0f) == 1)
            sum += m.data[1];
    return sum;
}

uint64_t c_messages(const struct ports *p)
{
    midisock_port *a = p->a, *b = p->b;
    uint64_t sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        midisock_message m;
        fill(a, MESSAGES);
        while (midisock_pop(b, &m) == MIDISOCK_OK)
            sum += m.data[1];
    }
    return sum;
}

uint64_t c_block(const struct ports *p)
{
    midisock_port *a = p->a, *b = p->b;
    uint64_t sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        midisock_message m;
        midisock_block block = {0};
        fill(a, MESSAGES);
        block.struct_size = sizeof block;
        block.flags = MIDISOCK_BLOCK_FREEWHEEL;
        block.start_ns = 1 + i;
        block.sample_rate = 48000.0;
        block.frames = 64;
        if (midisock_begin_block(b, &block) == MIDISOCK_OK)
            while (midisock_pop_block(b, &m) == MIDISOCK_OK)
                sum += midisock_push_frame(b, m.frame, m.data, m.size) == MIDISOCK_OK;
    }
    return sum;
}

uint64_t c_look(const struct ports *p)
{
    midisock_port *server = p->server;
    uint64_t sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        midisock_stats stats;
        sum += midisock_state(server) == MIDISOCK_STATE_LISTENING;
        sum += midisock_local_port(server) != 0;
        sum += midisock_client_count(server);
        if (midisock_get_stats(server, &stats, sizeof stats) == MIDISOCK_OK)
            sum += 1 + stats.connections;
    }
    return sum;
}

uint64_t c_address(const struct ports *p)
{
    midisock_port *visited = p->visited;
    const uint32_t visitor = p->visitor;
    uint64_t sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        char text[64];
        if (midisock_client_address(visited, visitor, text, sizeof text) == MIDISOCK_OK)
            sum += (unsigned char)text[0];
    }
    return sum;
}

uint64_t c_skip(const struct ports *p)
{
    midisock_port *b = p->b;
    uint64_t sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++)
        sum += midisock_skip(b) == MIDISOCK_OK;
    return sum;
}
