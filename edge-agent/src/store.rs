//! The store of parts: memory in front of disk, both bounded, for whatever has a name and comes in
//! numbered parts of bytes.
//!
//! Parts go in with a short note that is always at hand; bytes come out. A restart keeps what is on
//! disk. The invariants: a torn or altered part is never served; a full, failing or slow disk makes
//! the store smaller, never wrong and never a caller wait for a write; purging everything takes
//! constant time. It does not know what the bytes mean.

mod disk;
mod index;
mod part;
mod writer;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use moka::future::Cache;

use disk::Disk;
use index::{Index, Place};
use writer::{Job, Writer};

/// How large a tier may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// There is none.
    Off,
    /// So many bytes.
    Bytes(u64),
    /// As much as there is room for.
    Unlimited,
}

impl Size {
    fn most(self) -> u64 {
        match self {
            Self::Off => 0,
            Self::Bytes(bytes) => bytes,
            Self::Unlimited => u64::MAX,
        }
    }
}

/// How a store is made.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The tier in memory.
    pub memory: Size,
    /// The tier on disk.
    pub disk: Size,
    /// The folder of the tier on disk.
    pub folder: PathBuf,
}

/// What a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Objects of which at least a part is held.
    pub objects: u64,
    /// Bytes of all parts, each counted once.
    pub bytes: u64,
    /// Parts that could not be written or read back.
    pub faults: u64,
}

/// A part of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct PartName {
    object: Arc<str>,
    part: u64,
}

impl PartName {
    fn new(object: &str, part: u64) -> Self {
        Self {
            object: object.into(),
            part,
        }
    }
}

/// A part in memory: by its mark too, so that what was removed is not found under its name again.
type Cached = (PartName, u64);

/// A store; clones are the same.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
    writer: Option<Writer>,
}

#[derive(Debug)]
struct Shared {
    memory: Option<Cache<Cached, Bytes>>,
    disk: Option<Disk>,
    index: Mutex<Index>,
    /// What memory let go and the index does not know yet.
    forgotten: Arc<Mutex<Vec<Cached>>>,
    faults: AtomicU64,
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }
}

impl Store {
    /// Opens a store with what is on its disk; reads the head of every file there.
    #[must_use]
    pub fn open(config: &StoreConfig) -> Self {
        let forgotten = Arc::<Mutex<Vec<Cached>>>::default();
        let memory = (config.memory != Size::Off).then(|| memory(config.memory, &forgotten));
        let disk = (config.disk != Size::Off).then(|| Disk::new(config.folder.clone()));
        let mut index = Index::default();
        for found in disk.iter().flat_map(Disk::scan) {
            let name = PartName::new(&found.head.object, found.head.part);
            let size = found.head.file_size();
            let mark = index.mark();
            index.enter(&name, mark, (found.head.note, size), Place::Disk);
        }
        let shared = Arc::new(Shared {
            memory,
            disk,
            index: Mutex::new(index),
            forgotten,
            faults: AtomicU64::new(0),
        });
        let writer = shared
            .disk
            .is_some()
            .then(|| Writer::start(Arc::clone(&shared), config.disk.most()))
            .flatten();
        Self { shared, writer }
    }

    /// A store that keeps nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self::open(&StoreConfig {
            memory: Size::Off,
            disk: Size::Off,
            folder: PathBuf::new(),
        })
    }

    /// The parts that are held of an object, with their notes, in order.
    #[must_use]
    pub fn parts(&self, object: &str) -> Vec<(u64, Bytes)> {
        self.tidy();
        self.shared.index().parts(object)
    }

    /// The note of a part, if it is held.
    #[must_use]
    pub fn note(&self, object: &str, part: u64) -> Option<Bytes> {
        self.tidy();
        self.shared.index().note(&PartName::new(object, part))
    }

    /// The names of all objects.
    #[must_use]
    pub fn objects(&self) -> Vec<Arc<str>> {
        self.tidy();
        self.shared.index().objects()
    }

    /// Stores a part, in the place of one of the same name. Where there is no room it is not
    /// stored.
    pub async fn put(&self, object: &str, part: u64, note: Bytes, body: Bytes) {
        let name = PartName::new(object, part);
        self.tidy();
        let mark = self.shared.index().mark();
        if let Some(memory) = &self.shared.memory {
            memory.insert((name.clone(), mark), body.clone()).await;
        }
        let size = (body.len() + note.len() + object.len()) as u64;
        let mut index = self.shared.index();
        if let Some(writer) = &self.writer {
            let queued = Place::Queued(body.clone());
            index.enter(&name, mark, (note.clone(), size), queued);
            let job = Job::Write {
                name: name.clone(),
                mark,
                note: note.clone(),
                body,
            };
            if writer.take(job) {
                return;
            }
        }
        if self.shared.memory.is_some() {
            index.enter(&name, mark, (note, size), Place::Memory);
        } else {
            index.remove(&name);
        }
    }

    /// The bytes of a part; `None` where they are not held any more.
    pub async fn get(&self, object: &str, part: u64) -> Option<Bytes> {
        let name = PartName::new(object, part);
        let (place, mark) = self.shared.index().find(&name)?;
        let shared = Arc::clone(&self.shared);
        let Some(memory) = &self.shared.memory else {
            return shared.fetch(name, mark, place).await;
        };
        // Who wants the same part meanwhile waits for this one reading of it.
        let fetched = shared.fetch(name.clone(), mark, place);
        memory.optionally_get_with((name, mark), fetched).await
    }

    /// Removes an object; returns how many parts went.
    pub fn remove(&self, object: &str) -> u64 {
        let parts = self.shared.index().parts(object);
        for (part, _) in &parts {
            self.remove_part(object, *part);
        }
        parts.len() as u64
    }

    /// Removes a part.
    pub fn remove_part(&self, object: &str, part: u64) {
        let name = PartName::new(object, part);
        let on_disk = self.shared.index().remove(&name) == Some(true);
        if let Some(writer) = self.writer.as_ref().filter(|_| on_disk) {
            // Refused where the queue is full: the file goes when it is met again, or by its age.
            let _ = writer.take(Job::Remove(name));
        }
    }

    /// Removes everything; returns how many objects there were.
    pub fn clear(&self) -> u64 {
        if let Some(memory) = &self.shared.memory {
            memory.invalidate_all();
        }
        let mut index = self.shared.index();
        let (objects, _) = index.sums();
        index.clear();
        if let (Some(disk), Some(writer)) = (&self.shared.disk, &self.writer) {
            // Refused where the queue is full: it goes at the next start.
            let _ = writer.take(Job::RemoveFolder(disk.renew()));
        }
        objects
    }

    /// What it holds.
    #[must_use]
    pub fn held(&self) -> Held {
        self.tidy();
        let (objects, bytes) = self.shared.index().sums();
        Held {
            objects,
            bytes,
            faults: self.shared.faults.load(Ordering::Relaxed),
        }
    }

    /// Comes when all that was stored until now is on the disk, or could not be brought there.
    pub async fn settle(&self) {
        if let Some(writer) = &self.writer {
            writer.settle().await;
        }
    }

    /// Hears what memory let go.
    fn tidy(&self) {
        let forgotten = {
            let mut list = self
                .shared
                .forgotten
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *list)
        };
        if !forgotten.is_empty() {
            let mut index = self.shared.index();
            for (name, mark) in &forgotten {
                index.forgotten(name, *mark);
            }
        }
    }
}

impl Shared {
    /// The bytes of a part that is not in memory.
    async fn fetch(self: Arc<Self>, name: PartName, mark: u64, place: Place) -> Option<Bytes> {
        match place {
            Place::Queued(body) => Some(body),
            Place::Memory => {
                self.index().remove_marked(&name, mark);
                None
            }
            Place::Disk => {
                let read = tokio::task::spawn_blocking(move || self.read(&name, mark));
                read.await.ok().flatten()
            }
        }
    }

    fn read(&self, name: &PartName, mark: u64) -> Option<Bytes> {
        let disk = self.disk.as_ref()?;
        match disk.read(name) {
            Ok(Some(body)) => return Some(body),
            Ok(None) => {
                tracing::warn!("a stored part is damaged: it is removed");
                disk.remove(name);
            }
            Err(error) => tracing::warn!(%error, "a stored part cannot be read"),
        }
        // A part that was evicted or purged meanwhile is no fault.
        if self.index().remove_marked(name, mark) {
            self.fault();
        }
        None
    }
}

fn memory(size: Size, forgotten: &Arc<Mutex<Vec<Cached>>>) -> Cache<Cached, Bytes> {
    let weigh = |(name, _): &Cached, body: &Bytes| {
        u32::try_from(body.len() + name.object.len() + 64).unwrap_or(u32::MAX)
    };
    let forgotten = Arc::clone(forgotten);
    let builder =
        Cache::builder()
            .weigher(weigh)
            .eviction_listener(move |cached: Arc<Cached>, _, cause| {
                if cause.was_evicted() {
                    let mut list = forgotten.lock().unwrap_or_else(PoisonError::into_inner);
                    list.push(Cached::clone(&cached));
                }
            });
    match size {
        Size::Off | Size::Unlimited => builder.build(),
        Size::Bytes(bytes) => builder.max_capacity(bytes).build(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
