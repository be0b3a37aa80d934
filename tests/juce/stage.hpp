// midisock Bridge in the hands of a test: its processor, its editor, and what is in that.
#pragma once

#include "BridgeEditor.h"

extern "C" {
#include "check.h"
}

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include <unistd.h>

// The processor, on a message thread that runs its loop, as in a host; the test is another of the host's threads.
struct stage {
    juce::ScopedJuceInitialiser_GUI juce;
    std::unique_ptr<juce::AudioProcessor> owner{createPluginFilter()};
    std::unique_ptr<juce::AudioProcessorEditor> editor;

    ~stage() { editor.reset(); }
    BridgeProcessor &bridge() { return dynamic_cast<BridgeProcessor &>(*owner); }
    BridgeEditor &open()
    {
        editor.reset(bridge().createEditorIfNeeded());
        return dynamic_cast<BridgeEditor &>(*editor);
    }
    void run(const std::function<void()> &test)
    {
        std::thread host([&] {
            test();
            juce::MessageManager::getInstance()->stopDispatchLoop();
        });
        juce::MessageManager::getInstance()->runDispatchLoop();
        host.join();
    }
};

// Has the message thread do it, and waits.
inline void there(std::function<void()> what)
{
    juce::MessageManager::getInstance()->callFunctionOnMessageThread(
        [](void *call) -> void * {
            (*static_cast<std::function<void()> *>(call))();
            return nullptr;
        },
        &what);
}

inline bool there_is(const std::function<bool()> &condition)
{
    bool is = false;
    there([&] { is = condition(); });
    return is;
}

// A picture of the editor, where the environment names a folder for it.
inline void picture(juce::Component &editor, const char *name)
{
    const char *folder = std::getenv("MIDISOCK_PICTURES");
    if (folder == nullptr) {
        return;
    }
    const juce::File file = juce::File(folder).getChildFile(juce::String(name) + ".png");
    (void)file.deleteFile();
    juce::FileOutputStream to(file);
    CHECK(to.openedOk());
    CHECK(juce::PNGImageFormat().writeImageToStream(editor.createComponentSnapshot(editor.getLocalBounds()), to));
}

template <class Wanted> Wanted *find(juce::Component &in, const juce::String &title)
{
    for (auto *child : in.getChildren()) {
        if (auto *wanted = dynamic_cast<Wanted *>(child); wanted != nullptr && wanted->getTitle() == title) {
            return wanted;
        }
        if (auto *wanted = find<Wanted>(*child, title)) {
            return wanted;
        }
    }
    return nullptr;
}

inline juce::Button *button(juce::Component &in, const juce::String &text)
{
    for (auto *child : in.getChildren()) {
        if (auto *found = dynamic_cast<juce::Button *>(child); found != nullptr && found->getButtonText() == text) {
            return found;
        }
        if (auto *found = button(*child, text)) {
            return found;
        }
    }
    return nullptr;
}
