/* midisock for C++17 and later: MIDI between programs over TCP, safe on the audio thread.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Header only, over the C API in midisock.h. A call compiles to the C call without an additional instruction. Port
 * objects own their ports; they can be moved but not copied. A call that a port's role does not have does not compile:
 *
 *   client    connects to a server, and connects again when the connection is lost
 *   server    accepts clients and merges their messages; sends to all clients, or to one
 *   listener  accepts clients and returns each as a port of its own; carries no messages itself
 *   port      an accepted client, or one of a pair
 *
 * All of them except listener derive from message_port. A function for any of them takes message_port &.
 *
 *   midisock::result<midisock::server> made = midisock::server::listen(midisock::loopback, 9080);
 *   if (!made)
 *       return std::puts(made.error().message());
 *   midisock::server &server = *made;
 *   while (server.wait(midisock::event::message))
 *       for (const midisock::message &m : server.messages())
 *           if (m.is_note_on())
 *               (void)server.push(midisock::note_off(m.channel(), m.note()));
 *
 * Only or_throw() throws exceptions:
 *
 *   auto client = midisock::client::connect("localhost", 9080).or_throw();
 *   client.wait_connected(std::chrono::seconds(2)).or_throw();
 *   client.push(midisock::note_on(0, 60, 100)).or_throw();
 *
 * Functions that are declared MIDISOCK_REALTIME may be called in an audio callback; clang 20 and later checks that with
 * -Wfunction-effects. No other function may, which includes making, closing and destroying a port.
 */
#ifndef MIDISOCK_MIDISOCK_HPP
#define MIDISOCK_MIDISOCK_HPP

#include <midisock/cpp/base.hpp>
#include <midisock/cpp/browser.hpp>
#include <midisock/cpp/clients.hpp>
#include <midisock/cpp/config.hpp>
#include <midisock/cpp/context.hpp>
#include <midisock/cpp/message.hpp>
#include <midisock/cpp/port.hpp>
#include <midisock/cpp/range.hpp>
#include <midisock/cpp/roles.hpp>

#endif
