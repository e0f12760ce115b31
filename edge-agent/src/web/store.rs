//! The store: objects and slices of objects in memory, bounded by weight, in front of the shelf on
//! disk. The least used go first.
//!
//! What varies is stored under its key and what the request said in the fields that it varies by.
//! What turned out not to be storable is remembered for a while, so that requests for it are not
//! made to wait for each other. Purging everything takes constant time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use edge_core::cache::key::Key;
use edge_core::cache::vary;
use http::{HeaderMap, HeaderName};
use moka::sync::Cache;

use super::bodies::Bodies;
use super::object::Object;
use super::shelf::{self, Shelf};
use crate::clock::now_ms;

/// What the store may weigh; chosen, because small machines have 1 GiB.
pub(super) const MEMORY_BYTES: u64 = 256 << 20;
/// How long it is remembered that an answer is not stored; chosen as Varnish does.
const UNSTORABLE_MS: u64 = 120_000;

/// What the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

#[derive(Debug)]
pub(super) struct Store {
    entries: Cache<String, Entry>,
    capacity: u64,
    salt: AtomicU64,
    /// How many of the entries are slices.
    slices: Arc<AtomicU64>,
    shelf: Shelf,
    bodies: Bodies,
}

#[derive(Debug, Clone)]
enum Entry {
    Object(Arc<Object>),
    Varies(Arc<Varies>),
    Unstorable {
        until_ms: u64,
    },
    /// A slice of an object whose head stands elsewhere.
    Slice(Bytes),
}

/// Stands under the key of answers that vary; the answers themselves stand under longer names
/// that begin anew with each such entry, so that dropping this one drops them all.
#[derive(Debug)]
struct Varies {
    names: Vec<HeaderName>,
    salt: u64,
    answers: AtomicU64,
}

/// What was found.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// An answer for this request.
    Object(Arc<Object>),
    /// Nothing that can be used.
    Nothing,
    /// Nothing for this request; answers to others vary from it.
    Others,
    /// Answers to it are not stored: nobody should wait for another's.
    Unstorable,
}

impl Store {
    pub(super) fn new(capacity: u64, shelf: Shelf) -> Self {
        let weigh = |name: &String, entry: &Entry| {
            let weight = match entry {
                Entry::Object(object) => object.weight(),
                Entry::Varies(_) | Entry::Unstorable { .. } => 256,
                Entry::Slice(bytes) => bytes.len() as u64 + 256,
            };
            let name = u64::try_from(name.len()).unwrap_or(u64::MAX);
            u32::try_from(weight.saturating_add(name)).unwrap_or(u32::MAX)
        };
        let slices = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&slices);
        Self {
            entries: Cache::builder()
                .max_capacity(capacity)
                .weigher(weigh)
                .eviction_listener(move |_, entry, _| {
                    if matches!(entry, Entry::Slice(_)) {
                        counted.fetch_sub(1, Ordering::Relaxed);
                    }
                })
                .build(),
            capacity,
            salt: AtomicU64::new(0),
            slices,
            shelf,
            bodies: Bodies::default(),
        }
    }

    /// What stands under a name in memory, or on the shelf.
    fn entry(&self, name: &str) -> Option<Entry> {
        if let Some(entry) = self.entries.get(name) {
            return Some(entry);
        }
        let entry = match self.shelf.find(name)? {
            shelf::Entry::Object(object) => Entry::Object(self.bodies.one(object)),
            shelf::Entry::Varies { names, salt } => Entry::Varies(Arc::new(Varies {
                names,
                salt,
                answers: AtomicU64::new(0),
            })),
        };
        self.entries.insert(name.to_owned(), entry.clone());
        // A purge may have come between the two.
        if self.shelf.find(name).is_none() {
            self.entries.remove(name);
            return None;
        }
        Some(entry)
    }

    /// The largest body that is stored, whatever the route says: one object must not push out all
    /// others, and moka weighs in 32 bits.
    pub(super) fn largest(&self) -> u64 {
        (self.capacity / 4).min(u64::from(u32::MAX / 2))
    }

    /// What there is for a request, whose fields are asked for only where answers vary by them.
    pub(super) fn find(
        &self,
        key: &Key,
        request: impl FnOnce() -> HeaderMap,
        now_ms: u64,
    ) -> Found {
        let name = key.to_string();
        let entry = match self.entry(&name) {
            Some(Entry::Varies(varies)) => match self.entry(&varies.name(&name, &request())) {
                None => return Found::Others,
                entry => entry,
            },
            entry => entry,
        };
        match entry {
            Some(Entry::Object(object)) => Found::Object(object),
            Some(Entry::Unstorable { until_ms }) if now_ms < until_ms => Found::Unstorable,
            Some(Entry::Unstorable { .. } | Entry::Varies(_) | Entry::Slice(_)) | None => {
                Found::Nothing
            }
        }
    }

    /// The name under which fills for equal requests meet: the key, and what the request says in
    /// the fields that known answers vary by.
    pub(super) fn flight_name(&self, key: &Key, request: &HeaderMap) -> String {
        let name = key.to_string();
        match self.entries.get(&name) {
            Some(Entry::Varies(varies)) => varies.name(&name, request),
            Some(Entry::Object(_) | Entry::Unstorable { .. } | Entry::Slice(_)) | None => name,
        }
    }

    /// Stores the answer to a request.
    pub(super) fn insert(&self, key: &Key, request: &HeaderMap, object: Arc<Object>) {
        let name = key.to_string();
        let Some(names) = vary::fields(&object.head.headers) else {
            return;
        };
        let object = self.bodies.one(object);
        if names.is_empty() {
            self.shelf.put(&name, &object);
            self.entries.insert(name, Entry::Object(object));
            return;
        }
        let varies = match self.entry(&name) {
            Some(Entry::Varies(varies)) if varies.names == names => varies,
            Some(_) | None => {
                let varies = Arc::new(Varies {
                    names,
                    salt: self.generation(now_ms()),
                    answers: AtomicU64::new(0),
                });
                self.shelf.put_varies(&name, &varies.names, varies.salt);
                self.entries
                    .insert(name.clone(), Entry::Varies(Arc::clone(&varies)));
                varies
            }
        };
        varies.answers.fetch_add(1, Ordering::Relaxed);
        let name = varies.name(&name, request);
        self.shelf.put(&name, &object);
        self.entries.insert(name, Entry::Object(object));
    }

    /// A number that no object of this store had before, nor had one before a restart: time goes on.
    pub(super) fn generation(&self, now_ms: u64) -> u64 {
        now_ms << 16 | (self.salt.fetch_add(1, Ordering::Relaxed) & 0xffff)
    }

    /// Stores a slice of the object of this generation.
    pub(super) fn put_slice(&self, generation: u64, slice: u64, bytes: Bytes) {
        self.shelf.put_slice(generation, slice, bytes.clone());
        self.hold_slice(generation, slice, bytes);
    }

    fn hold_slice(&self, generation: u64, slice: u64, bytes: Bytes) {
        self.slices.fetch_add(1, Ordering::Relaxed);
        let name = slice_name(generation, slice);
        self.entries.insert(name, Entry::Slice(bytes));
    }

    /// A slice, if it is held.
    pub(super) async fn slice(&self, generation: u64, slice: u64) -> Option<Bytes> {
        match self.entries.get(&slice_name(generation, slice)) {
            Some(Entry::Slice(bytes)) => Some(bytes),
            Some(Entry::Object(_) | Entry::Varies(_) | Entry::Unstorable { .. }) | None => {
                let bytes = self.shelf.slice(generation, slice).await?;
                self.hold_slice(generation, slice, bytes.clone());
                Some(bytes)
            }
        }
    }

    /// Whether a slice is held.
    pub(super) fn has_slice(&self, generation: u64, slice: u64) -> bool {
        self.entries.contains_key(&slice_name(generation, slice))
            || self.shelf.has_slice(generation, slice)
    }

    /// Remembers that parts of what stands under this key cannot be put together.
    pub(super) fn mark_partless(&self, key: &Key, now_ms: u64) {
        let until_ms = now_ms + UNSTORABLE_MS;
        self.entries
            .insert(partless_name(key), Entry::Unstorable { until_ms });
    }

    /// Whether parts of what stands under this key cannot be put together.
    pub(super) fn is_partless(&self, key: &Key, now_ms: u64) -> bool {
        match self.entries.get(&partless_name(key)) {
            Some(Entry::Unstorable { until_ms }) => now_ms < until_ms,
            Some(Entry::Object(_) | Entry::Varies(_) | Entry::Slice(_)) | None => false,
        }
    }

    /// Remembers that answers under this key are not stored.
    pub(super) fn mark_unstorable(&self, key: &Key, now_ms: u64) {
        let until_ms = now_ms + UNSTORABLE_MS;
        self.entries
            .insert(key.to_string(), Entry::Unstorable { until_ms });
    }

    /// Drops what stands under a key; returns how many answers went.
    pub(super) fn remove(&self, key: &Key) -> u64 {
        let name = key.to_string();
        let was_kept = self.shelf.remove(&name);
        match self.entries.remove(&name) {
            Some(Entry::Object(_)) => 1,

            Some(Entry::Varies(varies)) => varies.answers.load(Ordering::Relaxed),
            Some(Entry::Unstorable { .. } | Entry::Slice(_)) => 0,
            // It was not asked for since a restart.
            None => u64::from(was_kept),
        }
    }

    /// Drops everything; returns how many entries there were.
    pub(super) fn clear(&self) -> u64 {
        self.entries.run_pending_tasks();
        let objects = self.objects();
        self.shelf.clear();
        self.entries.invalidate_all();
        objects
    }

    /// Comes when all that is stored is on the disk, or could not be brought there.
    pub(super) async fn settle(&self) {
        self.shelf.settle().await;
    }

    /// How many entries there are that are not slices.
    fn objects(&self) -> u64 {
        let slices = self.slices.load(Ordering::Relaxed);
        self.entries.entry_count().saturating_sub(slices)
    }

    pub(super) fn stored(&self) -> Stored {
        self.entries.run_pending_tasks();
        Stored {
            objects: self.objects(),
            bytes: self.entries.weighted_size(),
        }
    }
}

/// No key begins with a line break.
fn slice_name(generation: u64, slice: u64) -> String {
    format!("\n{generation}\n{slice}")
}

fn partless_name(key: &Key) -> String {
    format!("\n{key}")
}

impl Varies {
    fn name(&self, key: &str, request: &HeaderMap) -> String {
        let selected = vary::selected(&self.names, request);
        // A key holds no line break.
        format!("{key}\n{}\n{selected}", self.salt)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::web::object::{Head, Held};
    use contract::id::RouteId;
    use contract::route::CacheSettings;
    use edge_core::cache::policy::{self, Exchange};
    use http::{Method, StatusCode};

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn object(vary: &'static str, size: u64) -> Arc<Object> {
        let headers = fields(&[("vary", vary), ("cache-control", "max-age=60")]);
        let exchange = Exchange {
            method: &Method::GET,
            request: &HeaderMap::new(),
            status: StatusCode::OK,
            response: &headers,
            requested_ms: 0,
            responded_ms: 0,
        };
        let policy = policy::policy(&exchange, &CacheSettings::default()).unwrap();
        Arc::new(Object {
            head: Head {
                status: StatusCode::OK,
                headers,
                policy,
                length: Some(size),
                route: RouteId::from_bits(1),
            },
            body: Held::Whole {
                chunks: Arc::new([]),
                size,
                generation: 1,
            },
        })
    }

    fn nothing() -> Shelf {
        Shelf::new(crate::store::Store::nothing())
    }

    fn key() -> Key {
        Key::of_url("http://e/a").unwrap()
    }

    fn is_found(store: &Store, request: &HeaderMap) -> bool {
        matches!(store.find(&key(), || request.clone(), 0), Found::Object(_))
    }

    #[test]
    fn an_answer_that_varies_is_found_only_by_equal_requests() {
        let store = Store::new(1 << 20, nothing());
        let (one, other) = (fields(&[("accept", "a")]), fields(&[("accept", "b")]));
        store.insert(&key(), &one, object("accept", 1));
        assert!(is_found(&store, &one));
        assert!(!is_found(&store, &other));
        store.insert(&key(), &other, object("accept", 1));
        assert!(is_found(&store, &one) && is_found(&store, &other));
        assert_eq!(store.remove(&key()), 2);
        assert!(!is_found(&store, &one) && !is_found(&store, &other));
        // The answers of before do not come back with the next one.
        store.insert(&key(), &one, object("accept", 1));
        assert!(!is_found(&store, &other));
    }

    #[test]
    fn everything_goes_at_once_and_weight_is_bounded() {
        let store = Store::new(10_000, nothing());
        let none = HeaderMap::new();
        store.insert(&key(), &none, object("", 100));
        assert!(is_found(&store, &none));
        assert_eq!(store.clear(), 1);
        assert!(!is_found(&store, &none));
        for number in 0..100 {
            let key = Key::of_url(&format!("http://e/{number}")).unwrap();
            store.insert(&key, &none, object("", 1_000));
        }
        assert!(store.stored().bytes <= 10_000);
    }

    #[test]
    fn what_is_not_stored_is_remembered_for_a_while() {
        let store = Store::new(1 << 20, nothing());
        let none = HeaderMap::new;
        store.mark_unstorable(&key(), 0);
        assert!(matches!(store.find(&key(), none, 0), Found::Unstorable));
        let later = store.find(&key(), none, UNSTORABLE_MS);
        assert!(matches!(later, Found::Nothing));
    }
}
