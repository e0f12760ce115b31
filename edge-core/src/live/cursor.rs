//! One viewer's place in a ring, and what it is owed as slices for one vectored write.
//!
//! A ring and byte counts go in, slices come out. The invariants: a message goes out whole or not
//! at all; commands are never dropped and go between messages; what is skipped is skipped up to a
//! keyframe, with the headers that it needs. A viewer costs its place and what is its alone, never
//! a copy of media. It does not know the socket or other viewers.

mod own;

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

use bytes::Bytes;
use own::Own;
use rtmp::chunk::{SHARED_STREAM_ID, header_len};

use super::{Batch, Entry, Ring};
use crate::media::Track;

/// The most slices of one write: more gain nothing (dependencies.md, "Cost").
pub const MAX_SLICES: usize = 64;

/// How messages are written for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Its message stream.
    pub stream_id: u32,
    /// Whether it is the next server, which gets data as the publisher sent it.
    pub upstream: bool,
}

impl Form {
    /// A viewer on this message stream.
    #[must_use]
    pub fn viewer(stream_id: u32) -> Self {
        Self {
            stream_id,
            upstream: false,
        }
    }
}

/// What a player wants to get of a stream, where it said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants {
    /// Sound.
    pub audio: bool,
    /// Pictures.
    pub video: bool,
    /// Nothing for now.
    pub paused: bool,
}

impl Default for Wants {
    fn default() -> Self {
        Self {
            audio: true,
            video: true,
            paused: false,
        }
    }
}

/// A reader was sent more commands than it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

/// One viewer's place.
#[derive(Debug, Clone)]
pub struct Cursor {
    form: Form,
    next: u64,
    /// What goes out before the message at `next`; there only while it is not empty.
    own: Option<Box<Own>>,
    /// Pictures are of no use before the next keyframe.
    awaits_keyframe: bool,
    wants: Wants,
    /// Lag is counted from here on: since it joined or jumped.
    since: Duration,
    progress: Duration,
    shed: u64,
}

/// Room for the headers of readers whose message stream is not the shared one.
pub struct Scratch([[u8; 16]; MAX_SLICES]);

impl Default for Scratch {
    fn default() -> Self {
        Self([[0; 16]; MAX_SLICES])
    }
}

/// What a reader is owed, as far as one write takes it.
pub struct Owed<'a> {
    slices: [IoSlice<'a>; MAX_SLICES],
    count: usize,
    bytes: usize,
}

impl<'a> Owed<'a> {
    fn new() -> Self {
        Self {
            slices: [IoSlice::new(&[]); MAX_SLICES],
            count: 0,
            bytes: 0,
        }
    }

    fn room(&self) -> usize {
        MAX_SLICES - self.count
    }

    fn push(&mut self, bytes: &'a [u8]) {
        self.slices[self.count] = IoSlice::new(bytes);
        self.count += 1;
        self.bytes += bytes.len();
    }

    /// The slices, to be written in this order.
    #[must_use]
    pub fn slices(&self) -> &[IoSlice<'a>] {
        &self.slices[..self.count]
    }

    /// Bytes of all slices.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Cursor {
    /// The place of a reader that joins now: at the newest keyframe, so that it starts at once.
    /// Who was there when the stream began, or soon after, misses nothing of it.
    #[must_use]
    pub fn join(ring: &Ring, form: Form, now: Duration) -> Self {
        let mut cursor = Self::at_start(form, now);
        if !ring.is_opening() {
            cursor.place(ring, now);
        }
        cursor
    }

    /// The place of a reader that is to get everything from a number on; where that is not held any
    /// more it joins as any other.
    #[must_use]
    pub fn join_at(ring: &Ring, number: u64, form: Form, now: Duration) -> Self {
        if number < ring.first() {
            return Self::join(ring, form, now);
        }
        Self {
            next: number,
            ..Self::at_start(form, now)
        }
    }

    fn at_start(form: Form, now: Duration) -> Self {
        Self {
            form,
            next: 0,
            own: None,
            awaits_keyframe: false,
            wants: Wants::default(),
            since: now,
            progress: now,
            shed: 0,
        }
    }

    /// Begins at the newest keyframe; where there is none, at the head.
    fn place(&mut self, ring: &Ring, now: Duration) {
        let to = ring.keyframe().unwrap_or_else(|| ring.head());
        self.awaits_keyframe = ring.has_video() && ring.keyframe().is_none();
        let at = ring.get(to).or(ring.newest());
        let timestamp = at.map_or(0, |entry| entry.timestamp);
        let header = |entry: &std::sync::Arc<Entry>| {
            // Players take metadata at any other time than 0 for subtitles (ffmpeg 5.1.9).
            let timestamp = if entry.look.track == Track::Data {
                0
            } else {
                timestamp
            };
            let bytes = entry.restamped(timestamp, self.form.upstream);
            self.own(bytes, timestamp)
        };
        let prelude: VecDeque<Bytes> = ring.prelude().flat_map(header).collect();
        self.own.get_or_insert_default().prelude = prelude;
        self.let_go();
        self.next = to;
        self.since = now;
    }

    /// Holds no room for what is not there.
    fn let_go(&mut self) {
        if self.own.as_ref().is_some_and(|own| own.is_empty()) {
            self.own = None;
        }
    }

    /// Bytes of a message for this reader's message stream.
    fn own(&self, bytes: Bytes, timestamp: u32) -> Vec<Bytes> {
        if self.form.stream_id == SHARED_STREAM_ID {
            return vec![bytes];
        }
        let length = header_len(timestamp);
        let mut header = [0; 16];
        own_header(&mut header, &bytes, length, self.form.stream_id);
        vec![
            Bytes::copy_from_slice(&header[..length]),
            bytes.slice(length..),
        ]
    }

    /// Gives up what is owed and begins at a newer place. False where there is no better one.
    pub(super) fn jump(&mut self, ring: &Ring, now: Duration) -> bool {
        let jumped = self.skip_ahead(ring, now);
        self.shed += u64::from(jumped);
        jumped
    }

    /// Begins at a newer place, if there is a better one.
    fn skip_ahead(&mut self, ring: &Ring, now: Duration) -> bool {
        let better = match ring.keyframe() {
            Some(key) => key > self.next,
            None => self.next < ring.first() || !ring.has_video(),
        };
        if better {
            self.place(ring, now);
        }
        better
    }

    /// Puts a command in line: it goes out before any further message.
    ///
    /// # Errors
    /// [`Overflow`] if too many are waiting.
    pub fn command(&mut self, bytes: Bytes) -> Result<(), Overflow> {
        let taken = self.own.get_or_insert_default().command(bytes);
        self.let_go();
        taken
    }

    /// Says what the player asked for before the stream was there.
    pub fn begin_with(&mut self, wants: Wants) {
        self.wants = wants;
    }

    /// Holds, or goes on: at the newest keyframe, or where it stood if that is newer. Nothing is
    /// sent twice.
    pub fn pause(&mut self, paused: bool, ring: &Ring, now: Duration) {
        if self.wants.paused && !paused && !self.skip_ahead(ring, now) {
            self.since = now;
        }
        self.wants.paused = paused;
    }

    /// Whether it is to get audio.
    pub fn want_audio(&mut self, wanted: bool) {
        self.wants.audio = wanted;
    }

    /// Whether it is to get video. It begins with the next keyframe: going back to the last one
    /// would send sound twice.
    pub fn want_video(&mut self, wanted: bool, ring: &Ring) {
        if wanted && !self.wants.video {
            self.awaits_keyframe = ring.has_video();
            self.own_video_headers(ring);
        }
        self.wants.video = wanted;
    }

    /// Puts the headers of pictures, which it was not sent, before its next message.
    fn own_video_headers(&mut self, ring: &Ring) {
        // Those of a place that it has just been given are there already.
        if self.own.as_ref().is_some_and(|own| !own.prelude.is_empty()) {
            return;
        }
        let at = ring.get(self.next).or(ring.newest());
        let timestamp = at.map_or(0, |entry| entry.timestamp);
        let prelude: VecDeque<Bytes> = ring
            .kept_before(self.next)
            .filter(|entry| entry.look.track == Track::Video)
            .flat_map(|entry| {
                let bytes = entry.restamped(timestamp, self.form.upstream);
                self.own(bytes, timestamp)
            })
            .collect();
        self.own.get_or_insert_default().prelude = prelude;
        self.let_go();
    }

    /// Times that it was given a later place.
    #[must_use]
    pub fn shed(&self) -> u64 {
        self.shed
    }

    fn skips(&self, entry: &Entry, awaits_keyframe: bool) -> bool {
        match entry.look.track {
            Track::Video => {
                let useless = awaits_keyframe && !entry.look.keyframe && entry.look.slot.is_none();
                useless || !self.wants.video
            }
            Track::Audio => !self.wants.audio,
            Track::Data => false,
        }
    }

    /// Passes over what this viewer does not get, and notices that it was lapped.
    pub fn settle(&mut self, ring: &Ring, now: Duration) {
        if self.wants.paused {
            return;
        }
        if self.next < ring.first() {
            self.place(ring, now);
            self.shed += 1;
        }
        while let Some(entry) = ring.get(self.next) {
            if entry.look.keyframe {
                self.awaits_keyframe = false;
            }
            if !self.skips(entry, self.awaits_keyframe) {
                return;
            }
            self.next += 1;
        }
    }

    /// What it is owed. Call [`Cursor::settle`] before.
    pub fn owed<'a>(&'a self, ring: &'a Ring, scratch: &'a mut Scratch) -> Owed<'a> {
        let mut owed = Owed::new();
        if let Some(own) = &self.own {
            let prelude = own.prelude.iter().filter(|_| !self.wants.paused);
            for bytes in own.rest.iter().chain(&own.commands).chain(prelude) {
                if owed.room() == 0 {
                    return owed;
                }
                owed.push(bytes);
            }
        }
        if self.wants.paused {
            return owed;
        }
        if self.form.stream_id == SHARED_STREAM_ID {
            for entry in self.wanted(ring).take(owed.room()) {
                owed.push(entry.chunks(self.form.upstream));
            }
            return owed;
        }
        let pairs = owed.room() / 2;
        for (entry, header) in self.wanted(ring).take(pairs).zip(&mut scratch.0) {
            let bytes = entry.chunks(self.form.upstream);
            own_header(
                header,
                bytes,
                header_len(entry.timestamp),
                self.form.stream_id,
            );
        }
        for (entry, header) in self.wanted(ring).take(pairs).zip(&scratch.0) {
            let length = header_len(entry.timestamp);
            owed.push(&header[..length]);
            owed.push(&entry.chunks(self.form.upstream)[length..]);
        }
        owed
    }

    /// The entries that it gets, from its place on.
    fn wanted<'a>(&'a self, ring: &'a Ring) -> impl Iterator<Item = &'a Entry> {
        let mut awaits_keyframe = self.awaits_keyframe;
        ring.range(self.next)
            .map(|one| &**one)
            .filter(move |entry| {
                awaits_keyframe &= !entry.look.keyframe;
                !self.skips(entry, awaits_keyframe)
            })
    }

    /// Where it stands, when it is owed the messages from there on, all of them and nothing else,
    /// in their shared form.
    #[must_use]
    pub fn plain(&self) -> Option<u64> {
        let plain = self.form == Form::viewer(SHARED_STREAM_ID)
            && self.own.is_none()
            && !self.awaits_keyframe
            && !self.wants.paused
            && self.wants.audio
            && self.wants.video;
        plain.then_some(self.next)
    }

    /// Goes on by so many bytes that were written of a batch at its place.
    pub fn took(&mut self, batch: &Batch, count: usize, ring: &Ring, now: Duration) {
        if count == batch.bytes().len() {
            self.next = batch.to();
            self.progress = now;
        } else {
            self.wrote(count, ring, now);
        }
    }

    /// Goes on by so many bytes that were written of what was owed.
    pub fn wrote(&mut self, count: usize, ring: &Ring, now: Duration) {
        if count == 0 {
            return;
        }
        self.progress = now;
        let mut left = count;
        if let Some(own) = &mut self.own {
            left = own.wrote(count, pieces(self.form));
            self.let_go();
        }
        while left > 0 {
            let Some(entry) = ring.get(self.next) else {
                debug_assert!(false, "no more is written than was owed");
                return;
            };
            self.next += 1;
            if entry.look.keyframe {
                self.awaits_keyframe = false;
            }
            if self.skips(entry, self.awaits_keyframe) {
                continue;
            }
            let bytes = entry.chunks(self.form.upstream);
            if left >= bytes.len() {
                left -= bytes.len();
                continue;
            }
            let mut rest: VecDeque<Bytes> = self.own(bytes.clone(), entry.timestamp).into();
            own::take(&mut rest, left);
            self.own.get_or_insert_default().rest = rest;
            left = 0;
        }
        self.settle(ring, now);
    }

    /// Since when the oldest thing that it is owed has been waiting; `None` when it is owed
    /// nothing.
    #[must_use]
    pub fn owes_since(&self, ring: &Ring) -> Option<Duration> {
        if let Some(own) = &self.own {
            if own.is_amid() {
                return Some(self.since.max(self.progress));
            }
            if !self.wants.paused {
                return Some(self.since);
            }
        }
        if self.wants.paused {
            return None;
        }
        let entry = ring.get(self.next)?;
        Some(entry.arrived.max(self.since))
    }

    /// When it last took something, or was owed nothing.
    #[must_use]
    pub fn progress(&self) -> Duration {
        self.progress
    }

    pub(super) fn note_progress(&mut self, now: Duration) {
        self.progress = now;
    }

    /// Whether something must go out before anything else on its connection: the rest of a message,
    /// or commands.
    #[must_use]
    pub fn is_amid(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.is_amid())
    }

    /// Takes what must still go out when the viewer leaves the stream for its session: the rest of
    /// a message, and commands.
    pub fn take_rest(&mut self) -> impl Iterator<Item = Bytes> + use<> {
        let rest = self.own.as_mut().map(|own| own.take_rest());
        self.let_go();
        rest.into_iter().flatten()
    }
}

/// Of how many pieces a message is for this reader: on a message stream of its own it has its own
/// header.
fn pieces(form: Form) -> usize {
    if form.stream_id == SHARED_STREAM_ID {
        1
    } else {
        2
    }
}

/// A message's first header with another message stream id in it.
fn own_header(header: &mut [u8; 16], bytes: &[u8], length: usize, stream_id: u32) {
    header[..length].copy_from_slice(&bytes[..length]);
    header[8..12].copy_from_slice(&stream_id.to_le_bytes());
}

#[cfg(test)]
pub(super) mod tests;
