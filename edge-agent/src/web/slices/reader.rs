//! A reader of slices: the bytes of one part of an object in order, from the store, from slices on
//! their way, or by a run of its own.

use std::sync::Arc;

use bytes::Bytes;

use super::{MOST_OF_RUN, SLICE_BYTES, Slices, Way};
use crate::web::fill;
use crate::web::job::Job;

/// Why bytes did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::web) enum Broke {
    /// The origin has something else now.
    #[error("the object changed")]
    Changed,
    /// The origin failed.
    #[error("the body broke off")]
    Off,
}

/// A place in slices.
#[derive(Debug)]
pub(in crate::web) struct SliceReader {
    job: Job,
    slices: Arc<Slices>,
    at: u64,
    until: u64,
    /// The slice that it is known to stand at.
    place: Option<u64>,
    current: Current,
    /// The first bytes, if they were waited for.
    first: Option<Bytes>,
}

#[derive(Debug)]
enum Current {
    Nothing,
    Held(Bytes),
    Fill(fill::Reader),
}

impl SliceReader {
    /// A reader of the part from one byte to before another.
    pub(in crate::web) fn new(job: &Job, slices: &Arc<Slices>, from: u64, until: u64) -> Self {
        Self {
            job: job.clone(),
            slices: Arc::clone(slices),
            at: from,
            until,
            place: None,
            current: Current::Nothing,
            first: None,
        }
    }

    /// Waits for the first bytes: whoever sends a head before them cannot take it back.
    ///
    /// # Errors
    /// Why there are none.
    pub(in crate::web) async fn ready(&mut self) -> Result<(), Broke> {
        if self.first.is_none() {
            self.first = self.next().await.transpose()?;
        }
        Ok(())
    }

    /// The next piece; `None` at the end.
    pub(in crate::web) async fn next(&mut self) -> Option<Result<Bytes, Broke>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        while self.at < self.until {
            let piece = match &mut self.current {
                Current::Nothing => {
                    match self.open().await {
                        Ok(current) => self.current = current,
                        Err(broke) => return Some(Err(broke)),
                    }
                    continue;
                }
                Current::Held(bytes) => Some(std::mem::take(bytes)),
                Current::Fill(reader) => match reader.next().await {
                    Some(Ok(piece)) => Some(piece),
                    Some(Err(fill::BrokeOff)) => return Some(Err(self.why())),
                    None => None,
                },
            };
            match piece.filter(|piece| !piece.is_empty()) {
                Some(mut piece) => {
                    let room = usize::try_from(self.until - self.at).unwrap_or(usize::MAX);
                    piece.truncate(room);
                    self.at += piece.len() as u64;
                    return Some(Ok(piece));
                }
                None => self.current = Current::Nothing,
            }
        }
        self.stand_at(None);
        None
    }

    fn why(&self) -> Broke {
        if self.slices.state().changed {
            Broke::Changed
        } else {
            Broke::Off
        }
    }

    fn stand_at(&mut self, place: Option<u64>) {
        self.slices.moves(self.place, place);
        self.place = place;
    }

    /// Comes to the slice that holds the next byte.
    async fn open(&mut self) -> Result<Current, Broke> {
        let slice = self.at / SLICE_BYTES;
        let skip = self.at % SLICE_BYTES;
        self.stand_at(Some(slice));
        let slices = Arc::clone(&self.slices);
        loop {
            let told = slices.told.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            match slices.way(slice) {
                Way::Fill(reader) => return Ok(Current::Fill(reader.part(skip, u64::MAX))),
                Way::Wait => {
                    told.await;
                    continue;
                }
                Way::Look => {}
                Way::Changed => return Err(Broke::Changed),
            }
            let store = &self.job.web.shared.store;
            let held = store.slice(slices.generation, slice).await;
            if let Some(bytes) = held.filter(|bytes| bytes.len() as u64 == slices.size(slice)) {
                let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(bytes.len());
                return Ok(Current::Held(bytes.slice(skip..)));
            }
            let part = Slices::of_part(self.at, self.until);
            let most = part.end.min(slice + MOST_OF_RUN);
            let held = (slice + 1..most).find(|next| store.has_slice(slices.generation, *next));
            if let Some((run, reader)) = slices.begin(slice..held.unwrap_or(most)) {
                tokio::spawn(run.run(self.job.clone(), None));
                return Ok(Current::Fill(reader.part(skip, u64::MAX)));
            }
        }
    }
}

impl Drop for SliceReader {
    fn drop(&mut self) {
        self.stand_at(None);
    }
}
