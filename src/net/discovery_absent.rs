//! In place of `discovery` in a build without it: nobody is advertised, and nobody browses.

use crate::session::name::Name;
use crate::sys::address::Address;
use crate::sys::code::Code;
use std::convert::Infallible;
use std::time::Duration;

/// There is none.
pub(crate) struct Hold(Infallible);

/// There is none.
pub(crate) struct Advertisement(Infallible);

/// There is none.
pub(crate) struct Browser(Infallible);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "no browser finds anything")]
pub(crate) enum Kind {
    Found,
    Changed,
    Lost,
}

pub(crate) struct Found {
    pub host: String,
    pub port: u16,
    pub address: String,
}

pub(crate) struct Change {
    pub kind: Kind,
    pub name: String,
    pub service: Found,
}

pub(crate) fn advertise(_addresses: &[Address], _name: &Name) -> Result<Option<(Hold, Advertisement)>, Code> {
    Err(Code::Unsupported)
}

impl Advertisement {
    pub(crate) fn begin(&mut self, _addresses: impl Iterator<Item = Address>) {
        match self.0 {}
    }

    pub(crate) fn rename(&mut self, _name: &Name) {
        match self.0 {}
    }
}

impl Browser {
    pub(crate) fn new() -> Result<Self, Code> {
        Err(Code::Unsupported)
    }

    pub(crate) fn next(&self) -> Option<Change> {
        match self.0 {}
    }

    pub(crate) fn wait(&self, _timeout: Option<Duration>) -> bool {
        match self.0 {}
    }
}
