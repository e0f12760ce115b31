//! A fill: one answer on its way from an origin, and everyone who reads it.
//!
//! The body grows chunk by chunk; readers walk it each at its own pace, join at any byte, and are
//! woken by a watch. Normally all of it is kept until the end, when it becomes a stored object. A
//! body that outgrows what may be stored goes on as a window: the fill waits for its foremost
//! reader, and a reader that falls out of the window is cut off.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use contract::reason::Reason;
use edge_core::cache::vary;
use tokio::sync::{Notify, watch};

use super::asked::Asked;
use super::forward;
use super::object::{Head, Object};

/// What is kept of a body that is too large to be stored.
const WINDOW_BYTES: u64 = 4 << 20;
/// How far such a body is fetched ahead of its foremost reader.
const AHEAD_BYTES: u64 = 1 << 20;

/// What became of the request to the origin.
#[derive(Debug, Clone)]
pub(super) enum Turn {
    /// The body comes: it may be shared.
    Shared {
        head: Arc<Head>,
        /// What the request said in the fields that the answer varies by.
        varies: Arc<Varying>,
    },
    /// The body is held in slices, and comes as it is read.
    Sliced {
        object: Arc<Object>,
        /// As above.
        varies: Arc<Varying>,
    },
    /// The answer is only for the one who began.
    Private,
    /// The origin confirmed the stored object.
    Confirmed(Arc<Object>),
    /// The origin failed; the stale object stands in.
    StandIn(Arc<Object>),
    /// The origin failed.
    Failed(Reason),
}

/// For which requests an answer is.
#[derive(Debug)]
pub(super) struct Varying {
    pub(super) names: Vec<http::HeaderName>,
    pub(super) selected: String,
}

impl Varying {
    /// Whether the answer is for this request too.
    pub(super) fn is_for(&self, asked: &Asked) -> bool {
        vary::selected(&self.names, &forward::fields(asked)) == self.selected
    }
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Cut,
}

#[derive(Debug, Clone, Default)]
struct Progress {
    turn: Option<Turn>,
    bytes: u64,
    end: Option<End>,
}

/// One answer on its way.
#[derive(Debug)]
pub(super) struct Fill {
    progress: watch::Sender<Progress>,
    body: Mutex<Body>,
    readers: AtomicUsize,
    /// The foremost reader's place.
    foremost: AtomicU64,
    /// Told when a reader moves or goes.
    moved: Notify,
    /// It was begun before a purge: it is not stored.
    pub(super) outdated: AtomicBool,
}

#[derive(Debug, Default)]
struct Body {
    /// Each chunk with the place where it ends.
    chunks: VecDeque<(u64, Bytes)>,
    /// The place of the first chunk kept.
    begins: u64,
    ends: u64,
    /// Too large to be stored.
    windowed: bool,
}

/// A place in a fill; the fill goes on as long as someone holds one.
#[derive(Debug)]
pub(super) struct Reader {
    fill: Arc<Fill>,
    progress: watch::Receiver<Progress>,
    /// Where it stands.
    at: u64,
    /// Where it stops reading.
    until: u64,
}

/// The body broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body broke off")]
pub(super) struct BrokeOff;

impl Fill {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            progress: watch::Sender::new(Progress::default()),
            body: Mutex::default(),
            readers: AtomicUsize::new(0),
            foremost: AtomicU64::new(0),
            moved: Notify::new(),
            outdated: AtomicBool::new(false),
        })
    }

    /// A reader at the first byte.
    pub(super) fn reader(self: &Arc<Self>) -> Reader {
        self.readers.fetch_add(1, Ordering::AcqRel);
        Reader {
            fill: Arc::clone(self),
            progress: self.progress.subscribe(),
            at: 0,
            until: u64::MAX,
        }
    }

    pub(super) fn readers(&self) -> usize {
        self.readers.load(Ordering::Acquire)
    }

    pub(super) fn turn(&self, turn: Turn) {
        self.progress
            .send_modify(|progress| progress.turn = Some(turn));
    }

    /// Takes the next chunk; `most` is what may be stored. Returns whether anyone still reads.
    pub(super) async fn push(&self, chunk: Bytes, most: u64) -> bool {
        let ends = self.append(chunk, most);
        self.progress.send_modify(|progress| progress.bytes = ends);
        self.room(ends).await
    }

    fn append(&self, chunk: Bytes, most: u64) -> u64 {
        let mut body = self.lock();
        body.ends += length(&chunk);
        let ends = body.ends;
        body.chunks.push_back((ends, chunk));
        body.windowed |= body.ends > most;
        while body.windowed
            && body.ends - body.begins > WINDOW_BYTES
            && let Some((ends, _)) = body.chunks.pop_front()
        {
            body.begins = ends;
        }
        body.ends
    }

    /// Waits until a body that is not stored may be fetched further.
    async fn room(&self, ends: u64) -> bool {
        if !self.lock().windowed {
            return self.readers() > 0;
        }
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if self.readers() == 0 {
                return false;
            }
            if self.foremost.load(Ordering::Acquire) + AHEAD_BYTES > ends {
                return true;
            }
            moved.await;
        }
    }

    /// All that came, if it may be stored.
    pub(super) fn kept(&self) -> Option<(Arc<[Bytes]>, u64)> {
        let body = self.lock();
        (!body.windowed).then(|| {
            (
                body.chunks.iter().map(|(_, chunk)| chunk.clone()).collect(),
                body.ends,
            )
        })
    }

    /// The whole body in one piece, which takes the place of those that came.
    pub(super) fn settle(&self, whole: Bytes) {
        let mut body = self.lock();
        body.ends = length(&whole);
        body.chunks = VecDeque::from([(body.ends, whole)]);
    }

    /// Whether the whole body came.
    pub(super) fn is_whole(&self) -> bool {
        self.progress.borrow().end == Some(End::Whole)
    }

    /// The body is whole.
    pub(super) fn finish(&self) {
        self.end(End::Whole);
    }

    /// The body broke off.
    pub(super) fn cut(&self) {
        self.end(End::Cut);
    }

    fn end(&self, end: End) {
        self.progress.send_modify(|progress| {
            progress.end.get_or_insert(end);
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Body> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The piece of the body that begins at this place.
    fn piece(&self, at: u64) -> Result<Option<Bytes>, BrokeOff> {
        let body = self.lock();
        if at < body.begins {
            return Err(BrokeOff);
        }
        // Readers stand anywhere in it, and there may be thousands of both.
        let place = body.chunks.partition_point(|(ends, _)| *ends <= at);
        Ok(body.chunks.get(place).map(|(ends, chunk)| {
            let skip = length(chunk) - (ends - at);
            chunk.slice(usize::try_from(skip).unwrap_or(usize::MAX)..)
        }))
    }
}

fn length(chunk: &Bytes) -> u64 {
    u64::try_from(chunk.len()).unwrap_or(u64::MAX)
}

impl Reader {
    /// Waits for what becomes of the request.
    pub(super) async fn turn(&mut self) -> Turn {
        let found = self
            .progress
            .wait_for(|progress| progress.turn.is_some() || progress.end.is_some())
            .await;
        let turn = found.ok().and_then(|progress| progress.turn.clone());
        turn.unwrap_or(Turn::Failed(Reason::OriginUnreachable))
    }

    /// Reads only this part.
    pub(super) fn part(mut self, from: u64, until: u64) -> Self {
        self.at = from;
        self.until = until;
        self
    }

    /// Another reader, of this part.
    pub(super) fn another(&self, from: u64, until: u64) -> Self {
        self.fill.reader().part(from, until)
    }

    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, BrokeOff>> {
        if self.at >= self.until {
            return None;
        }
        loop {
            let end = self.progress.borrow_and_update().end;
            match self.fill.piece(self.at) {
                Err(broke) => return Some(Err(broke)),
                Ok(Some(piece)) => return Some(Ok(self.taken(piece))),
                Ok(None) => match end {
                    Some(End::Whole) => return None,
                    Some(End::Cut) => return Some(Err(BrokeOff)),
                    None => {}
                },
            }
            if self.progress.changed().await.is_err() {
                return Some(Err(BrokeOff));
            }
        }
    }

    fn taken(&mut self, mut piece: Bytes) -> Bytes {
        let room = usize::try_from(self.until - self.at).unwrap_or(usize::MAX);
        piece.truncate(room);
        self.at += length(&piece);
        self.fill.foremost.fetch_max(self.at, Ordering::AcqRel);
        self.fill.moved.notify_waiters();
        piece
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.fill.readers.fetch_sub(1, Ordering::AcqRel);
        self.fill.moved.notify_waiters();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    async fn all(mut reader: Reader) -> Result<Vec<u8>, BrokeOff> {
        let mut bytes = Vec::new();
        while let Some(piece) = reader.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(bytes)
    }

    #[tokio::test]
    async fn readers_join_at_any_byte_and_get_the_same() {
        let fill = Fill::new();
        let first = tokio::spawn(all(fill.reader()));
        assert!(fill.push(Bytes::from_static(b"one "), 100).await);
        let part = tokio::spawn(all(fill.reader().part(2, 6)));
        assert!(fill.push(Bytes::from_static(b"two"), 100).await);
        let late = fill.reader();
        let (chunks, size) = fill.kept().unwrap();
        fill.finish();
        assert_eq!((chunks.len(), size), (2, 7));
        assert_eq!(first.await.unwrap().unwrap(), b"one two");
        assert_eq!(part.await.unwrap().unwrap(), b"e tw");
        assert_eq!(all(late).await.unwrap(), b"one two");
    }

    #[tokio::test]
    async fn a_cut_body_is_an_error_to_everyone_and_never_whole() {
        let fill = Fill::new();
        let reader = fill.reader();
        fill.push(Bytes::from_static(b"one"), 100).await;
        fill.cut();
        assert_eq!(all(reader).await, Err(BrokeOff));
        assert_eq!(all(fill.reader()).await, Err(BrokeOff));
    }

    #[tokio::test]
    async fn what_is_too_large_goes_on_as_a_window_and_is_not_stored() {
        let fill = Fill::new();
        let reader = fill.reader();
        let reading = tokio::spawn(all(reader));
        let chunk = Bytes::from(vec![7; 1 << 20]);
        for _ in 0..16 {
            assert!(fill.push(chunk.clone(), 2 << 20).await);
            assert!(fill.lock().chunks.len() <= 5);
        }
        assert!(fill.kept().is_none());
        fill.finish();
        assert_eq!(reading.await.unwrap().unwrap().len(), 16 << 20);
        assert_eq!(all(fill.reader()).await, Err(BrokeOff));
    }

    #[tokio::test]
    async fn a_fill_that_nobody_reads_is_told_so() {
        let fill = Fill::new();
        let reader = fill.reader();
        assert!(fill.push(Bytes::from_static(b"a"), 100).await);
        drop(reader);
        assert!(!fill.push(Bytes::from_static(b"b"), 100).await);
    }
}
