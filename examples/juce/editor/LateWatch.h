#pragma once

#include <cstdint>

/** Tells whether messages come too late again and again. A few do while the automatic latency still learns what the network
    takes. */
class LateWatch
{
public:
    /** The counters of a link, and the present time in ns. Returns whether of the messages of the last two spans of time one in
        twenty was late. */
    bool isLate (std::uint64_t timed, std::uint64_t late, std::uint64_t now)
    {
        if (timed < timedBefore || late < lateBefore) // another port
        {
            spans = 0;
            begin (timed, late, now);
        }
        else if (now >= began + span)
        {
            const auto count = late - lateBefore;
            spans = count >= 3 && count * 20 >= timed - timedBefore ? spans + 1 : 0;
            begin (timed, late, now);
        }

        return spans >= 2;
    }

    static constexpr std::uint64_t span = 4000000000;

private:
    void begin (std::uint64_t timed, std::uint64_t late, std::uint64_t now)
    {
        timedBefore = timed;
        lateBefore = late;
        began = now;
    }

    std::uint64_t timedBefore = 0, lateBefore = 0, began = 0;
    int spans = 0;
};
