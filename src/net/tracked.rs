//! Something that tells whether it may have changed.

use std::ops::{Deref, DerefMut};

/// A value that notes when it is borrowed to be changed.
pub(super) struct Tracked<T> {
    value: T,
    touched: bool,
}

impl<T> Tracked<T> {
    /// A new value counts as touched.
    pub(super) fn new(value: T) -> Self {
        Self { value, touched: true }
    }

    /// Whether it may have changed since `settle`.
    pub(super) fn is_touched(&self) -> bool {
        self.touched
    }

    /// From now on only new changes count.
    pub(super) fn settle(&mut self) {
        self.touched = false;
    }

    /// For calls that need `&mut`, but change nothing that others look at.
    pub(super) fn untouched(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Deref for Tracked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Tracked<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.touched = true;
        &mut self.value
    }
}
