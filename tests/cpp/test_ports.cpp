// Ports are owners, exchange messages in every role, and offer only the calls of their role.
#include "check.hpp"

#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <type_traits>
#include <utility>
#if defined(__cpp_lib_ranges)
#include <ranges>
#endif

using midisock::client;
using midisock::listener;
using midisock::message;
using midisock::message_port;
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
CALL(has_peer_address, P.peer_address());
CALL(has_client_name, P.client_name(1u));
CALL(has_peer_name, P.peer_name());
CALL(has_accept, P.accept());
CALL(has_clients, P.clients());
CALL(has_set_allow, P.set_allow(nullptr));
CALL(has_set_name, P.set_name(nullptr));
CALL(has_message_handle, P.wait_handle(midisock::event::message));
CALL(has_client_handle, P.wait_handle(midisock::listener_event::client));
CALL(has_wait_connected, P.wait_connected());
CALL(waits_for_message, P.wait(midisock::event::message));
CALL(waits_for_client, P.wait(midisock::listener_event::client));
CALL(has_panic, P.panic());
CALL(has_cancel, P.cancel());
CALL(has_state, P.state());
CALL(has_shutdown, P.shutdown());
CALL(has_set_channels, P.set_channels(0u));
CALL(has_set_latency, P.set_latency(0u));

template <template <class, class> class Call, bool Port, bool Client, bool Server, bool Listener>
constexpr bool only = Call<port, void>::value == Port && Call<client, void>::value == Client &&
                      Call<server, void>::value == Server && Call<listener, void>::value == Listener;

static_assert(only<has_push, true, true, true, false>);
static_assert(only<has_pop, true, true, true, false>);
static_assert(only<has_messages, true, true, true, false>);
static_assert(only<has_block, true, true, true, false>);
static_assert(only<has_flush, true, true, true, false>);
static_assert(only<has_panic, true, true, true, false>);
static_assert(only<has_cancel, true, true, true, false>);
static_assert(only<waits_for_message, true, true, true, false>);
static_assert(only<waits_for_client, false, false, false, true>);
static_assert(only<has_push_to, false, false, true, false>);
static_assert(only<has_disconnect, false, false, true, false>);
static_assert(only<has_client_address, false, false, true, false>);
static_assert(only<has_peer_address, true, true, false, false>);
static_assert(only<has_client_name, false, false, true, false>);
static_assert(only<has_peer_name, true, true, false, false>);
static_assert(only<has_client_count, false, false, true, true>);
static_assert(only<has_accept, false, false, false, true>);
static_assert(only<has_clients, false, false, true, false>);
static_assert(only<has_set_allow, false, false, true, true>);
static_assert(only<has_set_name, true, true, true, true>);
static_assert(only<has_message_handle, true, true, true, false>);
static_assert(only<has_client_handle, false, false, false, true>);
static_assert(only<has_wait_connected, false, true, false, false>);
static_assert(only<has_state, true, true, true, true>);
static_assert(only<has_shutdown, true, true, true, true>);
static_assert(only<has_set_channels, true, true, true, true>);
static_assert(only<has_set_latency, true, true, true, true>);

template <class T>
constexpr bool owns = std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
                      !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T> && sizeof(T) == sizeof(void *);
static_assert(owns<port> && owns<client> && owns<server> && owns<listener>);
// A port of one role does not become one of another, but for what they have in common.
static_assert(!std::is_constructible_v<client, server &&> && !std::is_constructible_v<server, client &&>);
static_assert(!std::is_constructible_v<server, port &&> && !std::is_constructible_v<port, listener &&>);
static_assert(std::is_constructible_v<port, client &&> && std::is_constructible_v<port, server &&>);
static_assert(!std::is_assignable_v<client &, server &&> && !std::is_assignable_v<client &, port &&>);
// Nor in disguise, as what they have in common.
static_assert(!std::is_assignable_v<midisock::handle &, client &&>);
static_assert(!std::is_assignable_v<message_port &, client &&> && !std::is_swappable_v<message_port>);
static_assert(!std::is_constructible_v<message_port, client &&> && !std::is_default_constructible_v<message_port>);
static_assert(!std::is_destructible_v<message_port> && !std::is_destructible_v<midisock::handle>);
// A range over a port that ends with the expression is a range over nothing.
template <class T, class = void> struct ranges_over : std::false_type {};
template <class T> struct ranges_over<T, std::void_t<decltype(std::declval<T>().messages())>> : std::true_type {};
static_assert(ranges_over<port &>::value && ranges_over<client &>::value && ranges_over<message_port &>::value);
static_assert(!ranges_over<const port &>::value);

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
// A deadline that has passed is over, and not for ever.
static_assert(midisock::timeout(std::chrono::seconds(-5)).ms == 0);
static_assert(midisock::timeout(std::chrono::nanoseconds(-1)).ms == 0);
static_assert(midisock::timeout(std::chrono::nanoseconds(1)).ms == 1);
static_assert(midisock::timeout(std::chrono::duration<double>(0.0015)).ms == 2);
static_assert(midisock::timeout(std::chrono::milliseconds(2147483646)).ms == 2147483646);
static_assert(midisock::timeout(std::chrono::milliseconds(2147483647)).ms == -1);
static_assert(midisock::for_ever.ms == -1 && midisock::at_once.ms == 0);

static client connect(const midisock::handle &to)
{
    midisock::result<client> made = client::connect("127.0.0.1", to.local_port());
    CHECK(made);
    CHECK_OUTCOME(ok, made->wait_connected(deadline));
    return std::move(*made);
}

static message next(message_port &from)
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

    std::uint32_t ids[2] = {};
    std::size_t listed = 0;
    for (std::uint32_t id : s.clients()) {
        CHECK(listed < 2);
        ids[listed++] = id;
    }
    CHECK(listed == 2 && ids[0] == first && ids[1] == second);
    CHECK_OUTCOME(ok, s.clients().listed());
    CHECK(s.clients().size() == 2 && !s.clients().empty());
    CHECK_OUTCOME(ok, s.set_name("B\xc3\xbchne"));
    CHECK_OUTCOME(invalid_argument, s.set_name("\n"));
    CHECK_OUTCOME(ok, s.set_allow("127.0.0.0/8"));
    CHECK_OUTCOME(address, s.set_allow("nobody"));
    CHECK(s.client_count() == 2);
    const midisock::result<std::intptr_t> messages = s.wait_handle(midisock::event::message);
    CHECK(messages && *messages >= 0 && *s.wait_handle(midisock::event::message) == *messages);
    CHECK(s.wait_handle(midisock::event::room).error().code() == outcome::invalid_argument);

    const midisock::result<midisock::peer_address> address = s.client_address(first);
    CHECK(address && std::strncmp(address->text, "127.0.0.1:", 10) == 0);
    CHECK_OUTCOME(ok, s.disconnect(first));
    CHECK_OUTCOME(ok, s.wait(midisock::event::notification, deadline));
    CHECK(s.poll_notification()->kind == MIDISOCK_NOTIFY_CLIENT_JOINED);
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

static void sockets_of_ones_own()
{
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    midisock::result<port> made = port::adopt_socket(ends[0]);
    midisock::result<port> other = port::adopt_socket(ends[1]);
    CHECK(made && other);
    CHECK_OUTCOME(ok, made->push(midisock::note_on(0, 60, 64)));
    CHECK_OUTCOME(ok, other->wait(midisock::event::message, deadline));
    message m;
    CHECK_OUTCOME(ok, other->pop(m));
    CHECK(m.is_note_on());
    CHECK(std::strcmp(made->peer_address()->text, "unix:") == 0);
    CHECK_OUTCOME(invalid_argument, port::adopt_socket(-1).error());

    midisock::result<midisock::pair> pair = midisock::pair::make();
    CHECK(pair);
    CHECK_OUTCOME(wrong_role, pair->a.peer_address().error());
    CHECK_OUTCOME(wrong_role, pair->a.peer_name().error());
    midisock::result<server> serving = server::listen(midisock::loopback, 0);
    CHECK(serving);
    midisock::result<client> connecting = client::connect("127.0.0.1", serving->local_port());
    CHECK(connecting);
    CHECK_OUTCOME(ok, connecting->wait_connected(deadline));
    CHECK(std::strncmp(connecting->peer_address()->text, "127.0.0.1:", 10) == 0);
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
        if (count == 40) {
            break; // what was not taken stays
        }
    }
    CHECK(count == 40);
    for (const message &m : range) {
        CHECK(m.controller_value() == count);
        count++;
    }
    CHECK(count == 100);
    CHECK(range.begin() == range.end() && !(range.begin() != range.end()));
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
    CHECK(after.begin() == after.end());
    message m;
    CHECK_OUTCOME(closed, b.pop(m));
    port none;
    for (const message &never : none.messages()) {
        CHECK(never.size == 0 && false);
    }
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
    info.freewheel = true;
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
    CHECK_OUTCOME(ok, made->a.push(midisock::stop())); // and stays for a block that is one
    CHECK(bad.begin() == bad.end());
    info.sample_rate = 48000.0;
    CHECK(same(made->b.begin_block(info).begin()->data_bytes(), {0xFC}));

    info.freewheel = false;
    info.position = -1;
    CHECK_OUTCOME(invalid_argument, made->b.begin_block(info).begun());
    info.position = 0;
    CHECK_OUTCOME(ok, made->b.begin_block(info).begun());
    info.device_time = true; // and no time
    CHECK_OUTCOME(invalid_argument, made->b.begin_block(info).begun());
    // The device's time is taken as it is: where the callback's would be smoothed, the frame is sent at once.
    for (std::uint64_t start_ns : {1000000000u, 1000900000u, 1002000000u}) {
        info.start_ns = start_ns;
        *info.position += 64;
        auto exact = made->b.begin_block(info);
        CHECK_OUTCOME(ok, exact.begun());
        CHECK_OUTCOME(ok, exact.push(0, midisock::stop()));
        message m;
        CHECK_OUTCOME(ok, made->a.pop(m));
        CHECK(m.time_ns == start_ns);
    }
}

static void initializers_are_the_defaults()
{
    const midisock_config config = MIDISOCK_CONFIG_INIT;
    const midisock::config expected;
    CHECK(std::memcmp(&config, static_cast<const midisock_config *>(&expected), sizeof config) == 0);
    static constexpr midisock_block block = MIDISOCK_BLOCK_INIT;
    static_assert(block.struct_size == sizeof block && block.position == 0);
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
    port back = midisock::adopt<port>(given);
    CHECK(back.get() == given);

    // What carries messages can be kept as a port, whatever it was.
    midisock::result<server> s = server::listen("127.0.0.1", 0);
    CHECK(s);
    midisock_port *const listening = s->get();
    back = std::move(*s);
    CHECK(back.get() == listening && !*s && back.state() == midisock::state::listening);
    server again = midisock::adopt<server>(back.release());
    CHECK(again.client_count() == 0 && again.state() == midisock::state::listening);
    using std::swap;
    server other;
    swap(again, other);
    CHECK(!again && other.get() == listening);
}

static void one_of_several()
{
    midisock::result<midisock::pair> one = midisock::pair::make(), two = midisock::pair::make();
    CHECK(one && two);
    std::size_t index = 99;
    CHECK_OUTCOME(timeout, midisock::wait_any(index, midisock::event::message, std::chrono::seconds(-1), one->b, two->b));
    CHECK_OUTCOME(ok, two->a.push(midisock::stop()));
    CHECK_OUTCOME(ok, midisock::wait_any(index, midisock::event::message, deadline, one->b, two->b));
    CHECK(index == 1 && same(next(two->b).data_bytes(), {0xFC}));
    CHECK_OUTCOME(invalid_argument, one->b.set_channels(MIDISOCK_ALL_CHANNELS + 1));
    CHECK_OUTCOME(ok, one->b.set_channels(MIDISOCK_ALL_CHANNELS));
    CHECK_OUTCOME(ok, one->b.set_latency(MIDISOCK_LATENCY_AUTO, 0));
    CHECK_OUTCOME(ok, one->b.shutdown());
    CHECK_OUTCOME(closed, one->b.set_channels(0));
    CHECK_OUTCOME(closed, one->b.set_latency(0, 0));
    CHECK_OUTCOME(closed, midisock::wait_any(index, midisock::event::message, deadline, one->b, two->b));
    CHECK(index == 0);

    const midisock::result<midisock::address> there = midisock::parse_address("[::1]:9080");
    CHECK(there && std::strcmp(there->host, "::1") == 0 && there->port == 9080);
    const midisock::result<midisock::address> nowhere = midisock::parse_address("no port");
    CHECK_OUTCOME(address, nowhere.error());
    CHECK(nowhere->port == 0 && nowhere->host[0] == 0);
}

static void what_is_not_there_is_empty()
{
    const port none;
    // Filled with something else before, the stack would show through.
    const midisock::result<midisock::stats> counters = none.stats();
    CHECK_OUTCOME(invalid_argument, counters.error());
    const midisock_stats zero = {};
    CHECK(std::memcmp(&*counters, &zero, sizeof zero) == 0);
    midisock::result<midisock::pair> made = midisock::pair::make();
    CHECK(made);
    const midisock::result<midisock::notification> nothing = made->a.poll_notification();
    CHECK_OUTCOME(empty, nothing.error());
    CHECK(nothing->kind == 0 && nothing->time_ns == 0 && nothing->address[0] == 0);
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

static void a_context_runs_its_ports()
{
    midisock::context_config how(midisock::runs::host);
    midisock::result<midisock::context> made = midisock::context::create(how);
    CHECK(made);
    midisock::context context = std::move(*made);
    CHECK(context && !*made);
    CHECK(context.handle());
    midisock::config config;
    config.context = context.get();
    {
        midisock::result<server> server = server::listen("127.0.0.1", 0, config);
        CHECK(server && context.poll(midisock::at_once));
        midisock::result<client> client = client::connect("127.0.0.1", server->local_port(), config);
        CHECK(client && client->wait_connected());
        CHECK(client->push(midisock::note_on(0, 60, 100)));
        CHECK(server->wait(midisock::event::message));
        message m;
        CHECK(server->pop(m) && m.is_note_on());
        CHECK_OUTCOME(wrong_role, client->set_realtime_priority(1));
        CHECK_OUTCOME(busy, context.destroy());
        CHECK(context);
    }
    CHECK(context.destroy());
    CHECK(!context);
    how.mode = 7;
    CHECK_OUTCOME(invalid_argument, midisock::context::create(how).error());
    midisock::result<midisock::context> thread = midisock::context::create();
    CHECK(thread);
    CHECK_OUTCOME(wrong_role, thread->poll(midisock::at_once));
    context = std::move(*thread);
    CHECK(context);
    context = midisock::context();
    CHECK(!context);
}

int main()
{
    a_context_runs_its_ports();
    a_server_and_its_clients();
    a_listener_and_its_ports();
    sockets_of_ones_own();
    ranges_end_where_nothing_is_left();
    blocks();
    initializers_are_the_defaults();
    ownership_moves();
    one_of_several();
    what_is_not_there_is_empty();
    failures();
    std::puts("ok");
}
