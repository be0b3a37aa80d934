// Runs one of the two, named by the argument, under a tool that counts instructions.
#include "check.hpp"
#include "overhead.hpp"

int main(int argc, char **argv)
{
    auto made = midisock::pair::make();
    CHECK(made && argc == 2);
    const bool cpp = std::strcmp(argv[1], "cpp") == 0;
    const unsigned sum = (cpp ? exchange_cpp : exchange_c)(made->a.get(), made->b.get());
    unsigned expected = 0;
    for (unsigned i = 0; i < MESSAGES; i++) {
        expected += 60 + i;
    }
    CHECK(sum == ROUNDS * (expected + 64));
}
