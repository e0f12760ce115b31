//! The session log in files: what sessions did goes in, lines of W3C's extended log format and of JSON
//! come out, below one folder, in files of bounded size and number.
//!
//! A thread of its own writes. Nobody waits for it: what does not fit into its bounded queue, or into
//! a full disk, is lost, counted and spoken of. Written lines are handed to the system at once when
//! the queue is empty, and brought to the disk itself when a file is full and when the edge stops.
//! It does not know what a session is doing; that is `track`'s.

mod entry;
mod file;
mod json;
mod track;
mod w3c;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

pub(crate) use entry::Entry;
use file::LogFile;
pub(crate) use track::Track;

/// The most entries that wait to be written; about 8 MiB.
const MAX_WAITING: usize = 8_192;

/// What is written, and how much of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalConfig {
    /// Lines of W3C's extended log format.
    pub w3c: bool,
    /// Lines of JSON.
    pub json: bool,
    /// The largest file in bytes; a day's first entry begins another one too.
    pub file_bytes: u64,
    /// The most full files of each form.
    pub files: usize,
    /// How often it is said how far a session has come that goes on; `None` is never.
    pub checkpoint: Option<Duration>,
}

/// The way to the writer; clones lead to the same.
#[derive(Debug, Clone)]
pub struct Journal {
    messages: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Entry(Box<Entry>),
    End(oneshot::Sender<()>),
}

impl Journal {
    /// Begins to write below `folder`; `None` when nothing shall be written. What cannot be
    /// opened is tried again with later entries.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn open(folder: PathBuf, config: &JournalConfig) -> std::io::Result<Option<Self>> {
        let forms = [
            config.w3c.then_some(file::Form::W3c),
            config.json.then_some(file::Form::Json),
        ];
        let files: Vec<LogFile> = forms
            .into_iter()
            .flatten()
            .map(|form| LogFile::new(folder.clone(), form, config))
            .collect();
        if files.is_empty() {
            return Ok(None);
        }
        let (messages, waiting) = sync_channel(MAX_WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        std::thread::Builder::new()
            .name("session-log".to_owned())
            .spawn(move || write(&waiting, files, &counted))?;
        Ok(Some(Self { messages, lost }))
    }

    /// Hands an entry to the writer, or loses it.
    pub(crate) fn push(&self, entry: Entry) {
        match self.messages.try_send(Message::Entry(Box::new(entry))) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How many entries were lost since the agent was started.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Writes what waits and brings it to the disk. Entries after this are lost.
    pub async fn finish(&self) {
        let (done, is_done) = oneshot::channel();
        let messages = self.messages.clone();
        // The queue may be full for a moment.
        let asked = tokio::task::spawn_blocking(move || messages.send(Message::End(done)));
        if matches!(asked.await, Ok(Ok(()))) {
            let _ = is_done.await;
        }
    }
}

fn write(waiting: &Receiver<Message>, mut files: Vec<LogFile>, lost: &AtomicU64) {
    let mut told = 0;
    while let Ok(first) = waiting.recv() {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Entry(entry) => {
                    for file in &mut files {
                        if !file.append(&entry) {
                            lost.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
                Message::End(done) => {
                    files.iter_mut().for_each(LogFile::finish);
                    // Whoever asked may have gone.
                    let _ = done.send(());
                    return;
                }
            }
            next = waiting.try_recv().ok();
        }
        files.iter_mut().for_each(LogFile::flush);
        let now = lost.load(Ordering::Relaxed);
        if now != told {
            tracing::warn!(
                lost = now - told,
                "entries of the session log could not be written"
            );
            told = now;
        }
    }
    files.iter_mut().for_each(LogFile::finish);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
