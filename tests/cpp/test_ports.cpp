// Ports own themselves, exchange messages in every role, and have no call that their role does not have.
#include "check.hpp"

#include <chrono>
#include <type_traits>
#include <utility>
#if defined(__cpp_lib_ranges)
#include <ranges>
#endif

using midisock::client;
using midisock::listener;
using midisock::message;
using midisock::outcome;
using midisock::port;
using midisock::server;

// Whether an expression with a T named `p` compiles.
#define CALL(name, expression)                                                             \
    template <class T, class = void> struct name : std::false_type {};                     \
    template <class T> struct name<T, std::void_t<decltype(expression)>> : std::true_type {}
#define P std::declval<T &>()

CALL(has_push, P.push(midisock::stop()));
CALL(has_pop, P.pop(std::declval<message &>()));
CALL(has_messages, P.messages());
CALL(has_block, P.begin_block({64, 48000.0}));
CALL(has_flush, P.flush());
CALL(has_push_to, P.push_to(1u, midisock::stop()));
CALL(has_client_count, P.client_count());
CALL(has_disconnect, P.disconnect(1u));
CALL(has_client_address, P.client_address(1u));
CALL(has_accept, P.accept());
CALL(has_wait_connected, P.wait_connected());
CALL(waits_for_message, P.wait(midisock::event::message));
CALL(waits_for_client, P.wait(midisock::listener_event::client));
CALL(has_panic, P.panic());
CALL(has_state, P.state());
CALL(has_shutdown, P.shutdown());

template <template <class, class> class Call, bool Port, bool Client, bool Server, bool Listener>
constexpr bool only = Call<port, void>::value == Port && Call<client, void>::value == Client &&
                      Call<server, void>::value == Server && Call<listener, void>::value == Listener;

static_assert(only<has_push, true, true, true, false>);
static_assert(only<has_pop, true, true, true, false>);
static_assert(only<has_messages, true, true, true, false>);
static_assert(only<has_block, true, true, true, false>);
static_assert(only<has_flush, true, true, true, false>);
static_assert(only<has_panic, true, true, true, false>);
static_assert(only<waits_for_message, true, true, true, false>);
static_assert(only<waits_for_client, false, false, false, true>);
static_assert(only<has_push_to, false, false, true, false>);
static_assert(only<has_disconnect, false, false, true, false>);
static_assert(only<has_client_address, false, false, true, false>);
static_assert(only<has_client_count, false, false, true, true>);
static_assert(only<has_accept, false, false, false, true>);
static_assert(only<has_wait_connected, false, true, false, false>);
static_assert(only<has_state, true, true, true, true>);
static_assert(only<has_shutdown, true, true, true, true>);

template <class T>
constexpr bool owns = std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
                      !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T> && sizeof(T) == sizeof(void *);
static_assert(owns<port> && owns<client> && owns<server> && owns<listener>);
// A port of one role does not become one of another, but for what they have in common.
static_assert(!std::is_constructible_v<client, server &&> && !std::is_constructible_v<server, client &&>);
static_assert(!std::is_constructible_v<server, port &&> && !std::is_constructible_v<port, listener &&>);
static_assert(std::is_constructible_v<port, client &&>);

// The realtime calls are noexcept, as are all others: nothing throws but or_throw.
static_assert(noexcept(std::declval<port &>().push(midisock::stop())));
static_assert(noexcept(std::declval<port &>().pop(std::declval<message &>())));
static_assert(noexcept(std::declval<port &>().begin_block({})));
static_assert(noexcept(std::declval<listener &>().accept()));

#if defined(__cpp_lib_ranges)
static_assert(std::ranges::input_range<midisock::message_range>);
static_assert(std::ranges::input_range<midisock::block>);
#endif

#if defined(__cpp_lib_span)
static_assert(std::is_same_v<midisock::bytes, std::span<const std::uint8_t>>);
#endif

static_assert(midisock::timeout(std::chrono::seconds(2)).ms == 2000);
static_assert(midisock::timeout(std::chrono::microseconds(1)).ms == 1);
static_assert(midisock::timeout(std::chrono::milliseconds(0)).ms == 0);
static_assert(midisock::timeout(std::chrono::hours(10000)).ms == -1);
static_assert(midisock::timeout(std::chrono::seconds(-5)).ms == -1);

static client connect(const midisock::handle &to)
{
    midisock::result<client> made = client::connect("127.0.0.1", to.local_port());
    CHECK(made);
    CHECK_OUTCOME(ok, made->wait_connected(deadline));
    return std::move(*made);
}

static message next(port &from)
{
    CHECK_OUTCOME(ok, from.wait(midisock::event::message, deadline));
    message m;
    CHECK_OUTCOME(ok, from.pop(m));
    return m;
}

static void a_server_and_its_clients()
{
    midisock::config how;
    how.tick_us = 200;
    how.set(midisock::overflow::wait).set(midisock::wake::signal);
    CHECK(how.overflow == MIDISOCK_OVERFLOW_WAIT && how.wake == MIDISOCK_WAKE_SIGNAL);
    how.accept_mode = MIDISOCK_ACCEPT_MANUAL; // is the type's to say
    midisock::result<server> made = server::listen(midisock::loopback, 0, how);
    CHECK(made && made->local_port() != 0);
    server &s = *made;
    CHECK(s.state() == midisock::state::listening);

    client one = connect(s), two = connect(s);
    CHECK_OUTCOME(ok, one.push(midisock::note_on(0, 60, 1)));
    message m = next(s);
    const std::uint32_t first = m.client;
    CHECK(first != 0 && same(m.data_bytes(), {0x90, 60, 1}));
    CHECK_OUTCOME(ok, two.push(midisock::note_on(1, 61, 2)));
    m = next(s);
    const std::uint32_t second = m.client;
    CHECK(second != 0 && second != first && same(m.data_bytes(), {0x91, 61, 2}));
    CHECK(s.client_count() == 2);

    CHECK_OUTCOME(ok, s.push_to(second, midisock::program_change(0, 7)));
    CHECK(same(next(two).data_bytes(), {0xC0, 7}));
    CHECK_OUTCOME(ok, s.push(midisock::stop()));
    CHECK(same(next(one).data_bytes(), {0xFC}));
    CHECK(same(next(two).data_bytes(), {0xFC}));
    CHECK_OUTCOME(no_such_client, s.push_to(0, midisock::stop()));
    CHECK_OUTCOME(no_such_client, s.push_to(first + second + 1000000, midisock::stop()));

    const midisock::result<midisock::peer_address> address = s.client_address(first);
    CHECK(address && std::strncmp(address->text, "127.0.0.1:", 10) == 0);
    CHECK_OUTCOME(ok, s.disconnect(first));
    CHECK_OUTCOME(ok, s.wait(midisock::event::notification, deadline));
    CHECK(s.poll_notification()->kind == MIDISOCK_CLIENT_JOINED);
    const midisock::result<midisock::stats> counters = s.stats();
    CHECK(counters && counters->messages_in == 2 && counters->connections == 2);

    CHECK_OUTCOME(ok, s.shutdown());
    CHECK_OUTCOME(closed, s.push(midisock::stop()));
}

static void a_listener_and_its_ports()
{
    midisock::result<listener> made = listener::listen("127.0.0.1", 0);
    CHECK(made);
    CHECK_OUTCOME(empty, made->accept(midisock::at_once).error());
    client c = connect(*made);
    CHECK_OUTCOME(ok, c.push(midisock::start()));
    CHECK_OUTCOME(ok, made->wait(midisock::listener_event::client | midisock::listener_event::notification, deadline));
    midisock::result<port> accepted = made->accept(deadline);
    CHECK(accepted && accepted->state() == midisock::state::connected);
    CHECK(same(next(*accepted).data_bytes(), {0xFA}));
    CHECK_OUTCOME(ok, accepted->push_at(midisock_now_ns() + 1000000, midisock::stop()));
    CHECK(same(next(c).data_bytes(), {0xFC}));
    made->close();
    CHECK(!*made && made->state() == midisock::state::none);
    CHECK_OUTCOME(ok, accepted->push(midisock::resume())); // outlives its listener
    CHECK_OUTCOME(ok, accepted->flush(deadline));
    CHECK(same(next(c).data_bytes(), {0xFB}));
}

static void ranges_end_where_nothing_is_left()
{
    midisock::result<midisock::pair> made = midisock::pair::make();
    CHECK(made);
    port &a = made->a, &b = made->b;
    int count = 0;
    for (const message &m : b.messages()) {
        count += m.size != 0;
    }
    CHECK(count == 0);
    for (int i = 0; i < 100; i++) {
        CHECK_OUTCOME(ok, a.push(midisock::control_change(0, 1, i)));
    }
    auto range = b.messages();
    for (const message &m : range) {
        CHECK(m.controller_value() == count);
        count++;
    }
    CHECK(count == 100 && range.last() == outcome::empty);
    CHECK_OUTCOME(ok, a.push(midisock::stop()));
    CHECK_OUTCOME(ok, b.skip());
    for (const message &m : b.messages()) {
        CHECK(m.is_synthetic());
    }
    a.close();
    for (const message &m : b.messages()) {
        CHECK(m.is_synthetic());
    }
    auto after = b.messages();
    CHECK(after.begin() == after.end() && after.last() == outcome::closed);
}

static void blocks()
{
    midisock::config how;
    how.latency_ns = 0;
    midisock::result<midisock::pair> made = midisock::pair::make(how);
    CHECK(made);
    for (int i = 0; i < 3; i++) {
        CHECK_OUTCOME(ok, made->a.push(midisock::song_select(i)));
    }
    midisock::block_info info;
    info.frames = 64;
    info.sample_rate = 48000.0;
    info.offline = true;
    int count = 0;
    auto block = made->b.begin_block(info);
    CHECK_OUTCOME(ok, block.begun());
    for (const message &m : block) {
        CHECK(m.frame == 0 && m.data[1] == count);
        count++;
    }
    CHECK(count == 3);
    CHECK_OUTCOME(ok, block.push(63, midisock::stop()));
    CHECK_OUTCOME(invalid_argument, block.push(64, midisock::stop()));
    CHECK(same(next(made->a).data_bytes(), {0xFC}));

    info.sample_rate = -1.0;
    auto bad = made->b.begin_block(info);
    CHECK_OUTCOME(invalid_argument, bad.begun());
    CHECK(bad.begin() == bad.end() && bad.last() == outcome::invalid_argument);
}

static void ownership_moves()
{
    midisock::result<midisock::pair> made = midisock::pair::make();
    CHECK(made);
    midisock_port *const raw = made->a.get();
    port held = std::move(made->a);
    CHECK(held.get() == raw && !made->a && made->a.state() == midisock::state::none);
    CHECK_OUTCOME(invalid_argument, made->a.push(midisock::stop()));
    port &itself = held;
    held = std::move(itself);
    CHECK(held.get() == raw);
    held = std::move(made->b); // closes the first: the second sees it
    message m;
    CHECK_OUTCOME(closed, held.pop(m));
    midisock_port *const given = held.release();
    CHECK(!held && given != nullptr);
    port back = port::adopt(given);
    CHECK(back.get() == given);
}

static void failures()
{
    CHECK_OUTCOME(invalid_argument, client::connect("127.0.0.1", 0).error());
    CHECK_OUTCOME(address, client::connect("", 1).error());
    midisock::result<server> first = server::listen("127.0.0.1", 0);
    CHECK(first);
    const midisock::result<server> second = server::listen("127.0.0.1", first->local_port());
    CHECK(!second && !*second && second.error().failed());
    CHECK_OUTCOME(address_in_use, second.error());
    CHECK(second.error().message() == midisock_strerror(MIDISOCK_ERR_ADDRESS_IN_USE));
#if MIDISOCK_EXCEPTIONS
    bool thrown = false;
    try {
        (void)server::listen("127.0.0.1", first->local_port()).or_throw();
    } catch (const midisock::error &error) {
        CHECK(error.code() == outcome::address_in_use && error.what() == second.error().message());
        thrown = true;
    }
    CHECK(thrown);
    message m;
    CHECK(first->pop(m).or_throw() == outcome::empty); // no error
    server taken = std::move(first).or_throw();
    CHECK(taken);
#endif
}

int main()
{
    a_server_and_its_clients();
    a_listener_and_its_ports();
    ranges_end_where_nothing_is_left();
    blocks();
    ownership_moves();
    failures();
    std::puts("ok");
}
