#include "overhead.hpp"

#include <midisock/midisock.hpp>

static unsigned exchange(midisock::port &a, midisock::port &b)
{
    unsigned sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < MESSAGES; i++) {
            if (!a.push(midisock::note_on(0, 60 + i, 100))) {
                return 0;
            }
        }
        for (const midisock::message &m : b.messages()) {
            sum += static_cast<unsigned>(m.note());
        }
        if (!a.push(midisock::pitch_bend(3, 0))) {
            return 0;
        }
        midisock::block_info info;
        info.frames = 64;
        info.sample_rate = 48000.0;
        info.start_ns = 1;
        info.offline = true;
        for (const midisock::message &m : b.begin_block(info)) {
            sum += m.data[2];
        }
    }
    return sum;
}

unsigned exchange_cpp(midisock_port *a, midisock_port *b)
{
    midisock::port first = midisock::port::adopt(a), second = midisock::port::adopt(b);
    const unsigned sum = exchange(first, second);
    (void)first.release();
    (void)second.release();
    return sum;
}
