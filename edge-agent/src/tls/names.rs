//! Which certificate is shown to whom: the one for exactly the name that is asked for, else the
//! one for all names beside it, else the first.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use super::pair::Pair;

/// Certificates by name. Where two have the same name the first is shown.
#[derive(Debug, Default)]
pub(super) struct Names {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows `*.`.
    wild: HashMap<String, Arc<CertifiedKey>>,
    first: Option<Arc<CertifiedKey>>,
}

impl Names {
    pub(super) fn of<'a>(pairs: impl Iterator<Item = &'a Pair>) -> Self {
        let mut names = Self::default();
        for pair in pairs {
            for name in pair.names() {
                let (map, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut names.wild, parent),
                    None => (&mut names.exact, name.as_str()),
                };
                map.entry(name.to_owned()).or_insert_with(|| pair.key());
            }
            names.first.get_or_insert_with(|| pair.key());
        }
        names
    }

    pub(super) fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let named = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let parent = name.split_once('.').map(|(_, parent)| parent);
            let exact = self.exact.get(&name);
            exact.or_else(|| self.wild.get(parent?))
        });
        named.or(self.first.as_ref()).cloned()
    }
}
