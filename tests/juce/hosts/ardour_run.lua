-- Ardour with the session in the folder named by SESSION, in real time, without a sound card. Does what it reads, line by
-- line, and says so.
AudioEngine:set_backend("None (Dummy)", "", "")
local session = load_session(os.getenv("SESSION"), "session")
local tracks = {}
for route in session:get_routes():iter() do
    local track = route:to_track()
    if not track:isnil() then
        track:monitoring_control():set_value(1, PBD.GroupControlDisposition.NoGroup) -- what comes in is heard
        tracks[route:name()] = route
    end
end
local bridge = tracks["bridge"] and tracks["bridge"]:nth_plugin(0):to_insert()
local by = ARDOUR.TransportRequestSource.TRS_UI

-- What is played on the screen's keyboard goes to the track.
local keyboard
local _, all = AudioEngine:get_ports(ARDOUR.DataType("midi"), ARDOUR.PortList())
for port in all[2]:iter() do
    if port:name():find("virtual%-keyboard") then
        keyboard = port:to_asyncmidiport()
        for name in pairs(tracks) do
            if name ~= "behind" then
                port:connect(name .. "/midi_in 1")
            end
        end
    elseif port:name():find("^bridge .*midi_out") then
        port:connect("behind/midi_in 1") -- what comes out of the many tracks
    end
end

local function send(bytes)
    local parser = ARDOUR.RawMidiParser()
    for byte in bytes:gmatch("%S+") do
        if parser:process_byte(tonumber(byte)) then
            keyboard:write(parser:midi_buffer(), parser:buffer_size(), 0)
        end
    end
end

local commands = {
    send = send,
    play = function() session:request_roll(by) end,
    stop = function() session:request_stop(false, false, by) end,
    rolls = function() return session:transport_rolling() end,
    deactivate = function() bridge:deactivate() end,
    activate = function() bridge:activate() end,
    bypass = function() bridge:enable(false) end,
    unbypass = function() bridge:enable(true) end,
    delete = function(number)
        local track = tracks["bridge " .. number]
        track:remove_processor(track:nth_plugin(0), nil, true)
        collectgarbage()
    end,
    save = function() session:save_state("", false, false, false, false, false) end,
}
local count = 0
for line in io.lines() do
    count = count + 1
    local name, argument = line:match("(%S+) ?(.*)")
    io.stderr:write(string.format("\ndone %d %s %s\n", count, name, tostring((commands[name](argument)))))
end
keyboard, all, tracks = nil, nil, nil
collectgarbage()
close_session()
