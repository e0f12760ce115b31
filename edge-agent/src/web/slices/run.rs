//! A run: one request for neighboring slices, moved into them one by one as long as a reader is
//! near.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use edge_core::cache::head;
use tokio::time::timeout;

use super::{SLICE_BYTES, Slices};
use crate::web::fill::Fill;
use crate::web::forward;
use crate::web::job::Job;
use crate::web::source::{NoPart, Source, Wish};

/// How long a run waits for a reader to come near. Chosen: a player that buffers takes what it wants
/// within some seconds, and origins close connections that wait for half a minute.
const IDLE: Duration = Duration::from_secs(10);

/// A fetch of neighboring slices. Dropped at any place, it lets go what it claimed.
pub(in crate::web) struct Run {
    slices: Arc<Slices>,
    id: u64,
    at: u64,
    until: u64,
    fill: Arc<Fill>,
    /// What came already of the next slice.
    over: Bytes,
}

impl Run {
    pub(super) fn new(slices: Arc<Slices>, id: u64, part: Range<u64>, fill: Arc<Fill>) -> Self {
        Self {
            slices,
            id,
            at: part.start,
            until: part.end,
            fill,
            over: Bytes::new(),
        }
    }

    /// Fetches. `source` brings the bytes from the first slice on, if they come already.
    pub(in crate::web) async fn run(mut self, job: Job, source: Option<Source>) {
        let source = match source {
            Some(source) => Ok(source),
            None => self.ask(&job).await,
        };
        let mut source = match source {
            Ok(source) => source,
            Err(NoPart::Changed) => {
                job.web.shared.store.remove(&job.asked.key());
                return self.slices.has_changed();
            }
            Err(NoPart::Failed(reason)) => {
                return tracing::debug!(reason = reason.code(), "a part of an object did not come");
            }
        };
        while self.fill_one(&job, &mut source).await && self.goes_on().await {}
    }

    async fn ask(&self, job: &Job) -> Result<Source, NoPart> {
        let validator = self.slices.validator.clone().ok_or(NoPart::Changed)?;
        let mut headers = forward::fields(&job.asked);
        head::ask_for_all(&mut headers);
        let length = self.slices.length;
        let wish = Wish {
            headers,
            validator,
            from: self.at * SLICE_BYTES,
            until: length.min(self.until * SLICE_BYTES),
            length,
        };
        Source::ask(job, wish).await
    }

    /// Moves one slice's bytes; `false` if they did not come whole.
    async fn fill_one(&mut self, job: &Job, source: &mut Source) -> bool {
        let size = usize::try_from(self.slices.size(self.at)).unwrap_or(usize::MAX);
        let mut whole = BytesMut::with_capacity(size);
        while whole.len() < size {
            let mut piece = std::mem::take(&mut self.over);
            if piece.is_empty() {
                piece = match source.next().await {
                    Some(Ok(piece)) => piece,
                    Some(Err(_)) | None => return false,
                };
            }
            let fits = piece.len().min(size - whole.len());
            self.over = piece.split_off(fits);
            whole.extend_from_slice(&piece);
            // It goes on without readers too: a slice that is begun is ended.
            self.fill.push(piece, u64::MAX).await;
        }
        let whole = whole.freeze();
        let store = &job.web.shared.store;
        store.put_slice(self.slices.generation, self.at, whole.clone());
        self.fill.settle(whole);
        self.fill.finish();
        true
    }

    /// Waits until a reader is near the next slice, and begins it.
    async fn goes_on(&mut self) -> bool {
        let next = self.at + 1;
        if next >= self.until {
            return false;
        }
        loop {
            let told = self.slices.told.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            {
                let mut state = self.slices.state();
                if state.is_near(next) {
                    self.at = next;
                    self.fill = Fill::new();
                    state.fills.insert(next, Arc::clone(&self.fill));
                    state.runs.insert(self.id, next + 1..self.until);
                    break;
                }
            }
            if timeout(IDLE, told).await.is_err() {
                return false;
            }
        }
        self.slices.told.notify_waiters();
        true
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        {
            let mut state = self.slices.state();
            state.runs.remove(&self.id);
            if !self.fill.is_whole() {
                state.fills.remove(&self.at);
            }
            state.forget_far();
        }
        self.fill.cut();
        self.slices.told.notify_waiters();
    }
}
