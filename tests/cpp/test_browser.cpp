// The browser. That it finds servers is tested in C, on a network of the test's own: this program browses nothing.
#include "check.hpp"

#include <type_traits>

using midisock::browser;

static_assert(!std::is_copy_constructible_v<browser> && std::is_nothrow_move_constructible_v<browser>);
static_assert(sizeof(midisock::service) == sizeof(midisock_service));

int main()
{
    browser none;
    CHECK(!none && none.get() == nullptr);
    CHECK_OUTCOME(invalid_argument, none.next().error());
    CHECK_OUTCOME(invalid_argument, none.wait(midisock::at_once));
    CHECK(none.next()->what() == midisock::service_kind::none && none.next()->name[0] == '\0');
    none.close();
    browser moved = std::move(none);
    none = std::move(moved);
    midisock::config how;
    how.advertise = 1;
    // On loopback it is advertised nowhere.
    CHECK(midisock::server::listen(midisock::loopback, 0, how));
    std::puts("ok");
}
