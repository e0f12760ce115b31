//! The disk tier of HTTP answers: heads as notes that are always at hand, bodies in slices.
//!
//! Entries go in by name, and come out again also after a restart. Where the disk is full or fails
//! there is less on it, and that is all. It does not know what is fresh, nor what may be stored.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use contract::id::RouteId;
use edge_core::cache::policy::Policy;
use edge_core::cache::range;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use super::object::{Head, Held, Object};
use super::slices::{SLICE_BYTES, Slices};
use crate::store::Store;

/// The part under which a head stands.
const HEAD: u64 = 0;

/// What is on disk.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    store: Store,
}

/// What an entry is.
#[derive(Debug)]
pub(super) enum Entry {
    Object(Arc<Object>),
    /// Answers vary by these fields, and stand under names made with this salt.
    Varies {
        names: Vec<HeaderName>,
        salt: u64,
    },
}

#[derive(Serialize, Deserialize)]
enum Note {
    Object {
        generation: u64,
        length: u64,
        status: u16,
        fields: Vec<(String, String)>,
        policy: [u64; 6],
        route: RouteId,
    },
    Varies {
        names: Vec<String>,
        salt: u64,
    },
}

fn head_name(name: &str) -> String {
    format!("http\n{name}")
}

fn body_name(generation: u64) -> String {
    format!("slices\n{generation}")
}

impl Shelf {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }

    /// What stands under a name.
    pub(super) fn find(&self, name: &str) -> Option<Entry> {
        self.note(name)?.entry()
    }

    fn note(&self, name: &str) -> Option<Note> {
        let note = self.store.note(&head_name(name), HEAD)?;
        // Another version may have written it otherwise: then it is not there.
        serde_json::from_slice(&note).ok()
    }

    /// Keeps an object under a name, in the place of what was there.
    pub(super) fn put(&self, name: &str, object: &Object) {
        let before = self.generation(name);
        let generation = object.generation();
        if before.is_some_and(|before| before != generation) {
            self.remove(name);
        }
        if let Held::Whole { chunks, .. } = &object.body
            && before != Some(generation)
        {
            for (slice, bytes) in (0..).zip(slices(chunks)) {
                self.put_slice(generation, slice, bytes);
            }
        }
        self.keep(name, &Note::of(object));
    }

    /// Keeps by what answers vary.
    pub(super) fn put_varies(&self, name: &str, names: &[HeaderName], salt: u64) {
        self.remove(name);
        let names = names.iter().map(|name| name.as_str().to_owned()).collect();
        self.keep(name, &Note::Varies { names, salt });
    }

    fn keep(&self, name: &str, note: &Note) {
        if let Ok(note) = serde_json::to_vec(note) {
            self.write(&head_name(name), HEAD, note.into(), Bytes::new());
        }
    }

    /// Without a tier in memory nothing is waited for: what is put is there at once, or not at all.
    fn write(&self, object: &str, part: u64, note: Bytes, body: Bytes) {
        let put = self.store.put(object, part, note, body).now_or_never();
        debug_assert!(put.is_some(), "the store has a tier in memory");
    }

    /// Keeps a slice.
    pub(super) fn put_slice(&self, generation: u64, slice: u64, bytes: Bytes) {
        self.write(&body_name(generation), slice, Bytes::new(), bytes);
    }

    /// A slice, if it is there and as it was.
    pub(super) async fn slice(&self, generation: u64, slice: u64) -> Option<Bytes> {
        self.store.get(&body_name(generation), slice).await
    }

    /// Whether a slice is there.
    pub(super) fn has_slice(&self, generation: u64, slice: u64) -> bool {
        self.store.note(&body_name(generation), slice).is_some()
    }

    fn generation(&self, name: &str) -> Option<u64> {
        match self.note(name)? {
            Note::Object { generation, .. } => Some(generation),
            Note::Varies { .. } => None,
        }
    }

    /// Removes what stands under a name; returns whether that was an object.
    pub(super) fn remove(&self, name: &str) -> bool {
        let generation = self.generation(name);
        if let Some(generation) = generation {
            self.store.remove(&body_name(generation));
        }
        self.store.remove(&head_name(name));
        generation.is_some()
    }

    pub(super) fn clear(&self) {
        self.store.clear();
    }

    /// Comes when all is on the disk.
    pub(super) async fn settle(&self) {
        self.store.settle().await;
    }
}

/// A body in slices of one size.
fn slices(chunks: &[Bytes]) -> Vec<Bytes> {
    let size = usize::try_from(SLICE_BYTES).unwrap_or(usize::MAX);
    let mut slices = Vec::new();
    let mut slice = BytesMut::new();
    for chunk in chunks {
        let mut rest = chunk.clone();
        while !rest.is_empty() {
            let fits = rest.split_to(rest.len().min(size - slice.len()));
            slice.extend_from_slice(&fits);
            if slice.len() == size {
                slices.push(std::mem::take(&mut slice).freeze());
            }
        }
    }
    if !slice.is_empty() {
        slices.push(slice.freeze());
    }
    slices
}

impl Note {
    fn of(object: &Object) -> Self {
        let head = &object.head;
        // Values may hold any byte: each becomes the character of its number.
        let text = |value: &HeaderValue| -> String {
            let bytes = value.as_bytes().iter();
            bytes.map(|byte| char::from(*byte)).collect()
        };
        let fields = head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value)));
        Self::Object {
            generation: object.generation(),
            length: object.size(),
            status: head.status.as_u16(),
            fields: fields.collect(),
            policy: head.policy.to_numbers(),
            route: head.route,
        }
    }

    /// `None` for what no version of this wrote.
    fn entry(self) -> Option<Entry> {
        match self {
            Self::Varies { names, salt } => {
                let names = names.iter().map(|name| name.parse().ok());
                let names = names.collect::<Option<Vec<HeaderName>>>()?;
                Some(Entry::Varies { names, salt })
            }
            Self::Object {
                generation,
                length,
                status,
                fields,
                policy,
                route,
            } => {
                let mut headers = HeaderMap::new();
                for (name, value) in fields {
                    let bytes = value.chars().map(|char| u8::try_from(char).ok());
                    let bytes = bytes.collect::<Option<Vec<u8>>>()?;
                    let name: HeaderName = name.parse().ok()?;
                    headers.append(name, HeaderValue::from_bytes(&bytes).ok()?);
                }
                let validator = range::strong_validator(&headers);
                let body = Held::Slices(Slices::new(generation, length, validator));
                let head = Head {
                    status: StatusCode::from_u16(status).ok()?,
                    headers,
                    policy: Policy::from_numbers(policy),
                    length: Some(length),
                    route,
                };
                Some(Entry::Object(Arc::new(Object { head, body })))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::store::{Size, StoreConfig};

    fn shelf(folder: &std::path::Path) -> Shelf {
        Shelf::new(Store::open(&StoreConfig {
            memory: Size::Off,
            disk: Size::Unlimited,
            folder: folder.to_owned(),
        }))
    }

    fn object(generation: u64, length: usize) -> Object {
        let mut headers = HeaderMap::new();
        headers.append("etag", HeaderValue::from_static("\"a\""));
        headers.append("x", HeaderValue::from_bytes(b"\xe4\xff").unwrap());
        headers.append("x", HeaderValue::from_static("2"));
        let chunk = Bytes::from(vec![7; length]);
        Object {
            head: Head {
                status: StatusCode::OK,
                headers,
                policy: Policy::from_numbers([1, 2, 3, 4, 5, 1]),
                length: Some(length as u64),
                route: RouteId::from_bits(5),
            },
            body: Held::Whole {
                chunks: Arc::new([chunk.slice(..length / 3), chunk.slice(length / 3..)]),
                size: length as u64,
                generation,
            },
        }
    }

    #[tokio::test]
    async fn a_restart_finds_heads_and_slices_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let kept = shelf(dir.path());
        let length = usize::try_from(2 * SLICE_BYTES).unwrap() + 5;
        let put = object(9, length);
        kept.put("a", &put);
        kept.put_varies("b", &[http::header::ACCEPT], 3);
        kept.settle().await;
        let kept = shelf(dir.path());
        let Some(Entry::Object(found)) = kept.find("a") else {
            panic!("it is not there");
        };
        assert_eq!(found.head.headers, put.head.headers);
        assert_eq!(found.head.policy, put.head.policy);
        assert_eq!((found.size(), found.generation()), (put.size(), 9));
        let mut sizes = Vec::new();
        for slice in 0..4 {
            sizes.extend(kept.slice(9, slice).await.map(|bytes| bytes.len()));
        }
        assert_eq!(sizes.iter().sum::<usize>(), length);
        assert!(kept.has_slice(9, 2) && !kept.has_slice(9, 3));
        let varies = kept.find("b");
        assert!(matches!(varies, Some(Entry::Varies { names, salt: 3 }) if names == ["accept"]));
    }

    #[tokio::test]
    async fn a_new_generation_takes_the_place_of_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let kept = shelf(dir.path());
        kept.put("a", &object(1, 10));
        kept.put("a", &object(2, 20));
        assert!(kept.has_slice(2, 0) && !kept.has_slice(1, 0));
        assert!(kept.remove("a") && !kept.remove("a"));
        assert!(kept.find("a").is_none() && !kept.has_slice(2, 0));
    }
}
