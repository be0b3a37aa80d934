//! What panic and reset send.

/// All Sound Off on 16 channels: 48 bytes, those of mido's `panic()`.
pub static PANIC: [[u8; 3]; 16] = {
    let mut messages = [[0xB0, 120, 0]; 16];
    let mut channel = 0;
    while channel < 16 {
        messages[channel][0] |= channel as u8;
        channel += 1;
    }
    messages
};

/// All Notes Off and Reset All Controllers on each of 16 channels: 96 bytes, those of mido's `reset()`.
pub static RESET: [[u8; 3]; 32] = {
    let mut messages = [[0xB0, 123, 0]; 32];
    let mut index = 0;
    while index < 32 {
        messages[index][0] |= (index / 2) as u8;
        if index % 2 == 1 {
            messages[index][1] = 121;
        }
        index += 1;
    }
    messages
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_in_order() {
        for channel in 0..16 {
            let status = 0xB0 | channel as u8;
            assert_eq!(PANIC[channel], [status, 120, 0]);
            assert_eq!(
                RESET[2 * channel..2 * channel + 2],
                [[status, 123, 0], [status, 121, 0]]
            );
        }
    }
}
