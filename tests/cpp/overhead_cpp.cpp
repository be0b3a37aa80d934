#include "overhead.hpp"

#include <midisock/midisock.hpp>

// The caller owns the ports: these objects release them.
template <class Role> class borrowed {
public:
    explicit borrowed(midisock_port *raw) : port_(midisock::adopt<Role>(raw)) {}
    ~borrowed() { (void)port_.release(); }
    borrowed(const borrowed &) = delete;
    borrowed &operator=(const borrowed &) = delete;
    Role &port() { return port_; }

private:
    Role port_;
};

static std::uint64_t push(midisock::message_port &a)
{
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        sum += a.push(midisock::note_on(0, static_cast<int>(60 + i % MESSAGES), 100)) == midisock::outcome::ok;
    }
    return sum;
}

static std::uint64_t built(midisock::message_port &a, const int (*values)[3])
{
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        const int *v = values[i % MESSAGES];
        sum += a.push(midisock::note_on(v[0], v[1], v[2])) == midisock::outcome::ok;
    }
    return sum;
}

static std::uint64_t push_at(midisock::message_port &a)
{
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        sum += a.push_at(1 + i, midisock::start()) == midisock::outcome::ok;
    }
    return sum;
}

static std::uint64_t push_to(midisock::server &server)
{
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < ROUNDS; i++) {
        sum += server.push_to(i, midisock::start()) == midisock::outcome::no_such_client;
    }
    return sum;
}

static std::uint64_t pop(midisock::message_port &b)
{
    std::uint64_t sum = 0;
    midisock::message m;
    while (b.pop(m)) {
        if (m.is_note_on() && m.channel() == 1) {
            sum += static_cast<unsigned>(m.note());
        }
    }
    return sum;
}

static std::uint64_t messages(midisock_port *a, midisock::message_port &b)
{
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        fill(a, MESSAGES);
        for (const midisock::message &m : b.messages()) {
            sum += static_cast<unsigned>(m.note());
        }
    }
    return sum;
}

static std::uint64_t block(midisock_port *a, midisock::message_port &b)
{
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        fill(a, MESSAGES);
        midisock::block_info info;
        info.frames = 64;
        info.sample_rate = 48000.0;
        info.start_ns = 1 + i;
        info.freewheel = true;
        auto now = b.begin_block(info);
        for (const midisock::message &m : now) {
            sum += now.push(m.frame, m.data_bytes()) == midisock::outcome::ok;
        }
    }
    return sum;
}

static std::uint64_t look(const midisock::server &server)
{
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        sum += server.state() == midisock::state::listening;
        sum += server.local_port() != 0;
        sum += server.client_count();
        if (const auto stats = server.stats()) {
            sum += 1 + stats->connections;
        }
    }
    return sum;
}

static std::uint64_t address(const midisock::server &visited, std::uint32_t visitor)
{
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (const auto where = visited.client_address(visitor)) {
            sum += static_cast<unsigned char>(where->text[0]);
        }
    }
    return sum;
}

static std::uint64_t skip(midisock::message_port &b)
{
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        sum += b.skip() == midisock::outcome::ok;
    }
    return sum;
}

using any = borrowed<midisock::port>;

std::uint64_t cpp_push(const ports *p) { return push(any(p->a).port()); }
std::uint64_t cpp_built(const ports *p) { return built(any(p->a).port(), p->values); }
std::uint64_t cpp_push_at(const ports *p) { return push_at(any(p->a).port()); }
std::uint64_t cpp_push_to(const ports *p) { return push_to(borrowed<midisock::server>(p->server).port()); }
std::uint64_t cpp_pop(const ports *p)
{
    fill(p->a, ROUNDS);
    return pop(any(p->b).port());
}
std::uint64_t cpp_messages(const ports *p) { return messages(p->a, any(p->b).port()); }
std::uint64_t cpp_block(const ports *p) { return block(p->a, any(p->b).port()); }
std::uint64_t cpp_look(const ports *p) { return look(borrowed<midisock::server>(p->server).port()); }
std::uint64_t cpp_address(const ports *p)
{
    return address(borrowed<midisock::server>(p->visited).port(), p->visitor);
}
std::uint64_t cpp_skip(const ports *p) { return skip(any(p->b).port()); }
