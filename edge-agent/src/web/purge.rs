//! Purging: stored answers go, and fills that were begun before are not kept.

use contract::order::PurgeScope;
use edge_core::cache::key::Key;

use super::Web;
use crate::control::Purger;

impl Purger for Web {
    fn purge(&self, scope: &PurgeScope) -> u64 {
        match scope {
            PurgeScope::All => {
                self.shared.flights.outdate(|_| true);
                self.shared.store.clear()
            }
            PurgeScope::Url { url } => {
                Key::of_url(url).map_or(0, |key| self.forget(&self.counted(key)))
            }
        }
    }
}

impl Web {
    /// The key as a request for it is stored under, by the rule for queries of the route that takes it.
    pub(super) fn counted(&self, key: Key) -> Key {
        let settings = self.shared.context.settings.borrow();
        let routes = settings.snapshot.iter().flat_map(|all| &all.routes);
        let mut taking = routes.filter(|route| {
            let (host, port) = (key.at.host.as_str(), key.at.port);
            route.matches(key.scheme.plane(), host, port, &key.path)
        });
        match taking.next() {
            Some(route) => Key {
                query: route.query.counted(key.query.as_deref()),
                ..key
            },
            None => key,
        }
    }

    /// Drops what stands under a key; returns how many answers went.
    pub(super) fn forget(&self, key: &Key) -> u64 {
        let name = key.to_string();
        // What varies is filled under the key, a line break, and more.
        let fits = |filled: &str| {
            let rest = filled.strip_prefix(&name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('\n'))
        };
        self.shared.flights.outdate(fits);
        self.shared.store.remove(key)
    }
}
