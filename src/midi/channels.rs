//! Sets of channels, with the system messages as one more.

/// A set of the 16 channels (bits 0 to 15) and the system messages (bit 16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels(u32);

/// The number of bits: the channels, and the system messages.
pub(crate) const PLACES: usize = 17;

impl Default for Channels {
    fn default() -> Self {
        Self::ALL
    }
}

impl Channels {
    pub(crate) const ALL: Self = Self((1 << PLACES) - 1);
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const SYSTEM: Self = Self(1 << 16);

    /// The set with these bits; None where a bit means nothing.
    pub const fn of(bits: u32) -> Option<Self> {
        if bits & !Self::ALL.0 == 0 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// The set of those of these bits that mean something.
    #[inline(always)]
    pub const fn of_known(bits: u32) -> Self {
        Self(bits & Self::ALL.0)
    }

    #[inline(always)]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The bits of the channels alone.
    pub const fn voices(self) -> u16 {
        self.0 as u16
    }

    #[inline(always)]
    pub const fn is_all(self) -> bool {
        self.0 == Self::ALL.0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub const fn has_system(self) -> bool {
        self.0 & Self::SYSTEM.0 != 0
    }

    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub const fn complement(self) -> Self {
        Self::ALL.without(self)
    }

    /// Whether a whole message belongs to one of these.
    #[inline(always)]
    pub fn has(self, message: &[u8]) -> bool {
        self.is_all() || message.first().is_some_and(|status| self.has_status(*status))
    }

    #[inline(always)]
    pub const fn has_status(self, status: u8) -> bool {
        self.0 >> place_of(status) & 1 != 0
    }

    /// The places of its bits.
    pub fn places(self) -> impl Iterator<Item = usize> {
        (0..PLACES).filter(move |place| self.0 >> place & 1 != 0)
    }
}

/// The place of a message with this status.
#[inline(always)]
pub(crate) const fn place_of(status: u8) -> usize {
    if status >= 0xF0 { 16 } else { (status & 0x0F) as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_place() {
        let second = Channels::of(2).unwrap();
        for status in 0x80..=0xFF {
            let message = [status, 0, 0];
            assert!(Channels::ALL.has(&message) && !Channels::NONE.has(&message));
            assert_eq!(second.has(&message), status < 0xF0 && status & 15 == 1);
            assert_eq!(Channels::SYSTEM.has(&message), status >= 0xF0);
        }
        assert!(!Channels::NONE.has(&[]));
    }

    #[test]
    fn other_bits_mean_nothing() {
        assert_eq!(Channels::of(1 << 17), None);
        assert_eq!(Channels::of(u32::MAX), None);
        assert_eq!(Channels::of(0x1FFFF), Some(Channels::ALL));
        assert_eq!(Channels::of_known(u32::MAX), Channels::ALL);
        assert_eq!(second_and_system().places().collect::<Vec<_>>(), [1, 16]);
        assert!(second_and_system().complement().or(second_and_system()).is_all());
    }

    fn second_and_system() -> Channels {
        Channels::of(0x10002).unwrap()
    }
}
