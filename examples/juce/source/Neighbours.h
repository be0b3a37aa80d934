#pragma once

#include <juce_core/juce_core.h>

#include <map>

/** Where each of the plugin's instances in this program listens: those at the same place share it. One for all of them,
    as a juce::SharedResourcePointer. Not for the audio thread. */
class Neighbours
{
public:
    /** `place` is empty where `instance` does not listen. */
    void set (const void* instance, const juce::String& place)
    {
        const juce::ScopedLock hold (lock);

        if (place.isEmpty())
            places.erase (instance);
        else
            places[instance] = place;
    }

    /** How many instances listen where this one does, itself included. */
    int at (const void* instance) const
    {
        const juce::ScopedLock hold (lock);
        const auto own = places.find (instance);
        int count = 0;

        for (const auto& [other, place] : places)
            count += own != places.end() && place == own->second ? 1 : 0;

        return count;
    }

private:
    juce::CriticalSection lock;
    std::map<const void*, juce::String> places;
};
