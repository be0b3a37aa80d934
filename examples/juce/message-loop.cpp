// A server on JUCE's message thread: callbacks there, no timer and no thread of one's own.
//
//   juce_loop [PORT]      0, the default, takes a free port and prints it; the end of standard input ends it
//
// JUCE watches file descriptors on Linux. On other systems let a timer call poll_notification() and pop().
#include <midisock/midisock.hpp>

#include <juce_events/juce_events.h>

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace {

class program {
public:
    explicit program(midisock::server &&made) : server_(std::move(made))
    {
        const auto messages = server_.wait_handle(midisock::event::message);
        const auto notifications = server_.wait_handle(midisock::event::notification);
        if (messages && notifications) {
            watch(static_cast<int>(*messages), [this] { return take_messages(); });
            watch(static_cast<int>(*notifications), [this] { return take_notifications(); });
        }
        watch(STDIN_FILENO, [] {
            char input[256];
            if (read(STDIN_FILENO, input, sizeof input) > 0) {
                return true;
            }
            juce::MessageManager::getInstance()->stopDispatchLoop();
            return false;
        });
        say("localhost:%u\n", static_cast<unsigned>(server_.local_port()));
    }

    ~program()
    {
        for (const int handle : watched_) {
            juce::LinuxEventLoop::unregisterFdCallback(handle); // before the port, which closes its handles
        }
    }

private:
    /** Calls `ready` while the handle is readable, until it returns false. */
    template <class Ready> void watch(int handle, Ready ready)
    {
        watched_.add(handle);
        juce::LinuxEventLoop::registerFdCallback(handle, [ready](int which) {
            if (!ready()) {
                juce::LinuxEventLoop::unregisterFdCallback(which);
            }
        });
    }

    /** Takes all messages: the handle stays readable until a pop has found none. */
    bool take_messages()
    {
        for (const midisock::message &m : server_.messages()) {
            for (const std::uint8_t byte : m.data_bytes()) {
                std::printf("%02x ", byte);
            }
            say("from client %u\n", static_cast<unsigned>(m.client));
        }
        return is_open();
    }

    bool take_notifications()
    {
        while (const auto next = server_.poll_notification()) {
            const auto client = static_cast<unsigned>(next->client);
            if (next->kind == MIDISOCK_NOTIFY_CLIENT_JOINED) {
                say("client %u joined from %s\n", client, next->address);
            } else if (next->kind == MIDISOCK_NOTIFY_CLIENT_LEFT) {
                say("client %u left\n", client);
            }
        }
        return is_open();
    }

    /** A closed port's handles stay readable for good. */
    bool is_open() const { return server_.state() != midisock::state::closed; }

    template <class... Values> static void say(const char *format, Values... values)
    {
        std::printf(format, values...);
        std::fflush(stdout);
    }

    midisock::server server_;
    juce::Array<int> watched_;
};

} // namespace

int main(int argc, char **argv)
{
    const juce::ScopedJuceInitialiser_GUI juce;
    auto server = midisock::server::listen("localhost", static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0));
    if (!server) {
        std::fprintf(stderr, "%s\n", server.error().message());
        return 1;
    }
    const program running(std::move(*server));
    juce::MessageManager::getInstance()->runDispatchLoop();
    return 0;
}
