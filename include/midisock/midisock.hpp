/* midisock for C++17 and later: MIDI between programs over TCP, safe on the audio thread.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Header only, over the C API in midisock.h: a call compiles to the C call, without an instruction more. Ports own
 * themselves and can be moved, not copied. A call that a port's role does not have does not compile:
 *
 *   client    connects to a server, and again when the connection is lost
 *   server    takes clients and merges what they send; sends to all, or to one
 *   listener  takes clients and hands each over as a port of its own; carries no messages itself
 *   port      such a client; one of a pair
 *
 * What carries messages, all but the listener, is a message_port: a function for any of them takes message_port &.
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
 * No exception is thrown but by or_throw():
 *
 *   auto client = midisock::client::connect("localhost", 9080).or_throw();
 *   client.wait_connected(std::chrono::seconds(2)).or_throw();
 *   client.push(midisock::note_on(0, 60, 100)).or_throw();
 *
 * Functions declared MIDISOCK_REALTIME may be called in an audio callback (clang 20 and later checks that with
 * -Wfunction-effects), all others may not: that goes for making, ending and so destroying a port.
 */
#ifndef MIDISOCK_MIDISOCK_HPP
#define MIDISOCK_MIDISOCK_HPP

#include <midisock/cpp/base.hpp>
#include <midisock/cpp/config.hpp>
#include <midisock/cpp/message.hpp>
#include <midisock/cpp/port.hpp>
#include <midisock/cpp/range.hpp>
#include <midisock/cpp/roles.hpp>

#endif
