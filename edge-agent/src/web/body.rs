//! Bodies of answers: from nothing, from memory, from a fill, from an origin; counted as they go.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use edge_core::cache::range::Part;
use edge_core::limit::Held;
use futures_util::stream;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::Incoming;

use super::fill::{BrokeOff, Reader};
use super::slices::SliceReader;
use crate::sessions::{RouteCounts, Session};

/// What goes wrong while a body is sent: the connection is closed, so that the client sees that
/// the body is not whole.
pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Any body.
pub(super) type AnyBody = UnsyncBoxBody<Bytes, BodyError>;

pub(super) fn empty() -> AnyBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

pub(super) fn text(text: impl Into<Bytes>) -> AnyBody {
    Full::new(text.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body made of pieces that are there.
fn pieces(pieces: Vec<Bytes>) -> AnyBody {
    match <[Bytes; 1]>::try_from(pieces) {
        Ok([only]) => text(only),
        Err(pieces) => {
            let frames = pieces.into_iter().map(|piece| Ok(Frame::data(piece)));
            StreamBody::new(stream::iter(frames)).boxed_unsync()
        }
    }
}

/// The part of a body that came in these chunks.
pub(super) fn part(chunks: &[Bytes], part: Part) -> AnyBody {
    let mut found = Vec::new();
    let mut begins = 0;
    for chunk in chunks {
        let ends = begins + chunk.len() as u64;
        if ends > part.from && begins < part.until {
            let first = usize::try_from(part.from.saturating_sub(begins)).unwrap_or(0);
            let last = usize::try_from(part.until.min(ends) - begins).unwrap_or(chunk.len());
            found.push(chunk.slice(first..last));
        }
        begins = ends;
    }
    pieces(found)
}

/// What a reader of a fill gets.
pub(super) fn filling(reader: Reader) -> AnyBody {
    let frames = stream::unfold(Some(reader), async |reader| {
        let mut reader = reader?;
        match reader.next().await? {
            Ok(piece) => Some((Ok(Frame::data(piece)), Some(reader))),
            Err(BrokeOff) => Some((Err(BodyError::from(BrokeOff)), None)),
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

/// What a reader of slices gets.
pub(super) fn sliced(reader: SliceReader) -> AnyBody {
    let frames = stream::unfold(Some(reader), async |reader| {
        let mut reader = reader?;
        match reader.next().await? {
            Ok(piece) => Some((Ok(Frame::data(piece)), Some(reader))),
            Err(broke) => Some((Err(BodyError::from(broke)), None)),
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

/// Bodies one after the other.
pub(super) fn chain(bodies: Vec<AnyBody>) -> AnyBody {
    let mut bodies = bodies;
    bodies.reverse();
    let frames = stream::unfold(bodies, async |mut bodies| {
        loop {
            match bodies.last_mut()?.frame().await {
                Some(frame) => return Some((frame, bodies)),
                None => drop(bodies.pop()),
            }
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

/// A body that can be offered again as long as nothing was taken from it; clones are the same.
#[derive(Clone)]
pub(super) struct Lent {
    body: Arc<Mutex<AnyBody>>,
    begun: Arc<AtomicBool>,
}

impl Lent {
    pub(super) fn new(body: AnyBody) -> Self {
        Self {
            body: Arc::new(Mutex::new(body)),
            begun: Arc::default(),
        }
    }

    /// Whether something was asked of it.
    pub(super) fn is_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, AnyBody> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.begun.store(true, Ordering::Release);
        Pin::new(&mut *self.lock()).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().size_hint()
    }
}

/// A client's body, counted for its session; what is known of its length is told on.
pub(super) struct Received {
    pub(super) body: Incoming,
    pub(super) session: Session,
}

impl Body for Received {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.session.add_received(data.len() as u64);
        }
        polled.map_err(BodyError::from)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body that counts what is taken from it, for its session and its route.
pub(super) struct Counted {
    pub(super) body: AnyBody,
    pub(super) session: Session,
    pub(super) counts: Option<RouteCounts>,
    /// Its place under limits, for as long as it is sent.
    pub(super) _held: Vec<Held>,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            let bytes = data.len() as u64;
            self.session.add_sent(bytes);
            if let Some(counts) = &self.counts {
                counts.sent(bytes);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
