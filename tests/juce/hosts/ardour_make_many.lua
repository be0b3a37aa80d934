-- A session with midisock Bridge on each of sixteen MIDI tracks, and one more on a track behind them; saved in the folder
-- named by SESSION.
AudioEngine:set_backend("None (Dummy)", "", "")
local session = create_session(os.getenv("SESSION"), "session", 48000)
local midi = ARDOUR.ChanCount(ARDOUR.DataType("midi"), 1)
local tracks = {}
for number = 1, 17 do
    local name = number < 17 and "bridge " .. number or "behind"
    tracks[number] = session:new_midi_track(midi, midi, true, ARDOUR.PluginInfo(), nil, nil, 1, name,
                                            ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true):front()
end
for _, track in ipairs(tracks) do
    -- Ardour connects what is new in a thread of its own, which must not meet the next line: they may lock each other out.
    ARDOUR.LuaAPI.usleep(50000)
    track:add_processor_by_index(
        ARDOUR.LuaAPI.new_plugin(session, "midisock Bridge", ARDOUR.PluginType.VST3, ""), 0, nil, true)
end
ARDOUR.LuaAPI.usleep(300000)
session:save_state("", false, false, false, false, false)
close_session()
