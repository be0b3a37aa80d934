// Runs every kind in C and in C++ from the same initial state. Callgrind counts the instructions.
#include "check.hpp"
#include "overhead.hpp"

static ports all;
static const int values[MESSAGES][3] = {{0, 60, 100}, {1, 0, 1},    {15, 127, 127}, {9, 36, 64},
                                        {2, 62, 99},  {3, 64, 0}, {16, 60, 100},  {4, 60, 200}};

void fill(midisock_port *a, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const std::uint8_t note_on[] = {0x91, static_cast<std::uint8_t>(60 + i % MESSAGES), 100};
        CHECK(midisock_push(a, note_on, sizeof note_on) == MIDISOCK_OK);
    }
}

static std::uint64_t run(std::uint64_t (*work)(const ports *))
{
    midisock_message m;
    const std::uint64_t sum = work(&all);
    while (midisock_pop(all.a, &m) == MIDISOCK_OK || midisock_pop(all.b, &m) == MIDISOCK_OK) {
    }
    return sum;
}

int main()
{
    midisock::config how;
    how.in_queue_bytes = how.out_queue_bytes = 1u << 20; // nothing is refused
    how.latency_ns = 0;
    auto pair = midisock::pair::make(how);
    auto server = midisock::server::listen(midisock::loopback, 0);
    CHECK(pair && server);
    // A client is known by what it sends.
    auto visited = midisock::server::listen(midisock::loopback, 0);
    CHECK(visited);
    auto visitor = midisock::client::connect("127.0.0.1", visited->local_port());
    midisock::message first;
    CHECK(visitor && visitor->wait_connected(deadline) && visitor->push(midisock::start()));
    CHECK(visited->wait(midisock::event::message, deadline) && visited->pop(first));
    all = {pair->a.get(), pair->b.get(), server->get(), visited->get(), first.client, values};
#define RUN(kind)                                                                                    \
    {                                                                                                \
        const std::uint64_t c = run(c_##kind), cpp = run(cpp_##kind);                                \
        std::printf(#kind " %llu\n", static_cast<unsigned long long>(c));                            \
        CHECK(c != 0 && c == cpp);                                                                   \
    }
    KINDS(RUN)
}
