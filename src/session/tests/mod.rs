//! One session, driven by hand: each test says when what happens, to the nanosecond. The random runs are in `simulation`.

mod channels;
mod driven;
mod leaving;
mod order;
mod pairing;
mod sender_time;
mod sharing;
mod studio;
mod turns;
mod two_clocks;
