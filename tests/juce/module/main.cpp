// Runs the cases, or those named on the command line, and says so in the form that scripts/test reads.
#include "cases.hpp"

// One word.
static std::string reported(std::string name)
{
    for (char &c : name) {
        c = c == ' ' || c == ':' ? '_' : c;
    }
    return name;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (const auto *cases : {&held_cases, &settings_cases, &block_cases, &pause_cases, &port_cases, &sender_time_cases}) {
        for (const named_case &one : *cases) {
            bool wanted = argc < 2;
            for (int i = 1; i < argc; i++) {
                wanted = wanted || std::strcmp(argv[i], one.name) == 0;
            }
            if (wanted) {
                std::printf("# running %s\n", one.name);
                std::fflush(stdout);
                one.run();
                std::printf("ok %s\n", reported(one.name).c_str());
                std::fflush(stdout);
                count++;
            }
        }
    }
    std::printf("# %d cases passed\n", count);
    return count > 0 ? 0 : 1;
}
