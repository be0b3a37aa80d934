//! What of a port's configuration concerns its peers only, and may change while it runs.

use super::allow::Allow;
use super::name::Name;

#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Who may connect; None: everybody.
    pub allow: Option<Allow>,
    pub name: Name,
}
