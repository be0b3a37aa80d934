//! Frames in the parser: it collects each behind its `F4`, hands it over, and passes over bytes that make no frame.

use super::super::frame;
use super::super::message::{data_run, is_realtime};
use super::Progress::{self, Took};
use super::{Mode, Parser, Sink};

impl Parser {
    /// Inside a frame, or at its `F4`.
    pub(super) fn frame<S: Sink>(&mut self, input: &[u8], sink: &mut S) -> Progress {
        let before = self.held.len();
        let head = usize::from(before == 0);
        let most = input.len().min(frame::LONGEST - before);
        let end = head + data_run(&input[head..most]);
        let begun = if before == 0 {
            &input[..end]
        } else {
            self.keep(&input[..end]);
            &self.held
        };
        let extent = frame::extent(begun);
        match extent {
            Some(len) if len > begun.len() => {
                if before == 0 {
                    self.keep(&input[..end]);
                }
                return match input.get(end) {
                    Some(&byte) => self.status(byte, sink).after(end),
                    None => Took(end),
                };
            }
            Some(len) if sink.frame(&begun[..len]) => self.extended |= frame::is_hello(&begun[..len]),
            _ if self.extended => {}
            _ => self.counts.invalid += extent.unwrap_or(begun.len()) as u64,
        }
        // Data bytes behind a whole frame are not of it.
        let end = extent.map_or(end, |len| len - before);
        self.held.clear();
        self.mode = if self.extended { Mode::Skip } else { Mode::Short };
        Took(end)
    }

    /// Behind a frame, once a hello was taken.
    pub(super) fn skip<S: Sink>(&mut self, input: &[u8], sink: &mut S) -> Progress {
        let end = data_run(input);
        match input.get(end) {
            Some(&byte) if is_realtime(byte) => self.status(byte, sink).after(end),
            Some(_) => {
                self.mode = Mode::Short;
                Took(end)
            }
            None => Took(end),
        }
    }
}
