//! The recorded streams of this edge: one [`Recording`] for each, found by where it comes from and
//! kept in the store.
//!
//! Viewers and fetches come to a recording: it says where a viewer finds what it needs next, and
//! what is to be fetched. The invariants: what several wait for is fetched once; what is dropped or
//! purged is never served to who comes later. It does not know RTMP sessions or how a server is
//! reached.

mod fills;
mod fresh;
mod recording;
mod seat;
mod window;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::name::{AppName, StreamName};
use contract::order::PurgeScope;
use contract::routing::NextHop;

pub use fills::{Fill, Wanted};
pub use fresh::{Comparison, Found, Standing};
pub use recording::{Recording, Step, Watch};
pub use seat::{Call, Over, Seat, SeatHandle, Told};

use crate::clock::now_ms;
use crate::store::{Held, Store};

/// Recordings whose index is held in memory though nobody watches. Chosen: an index is some 100
/// KiB; what is let go is read again from the store.
const MAX_IDLE: usize = 1_024;
/// What the name of every recording in the store begins with.
const PREFIX: &str = "rtmp\n";

/// How fetches are made. A recording says what is needed; who implements this brings it.
pub trait Fetch: Send + Sync {
    /// Starts a fetch.
    fn fetch(&self, fill: Fill);
    /// Starts looking whether the recording is still what is stored.
    fn compare(&self, comparison: Comparison);
}

/// Where a recording comes from: what tells one from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingKey {
    /// Whom to ask first.
    pub next: NextHop,
    /// For streams carried to the edge where their client belongs: the host and port that it used.
    pub host: Option<(String, u16)>,
    /// The application, as the next hop is asked for it.
    pub app: AppName,
    /// The stream.
    pub stream: StreamName,
}

impl RecordingKey {
    /// Its name in the store. None of its parts holds a line break.
    fn object(&self) -> String {
        let next = match self.next {
            NextHop::Origin(id) => id.to_string(),
            NextHop::Edge(id) => id.to_string(),
        };
        let (host, port) = match &self.host {
            Some((host, port)) => (host.as_str(), port.to_string()),
            None => ("", String::new()),
        };
        let (app, stream) = (&self.app, &self.stream);
        format!("{PREFIX}{next}\n{host}\n{port}\n{app}\n{stream}")
    }
}

/// All recordings; clones are the same.
#[derive(Debug, Clone)]
pub struct Recordings {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    by_object: Mutex<HashMap<String, Arc<Recording>>>,
}

impl Recordings {
    /// The recordings in a store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            shared: Arc::new(Shared {
                store,
                by_object: Mutex::default(),
            }),
        }
    }

    fn by_object(&self) -> MutexGuard<'_, HashMap<String, Arc<Recording>>> {
        let recordings = &self.shared.by_object;
        recordings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A recording with what is stored of it. It may become so many bytes large in the store.
    pub async fn open(&self, key: &RecordingKey, most: u64) -> Arc<Recording> {
        let object = key.object();
        let recording = {
            let mut recordings = self.by_object();
            if recordings.len() >= MAX_IDLE && !recordings.contains_key(&object) {
                recordings.retain(|_, recording| recording.is_busy());
            }
            let store = self.shared.store.clone();
            let made = || Arc::new(Recording::new(object.clone(), Some(store), now_ms()));
            Arc::clone(recordings.entry(object.clone()).or_insert_with(made))
        };
        recording.allow(most);
        recording.load().await;
        recording
    }

    /// A recording for one viewer alone: nothing of it is looked up or stored.
    #[must_use]
    pub fn private(&self, key: &RecordingKey) -> Arc<Recording> {
        Arc::new(Recording::new(key.object(), None, now_ms()))
    }

    /// How long a recording is in milliseconds, if that is known here.
    pub async fn length_ms(&self, key: &RecordingKey) -> Option<u32> {
        let object = key.object();
        let known = self.by_object().get(&object).cloned();
        if known.is_none() && self.shared.store.parts(&object).is_empty() {
            return None;
        }
        self.open(key, u64::MAX).await.length_ms()
    }

    /// Takes a recording out: what is stored of it goes, and who watches it is served to the end
    /// without storing anything more. False if that had been done before.
    pub fn drop_out(&self, recording: &Arc<Recording>) -> bool {
        let object = recording.object();
        let mut recordings = self.by_object();
        let known = recordings.get(object);
        if !known.is_some_and(|known| Arc::ptr_eq(known, recording)) {
            return false;
        }
        recordings.remove(object);
        recording.leave_store();
        self.shared.store.remove(object);
        true
    }

    /// Makes stored recordings go; returns how many did.
    #[must_use]
    pub fn purge(&self, scope: &PurgeScope) -> u64 {
        match scope {
            PurgeScope::All => {
                let mut recordings = self.by_object();
                for (_, recording) in recordings.drain() {
                    recording.leave_store();
                }
                self.shared.store.clear()
            }
            PurgeScope::Url { url } => {
                let Some(path) = path(url) else {
                    return 0;
                };
                let objects = self.shared.store.objects();
                let mut recordings = self.by_object();
                let mut count = 0;
                for object in objects.iter().filter(|object| is_at(object, &path)) {
                    self.shared.store.remove(object);
                    count += 1;
                }
                recordings.retain(|object, recording| {
                    let stays = !is_at(object, &path);
                    if !stays {
                        recording.leave_store();
                    }
                    stays
                });
                count
            }
        }
    }

    /// What the store holds.
    #[must_use]
    pub fn held(&self) -> Held {
        self.shared.store.held()
    }

    /// Comes when all that was stored until now is on the disk, or could not be brought there.
    pub async fn settle(&self) {
        self.shared.store.settle().await;
    }
}

/// Application and stream of an RTMP URL, as the server behind is asked for them; of a wrapped one
/// those of its last part.
fn path(url: &str) -> Option<String> {
    let last = match url.rfind("?rtmp") {
        Some(at) => &url[at + 1..],
        None => url,
    };
    let (scheme, rest) = last.split_once(":/")?;
    if !matches!(scheme, "rtmp" | "rtmps") {
        return None;
    }
    let (_, path) = rest.trim_start_matches('/').split_once('/')?;
    let path = path.split('?').next().unwrap_or(path);
    (!path.is_empty()).then(|| path.to_owned())
}

/// Whether a recording's name in the store ends with this application and stream.
fn is_at(object: &str, path: &str) -> bool {
    let named = object.strip_prefix(PREFIX);
    let mut parts = named.into_iter().flat_map(|rest| rest.splitn(5, '\n'));
    let (app, stream) = (parts.nth(3), parts.next());
    app.zip(stream).is_some_and(|(app, stream)| {
        let asked = path.strip_prefix(app);
        let asked = asked.and_then(|rest| rest.strip_prefix('/'));
        asked.is_some_and(|asked| plain(asked) == plain(stream))
    })
}

/// A stream's name without what players add and take away: ffmpeg and rtmpdump ask for `a` where
/// the address says `a.flv`, and for `mp4:a.mp4` where it says `a.mp4`.
fn plain(stream: &str) -> &str {
    let kinds = ["flv:", "mp4:", "mp3:"];
    let bare = kinds.iter().find_map(|kind| stream.strip_prefix(kind));
    let bare = bare.unwrap_or(stream);
    bare.strip_suffix(".flv").unwrap_or(bare)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
