//! What of a port's configuration concerns its peers only, and may change while it runs.

use super::allow::Allow;

#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Who may connect; None: everybody.
    pub allow: Option<Allow>,
}
