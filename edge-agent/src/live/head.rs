//! The head of one stream: where its source appends, and where shards and pushes meet.
//!
//! Messages go in; each reader follows the ring into its own copy of it, so that the lock is held
//! for the length of some pointer copies only.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use edge_core::live::{Bounds, Cursor, Entry, Form, Ring, Timeline};
use edge_core::media::{Codec, Lead, Track};
use rtmp::{Message, MessageKind, data};
use tokio::sync::watch;

use crate::clock::Clock;

/// Seconds over which the rate of a stream is counted.
const RATE_SECONDS: u64 = 4;

/// The head of one stream.
pub struct Head {
    clock: Clock,
    inner: Mutex<Inner>,
    /// The number of the next entry.
    newest: watch::Sender<u64>,
    gather_ms: AtomicU32,
}

#[derive(Default)]
struct Inner {
    ring: Ring,
    timeline: Timeline,
    lead: Lead,
    video: Option<Codec>,
    audio: Option<Codec>,
    received: u64,
    /// The second in which the first message came.
    began: Option<u64>,
    /// Bytes by second, the last ones.
    seconds: VecDeque<(u64, u64)>,
}

/// What is known of a stream's media.
pub struct Figures {
    /// Media bytes received.
    pub received: u64,
    /// Bits a second over the last few seconds.
    pub bits_per_second: u64,
    /// The video codec.
    pub video: Option<Codec>,
    /// The audio codec.
    pub audio: Option<Codec>,
}

impl Head {
    pub(super) fn new(clock: Clock) -> Self {
        let inner = Inner {
            ring: Ring::new(Bounds::default()),
            ..Inner::default()
        };
        Self {
            clock,
            inner: Mutex::new(inner),
            newest: watch::Sender::new(0),
            gather_ms: AtomicU32::new(0),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a message. False for what is not passed on: what each server says to its own
    /// players.
    pub fn append(&self, mut message: Message) -> bool {
        if message.kind == MessageKind::DataAmf0
            && data::name(&message).as_deref() == Some("|RtmpSampleAccess")
        {
            return false;
        }
        let now = self.clock.now();
        let look = {
            let mut inner = self.inner();
            let look = inner.lead.look(&message);
            let header = look.slot.is_some();
            message.timestamp = inner.timeline.place(message.timestamp, header, now);
            look
        };
        // Made into chunks outside of the lock: readers need not wait for that.
        let entry = Arc::new(Entry::seen(&message, look, now));
        let newest = {
            let mut inner = self.inner();
            inner.count(&entry, message.payload.len() as u64, now);
            inner.ring.append(entry);
            inner.ring.head()
        };
        self.newest.send_replace(newest);
        true
    }

    /// How long media is gathered before it is written.
    #[must_use]
    pub fn gather(&self) -> Duration {
        Duration::from_millis(self.gather_ms.load(Ordering::Relaxed).into())
    }

    /// Sets how long media is gathered, as the stream's route says now.
    pub fn set_gather_ms(&self, gather_ms: u32) {
        self.gather_ms.store(gather_ms, Ordering::Relaxed);
    }

    /// Says that what comes next is from another source.
    pub fn cut(&self) {
        let mut inner = self.inner();
        inner.timeline.cut();
        inner.lead = Lead::default();
    }

    /// Hears of new entries.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Brings a reader's own ring up to date.
    pub fn follow(&self, ring: &mut Ring) {
        ring.follow(&self.inner().ring);
    }

    /// The place of a reader that joins now.
    #[must_use]
    pub fn join(&self, form: Form) -> Cursor {
        Cursor::join(&self.inner().ring, form, self.clock.now())
    }

    /// The number that the next entry gets.
    pub(super) fn next(&self) -> u64 {
        self.inner().ring.head()
    }

    /// The place of the first server to which what is published from a number on is forwarded.
    #[must_use]
    pub fn join_at(&self, number: u64, form: Form) -> Cursor {
        Cursor::join_at(&self.inner().ring, number, form, self.clock.now())
    }

    /// The rate over the last few seconds; `None` for a stream that has just begun.
    #[must_use]
    pub fn bits_per_second(&self) -> Option<u64> {
        let inner = self.inner();
        let now = self.clock.now().as_secs();
        let whole = inner.began? + RATE_SECONDS < now;
        whole.then(|| inner.bits_per_second(now))
    }

    /// What is known of the media.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let inner = self.inner();
        Figures {
            received: inner.received,
            bits_per_second: inner.bits_per_second(self.clock.now().as_secs()),
            video: inner.video,
            audio: inner.audio,
        }
    }
}

impl Inner {
    fn bits_per_second(&self, now: u64) -> u64 {
        let recent = self
            .seconds
            .iter()
            .filter(|(second, _)| *second < now && second + RATE_SECONDS >= now);
        let bytes: u64 = recent.map(|(_, bytes)| bytes).sum();
        bytes * 8 / RATE_SECONDS
    }

    fn count(&mut self, entry: &Entry, bytes: u64, now: Duration) {
        self.received += bytes;
        let second = now.as_secs();
        self.began.get_or_insert(second);
        match self.seconds.back_mut() {
            Some((last, sum)) if *last == second => *sum += bytes,
            Some(_) | None => self.seconds.push_back((second, bytes)),
        }
        while self.seconds.len() > RATE_SECONDS as usize + 1 {
            self.seconds.pop_front();
        }
        match entry.look.track {
            Track::Video => self.video = entry.look.codec.or(self.video),
            Track::Audio => self.audio = entry.look.codec.or(self.audio),
            Track::Data => {}
        }
    }
}
