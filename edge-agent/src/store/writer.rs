//! The thread that writes and removes the disk tier's files, so that nobody else waits for a disk.
//!
//! Jobs come in by a bounded queue; what does not fit is not written. A write that fails leaves the
//! disk alone for a while: what comes meanwhile stays in memory alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::disk::remove_folder;
use super::index::Place;
use super::{PartName, Shared};
use crate::clock::Clock;

/// Jobs that may wait. Chosen, because a disk that is so far behind does not catch up soon.
const QUEUE: usize = 1_024;
/// Bytes that may wait to be written. Chosen: half a second of a fast disk.
const QUEUE_BYTES: u64 = 64 << 20;
/// How long a disk that failed is left alone. Chosen, because who frees one takes minutes, and a
/// try costs little.
const PAUSE: Duration = Duration::from_secs(10);

/// Something to do.
pub(super) enum Job {
    /// Write a part.
    Write {
        name: PartName,
        mark: u64,
        note: Bytes,
        body: Bytes,
    },
    /// Remove a part's file.
    Remove(PartName),
    /// Remove an old epoch.
    RemoveFolder(std::path::PathBuf),
    /// Tell when all that came before is done.
    Tell(oneshot::Sender<()>),
}

/// The way to the thread; it ends with the last clone.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    jobs: SyncSender<Job>,
    waiting: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the thread; `None` where there is none to be had.
    pub(super) fn start(shared: Arc<Shared>, most: u64) -> Option<Self> {
        let (jobs, work) = sync_channel(QUEUE);
        let waiting = Arc::<AtomicU64>::default();
        let thread = Thread {
            shared,
            most,
            waiting: Arc::clone(&waiting),
            clock: Clock::new(),
            paused_until: None,
        };
        let spawned = std::thread::Builder::new()
            .name("weir-store".to_owned())
            .spawn(move || thread.run(&work));
        match spawned {
            Ok(_) => Some(Self { jobs, waiting }),
            Err(error) => {
                tracing::warn!(%error, "no thread for the store: nothing is kept on disk");
                None
            }
        }
    }

    /// Takes a job, if there is room.
    pub(super) fn take(&self, job: Job) -> bool {
        let size = size(&job);
        let waiting = self.waiting.fetch_add(size, Ordering::AcqRel);
        let taken = (size == 0 || waiting + size <= QUEUE_BYTES) && self.jobs.try_send(job).is_ok();
        if !taken {
            self.waiting.fetch_sub(size, Ordering::AcqRel);
        }
        taken
    }

    /// Comes when all that was taken until now is done.
    pub(super) async fn settle(&self) {
        let (tell, told) = oneshot::channel();
        let jobs = self.jobs.clone();
        // The queue may be full for a moment: waiting for room must not hold a worker thread up.
        let sent = tokio::task::spawn_blocking(move || jobs.send(Job::Tell(tell)).is_ok());
        if sent.await.unwrap_or(false) {
            // The thread drops it only when it ends.
            let _ = told.await;
        }
    }
}

fn size(job: &Job) -> u64 {
    match job {
        Job::Write { note, body, .. } => (note.len() + body.len()) as u64,
        Job::Remove(_) | Job::RemoveFolder(_) | Job::Tell(_) => 0,
    }
}

struct Thread {
    shared: Arc<Shared>,
    most: u64,
    waiting: Arc<AtomicU64>,
    clock: Clock,
    paused_until: Option<Duration>,
}

impl Thread {
    fn run(mut self, work: &Receiver<Job>) {
        self.evict();
        while let Ok(job) = work.recv() {
            self.waiting.fetch_sub(size(&job), Ordering::AcqRel);
            match job {
                Job::Write {
                    name,
                    mark,
                    note,
                    body,
                } => self.write(&name, mark, &note, &body),
                Job::Remove(name) => self.remove(&name),
                Job::RemoveFolder(folder) => remove_folder(&folder),
                Job::Tell(tell) => {
                    // Who asked may have gone.
                    let _ = tell.send(());
                }
            }
        }
    }

    fn write(&mut self, name: &PartName, mark: u64, note: &Bytes, body: &Bytes) {
        let Some(disk) = &self.shared.disk else {
            return;
        };
        let now = self.clock.now();
        let paused = self.paused_until.is_some_and(|until| now < until);
        let too_large = body.len() as u64 > self.most;
        let written = !paused
            && !too_large
            && {
                match disk.write(name, note, body) {
                    Ok(()) => true,
                    Err(error) => {
                        tracing::warn!(%error, "the store's disk takes nothing: it is left alone for a while");
                        self.shared.fault();
                        self.paused_until = Some(now + PAUSE);
                        false
                    }
                }
            };
        let mut index = self.shared.index();
        if written {
            self.paused_until = None;
            if !index.moved(name, mark, Place::Disk) {
                // It was purged, or replaced by one that comes next, meanwhile.
                drop(index);
                disk.remove(name);
                return;
            }
            drop(index);
            self.evict();
        } else if self.shared.memory.is_some() {
            index.moved(name, mark, Place::Memory);
        } else {
            index.remove_marked(name, mark);
        }
    }

    /// A part may have come back under its name since it was removed.
    fn remove(&self, name: &PartName) {
        let gone = !matches!(self.shared.index().find(name), Some((Place::Disk, _)));
        if let Some(disk) = self.shared.disk.as_ref().filter(|_| gone) {
            disk.remove(name);
        }
    }

    fn evict(&self) {
        let Some(disk) = &self.shared.disk else {
            return;
        };
        loop {
            let Some(name) = self.shared.index().too_much(self.most) else {
                return;
            };
            disk.remove(&name);
        }
    }
}
