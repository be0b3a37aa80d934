-- Ardour under JACK with the session in the folder named by SESSION. Does what it reads, line by line, and says so.
AudioEngine:set_backend("JACK", "ardour", "")
local session = load_session(os.getenv("SESSION"), "session")
local bridge = session:route_by_name("bridge"):nth_plugin(0):to_insert()
local by = ARDOUR.TransportRequestSource.TRS_UI
local commands = {
    play = function() session:request_roll(by) end,
    stop = function() session:request_stop(false, false, by) end,
    deactivate = function() bridge:deactivate() end,
    activate = function() bridge:activate() end,
    bypass = function() bridge:enable(false) end,
    unbypass = function() bridge:enable(true) end,
    save = function() session:save_state("", false, false, false, false, false) end,
    rolls = function() return session:transport_rolling() end,
}
local count = 0
for line in io.lines() do
    count = count + 1
    io.stderr:write(string.format("\ndone %d %s %s\n", count, line, tostring((commands[line]()))))
end
close_session()
