//! One application that is asked: who has a turn, which answers are kept, when it is left alone.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contract::webhook::{Answer, Question, Webhook};
use moka::sync::Cache;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::post::Connections;
use super::{Silence, locked};
use crate::dial::Dialer;

/// The most questions that wait for their turn; chosen, because each holds a session that others
/// would have to wait behind.
const MAX_WAITING: usize = 1_024;
/// The most answers that are kept of one application; at some 200 bytes each.
const MAX_KEPT: u64 = 10_000;
/// So many questions in a row without an answer, and the application is left alone; chosen, because
/// a restart loses a few.
const PATIENCE: u32 = 5;
/// How long it is left alone before one question tries again; chosen, because a restart takes
/// seconds.
pub(super) const REST: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Hook {
    webhook: Webhook,
    connections: Connections,
    turns: Semaphore,
    waiting: AtomicUsize,
    answers: Cache<[u8; 32], Kept>,
    mood: Mutex<Mood>,
}

#[derive(Debug, Clone)]
struct Kept {
    answer: Answer,
    until: Instant,
}

/// How the application answered lately.
#[derive(Debug, Default)]
struct Mood {
    unanswered: u32,
    rests_until: Option<Instant>,
}

impl Mood {
    /// Whether it may be asked; after its rest one question tries.
    fn may_be_asked(&mut self, now: Instant) -> bool {
        match self.rests_until {
            Some(until) if now < until => false,
            Some(_) => {
                self.rests_until = Some(now + REST);
                true
            }
            None => true,
        }
    }

    /// Takes note; says so when it begins or ends to be left alone.
    fn note(&mut self, answered: bool, now: Instant) -> Option<bool> {
        if answered {
            self.unanswered = 0;
            return self.rests_until.take().map(|_| true);
        }
        self.unanswered = self.unanswered.saturating_add(1);
        if self.unanswered < PATIENCE {
            return None;
        }
        let rested = self.rests_until.replace(now + REST).is_some();
        (!rested).then_some(false)
    }
}

/// A question that waits or is being asked.
struct Place<'h>(&'h AtomicUsize);

impl<'h> Place<'h> {
    fn take(taken: &'h AtomicUsize, most: usize) -> Option<Self> {
        let place = Self(taken);
        // Where there is none the place is given back at once.
        (taken.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hook {
    pub(super) fn new(webhook: Webhook) -> Self {
        let at_once = usize::try_from(webhook.settings.max_at_once).unwrap_or(1);
        Self {
            connections: Connections::new(at_once),
            turns: Semaphore::new(at_once),
            waiting: AtomicUsize::new(0),
            answers: Cache::new(MAX_KEPT),
            mood: Mutex::default(),
            webhook,
        }
    }

    /// Whether these are its settings.
    pub(super) fn is(&self, webhook: &Webhook) -> bool {
        self.webhook == *webhook
    }

    /// An answer that was given to the same question and still holds.
    pub(super) fn kept(&self, key: &[u8; 32]) -> Option<Answer> {
        let kept = self.answers.get(key)?;
        (Instant::now() < kept.until).then_some(kept.answer)
    }

    pub(super) fn keep(&self, key: [u8; 32], answer: &Answer) {
        let settings = &self.webhook.settings;
        let ttl_ms = if answer.allow {
            settings.allow_ttl_ms
        } else {
            settings.deny_ttl_ms
        };
        if ttl_ms > 0 {
            let until = Instant::now() + Duration::from_millis(ttl_ms.into());
            let answer = answer.clone();
            self.answers.insert(key, Kept { answer, until });
        }
    }

    /// Waits for a turn, asks, and gives up when the time is over.
    pub(super) async fn ask(
        &self,
        dialer: &Dialer,
        question: &Question,
    ) -> Result<Answer, Silence> {
        let settings = &self.webhook.settings;
        if !locked(&self.mood).may_be_asked(Instant::now()) {
            return Err(Silence::Resting);
        }
        let most = MAX_WAITING + usize::try_from(settings.max_at_once).unwrap_or(0);
        let Some(_place) = Place::take(&self.waiting, most) else {
            return Err(Silence::Crowded);
        };
        let until = Instant::now() + Duration::from_millis(settings.timeout_ms.into());
        let asked = async {
            let _turn = self
                .turns
                .acquire()
                .await
                .expect("nobody closes the semaphore");
            self.connections.post(dialer, &self.webhook, question).await
        };
        let answer = timeout_at(until, asked)
            .await
            .unwrap_or(Err(Silence::TimedOut));
        let changed = locked(&self.mood).note(answer.is_ok(), Instant::now());
        match changed {
            Some(true) => tracing::info!(webhook.id = %self.webhook.id, "webhook answers again"),
            Some(false) => {
                tracing::warn!(
                    webhook.id = %self.webhook.id,
                    reason = answer.as_ref().err().map(ToString::to_string),
                    "webhook does not answer; it is left alone for some seconds"
                );
            }
            None => {}
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_does_not_answer_is_left_alone_and_tried_again() {
        let mut mood = Mood::default();
        let begin = Instant::now();
        for _ in 1..PATIENCE {
            assert!(mood.may_be_asked(begin));
            assert_eq!(mood.note(false, begin), None);
        }
        assert_eq!(mood.note(false, begin), Some(false));
        assert!(!mood.may_be_asked(begin + REST / 2));
        // One tries; the others wait for what becomes of it.
        assert!(mood.may_be_asked(begin + REST));
        assert!(!mood.may_be_asked(begin + REST));
        assert_eq!(mood.note(false, begin + REST), None);
        assert!(mood.may_be_asked(begin + REST * 2));
        assert_eq!(mood.note(true, begin + REST * 2), Some(true));
        assert!(mood.may_be_asked(begin + REST * 2));
        assert_eq!(mood.note(false, begin + REST * 2), None);
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let taken = AtomicUsize::new(0);
        let first = Place::take(&taken, 1);
        assert!(first.is_some());
        assert!(Place::take(&taken, 1).is_none());
        drop(first);
        assert!(Place::take(&taken, 1).is_some());
    }
}
