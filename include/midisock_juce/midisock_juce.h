/* midisock as a JUCE module: for juce_add_module() in CMake, and for the Projucer. All of it is <midisock/juce.hpp>.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The plugin links libmidisock as well: in CMake midisock::static.

BEGIN_JUCE_MODULE_DECLARATION

  ID:                 midisock_juce
  vendor:             midisock
  version:            0.2.0
  name:               midisock for JUCE
  description:        MIDI between programs over TCP, safe on the audio thread
  license:            MIT OR Apache-2.0
  minimumCppStandard: 17

  dependencies:       juce_audio_basics, juce_data_structures

END_JUCE_MODULE_DECLARATION

*/
#ifndef MIDISOCK_JUCE_MODULE_H
#define MIDISOCK_JUCE_MODULE_H

#include <juce_audio_basics/juce_audio_basics.h>
#include <juce_data_structures/juce_data_structures.h>

#include <midisock/juce.hpp>

#endif
