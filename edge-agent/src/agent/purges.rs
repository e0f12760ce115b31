//! Purges of everything that this edge stores: HTTP answers and recorded streams.

use contract::order::PurgeScope;

use crate::control::Purger;
use crate::recorded::Recordings;
use crate::web::Web;

/// Both stores.
#[derive(Debug)]
pub(super) struct Purges {
    pub(super) web: Web,
    pub(super) recordings: Recordings,
}

impl Purger for Purges {
    fn purge(&self, scope: &PurgeScope) -> u64 {
        self.web.purge(scope) + self.recordings.purge(scope)
    }
}
