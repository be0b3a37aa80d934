/* A range over the clients of a server.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef MIDISOCK_CPP_CLIENTS_HPP
#define MIDISOCK_CPP_CLIENTS_HPP

#include <midisock/cpp/base.hpp>

#include <memory>
#include <new>

namespace midisock {
inline namespace MIDISOCK_CPP_ABI {

/** The ids of a server's clients when it was made, in the order in which they connected. See server::clients. */
class client_list {
public:
    /** No clients. */
    client_list() noexcept = default;

    /** The first id. */
    const std::uint32_t *begin() const noexcept { return ids_.get(); }
    /** Behind the last id. */
    const std::uint32_t *end() const noexcept { return ids_.get() + size_; }
    /** How many there are. */
    std::size_t size() const noexcept { return size_; }
    /** Whether there are none. */
    bool empty() const noexcept { return size_ == 0; }
    /** The result of the call. If it failed, the range is empty. */
    status listed() const noexcept { return status(listed_); }

private:
    friend class server;
    explicit client_list(midisock_port *port) noexcept
    {
        std::size_t capacity = 0;
        std::size_t count = 0;
        listed_ = midisock_clients(port, nullptr, 0, &count);
        while (listed_ == MIDISOCK_OK && count > capacity) {
            // A few more may come meanwhile.
            capacity = count + 8;
            ids_.reset(new (std::nothrow) std::uint32_t[capacity]);
            listed_ = ids_ ? midisock_clients(port, ids_.get(), capacity, &count) : MIDISOCK_ERR_NO_RESOURCES;
        }
        size_ = listed_ == MIDISOCK_OK ? count : 0;
    }

    std::unique_ptr<std::uint32_t[]> ids_;
    std::size_t size_ = 0;
    midisock_result listed_ = MIDISOCK_OK;
};

} // namespace MIDISOCK_CPP_ABI
} // namespace midisock

#endif
