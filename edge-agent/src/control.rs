//! The link to the server: joining, asking for news, validating and keeping it, reporting. It
//! publishes [`Settings`]; everyone else only reads them.

use std::sync::Arc;

use contract::directory::Directory;
use contract::report::Stamp;
use contract::snapshot::Snapshot;

/// The settings in force, whole and immutable: a change is a new value.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Which snapshot this is; `None` before the first one.
    pub stamp: Option<Stamp>,
    /// The snapshot; `None` before the first one: everything is refused then.
    pub snapshot: Option<Arc<Snapshot>>,
    /// Clients, groups and assignments.
    pub directory: Arc<Directory>,
}
