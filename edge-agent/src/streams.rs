//! The live streams that this edge carries now, as the report and the metrics ask for them. Whoever
//! carries a stream enters it and holds the entry; dropping the entry takes the stream out. Tunnels,
//! which carry what nobody here counts by streams, are only counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use contract::report::StreamState;

/// Something that can say how its stream stands. It is asked once a second and must not wait.
pub trait StreamSource: Send + Sync {
    /// The stream as it is now; `None` if there is nothing to say of it.
    fn state(&self) -> Option<StreamState>;
}

/// All streams; clones are the same registry.
#[derive(Clone, Default)]
pub struct Streams {
    shared: Arc<Mutex<Entries>>,
    tunnels: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Entries {
    next: u64,
    sources_by_entry: BTreeMap<u64, Arc<dyn StreamSource>>,
}

impl Streams {
    /// Enters a stream until the entry is dropped.
    #[must_use]
    pub fn enter(&self, source: Arc<dyn StreamSource>) -> StreamEntry {
        let mut entries = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let number = entries.next;
        entries.next += 1;
        entries.sources_by_entry.insert(number, source);
        StreamEntry {
            streams: self.clone(),
            number,
        }
    }

    /// Counts a tunnel until what this returns is dropped.
    #[must_use]
    pub fn enter_tunnel(&self) -> TunnelEntry {
        self.tunnels.fetch_add(1, Relaxed);
        TunnelEntry {
            tunnels: Arc::clone(&self.tunnels),
        }
    }

    /// How many tunnels there are now.
    #[must_use]
    pub fn tunnels(&self) -> usize {
        self.tunnels.load(Relaxed)
    }

    /// Every stream as it is now.
    #[must_use]
    pub fn states(&self) -> Vec<StreamState> {
        // The sources are asked without the lock: one of them may drop an entry meanwhile.
        let sources: Vec<_> = {
            let entries = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            entries.sources_by_entry.values().cloned().collect()
        };
        sources.iter().filter_map(|source| source.state()).collect()
    }
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams").finish_non_exhaustive()
    }
}

/// A tunnel that is counted.
#[derive(Debug)]
pub struct TunnelEntry {
    tunnels: Arc<AtomicUsize>,
}

impl Drop for TunnelEntry {
    fn drop(&mut self) {
        self.tunnels.fetch_sub(1, Relaxed);
    }
}

/// A stream's place in the registry.
#[derive(Debug)]
pub struct StreamEntry {
    streams: Streams,
    number: u64,
}

impl Drop for StreamEntry {
    fn drop(&mut self) {
        let mut entries = self
            .streams
            .shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        entries.sources_by_entry.remove(&self.number);
    }
}
