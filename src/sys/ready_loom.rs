//! A descriptor as the models see it: like an eventfd, it orders who sets it and who clears it.

use crate::sys::sync::{AtomicU32, Ordering};
use std::io;

pub(crate) type Ready = Modelled;

#[derive(Default)]
pub(crate) struct Modelled {
    count: AtomicU32,
}

impl Modelled {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    pub(crate) fn set(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn clear(&self) -> bool {
        self.count.swap(0, Ordering::AcqRel) != 0
    }

    pub(crate) fn handle(&self) -> isize {
        self.count.load(Ordering::Acquire) as isize
    }
}
