-- A session with two of midisock Bridge, one behind the other, on a MIDI track, as a user would make it; saved in the folder
-- named by SESSION.
AudioEngine:set_backend("None (Dummy)", "", "")
local session = create_session(os.getenv("SESSION"), "session", 48000)
local midi = ARDOUR.ChanCount(ARDOUR.DataType("midi"), 1)
local track = session:new_midi_track(midi, midi, true, ARDOUR.PluginInfo(), nil, nil, 1, "bridge",
                                     ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true):front()
for place = 0, 1 do
    -- Ardour connects what is new in a thread of its own, which must not meet the next line: they may lock each other out.
    ARDOUR.LuaAPI.usleep(300000)
    track:add_processor_by_index(
        ARDOUR.LuaAPI.new_plugin(session, "midisock Bridge", ARDOUR.PluginType.VST3, ""), place, nil, true)
end
ARDOUR.LuaAPI.usleep(300000)
session:save_state("", false, false, false, false, false)
close_session()
