//! Asking the server for news, for as long as the edge runs.

use std::path::PathBuf;
use std::time::Duration;

use contract::control::HOLD_MS;
use contract::reason::Reason;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::apply::Applier;
use super::backoff::Backoff;
use super::link::{Link, LinkError};
use super::state::LinkState;
use super::work::{Answers, Hands};
use crate::clock::now_ms;
use crate::sessions::Sessions;

/// The least time between two questions, so that a server that answers at once is not asked in a
/// closed circle; changes that come together are taken together.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the next question waits after an answer without news, or with news that could not be
/// taken.
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(1);

/// Asks until `done`.
pub(super) struct Poll {
    pub(super) link: Link,
    pub(super) applier: Applier,
    pub(super) hands: Hands,
    pub(super) answers: Answers,
    pub(super) sessions: Sessions,
    pub(super) state: LinkState,
    pub(super) data_dir: PathBuf,
    pub(super) grace: Duration,
}

impl Poll {
    pub(super) async fn run(mut self, done: CancellationToken) {
        let mut backoff = Backoff::new();
        let mut refusals = 0;
        loop {
            let query = self.applier.query(HOLD_MS);
            let answer = tokio::select! {
                answer = self.link.updates(&query) => answer,
                () = done.cancelled() => return,
            };
            let wait = match answer {
                Ok(updates) => {
                    backoff.reset();
                    refusals = 0;
                    self.heard();
                    match updates {
                        Some(updates) => self.take(updates).await,
                        None => PAUSE,
                    }
                }
                // Asked twice, because erasing cannot be undone.
                Err(LinkError::Expelled(_)) if refusals > 0 => {
                    self.expel();
                    return;
                }
                Err(error) => {
                    refusals += u32::from(matches!(error, LinkError::Expelled(_)));
                    self.missed(&error);
                    backoff.wait()
                }
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = done.cancelled() => return,
            }
        }
    }

    async fn take(&mut self, mut updates: contract::control::Updates) -> Duration {
        let orders = std::mem::take(&mut updates.orders);
        let questions = std::mem::take(&mut updates.questions);
        let asked = !orders.is_empty() || !questions.is_empty();
        // Settings before orders: a purge or a kick often comes with the rule that makes it stick.
        let whole = self.applier.take(&mut updates).await;
        self.hands.carry_out(orders);
        for question in questions {
            self.answers.answer(question);
        }
        if whole || asked {
            PAUSE
        } else {
            PAUSE_AFTER_FAULT
        }
    }

    fn heard(&mut self) {
        let (was_connected, was_over) = {
            let mut standing = self.state.lock();
            standing.heard_ms = now_ms();
            (
                std::mem::replace(&mut standing.connected, true),
                std::mem::replace(&mut standing.grace_is_over, false),
            )
        };
        if !was_connected {
            tracing::info!("the server answers");
        }
        if was_over {
            self.applier.publish();
        }
    }

    fn missed(&mut self, error: &LinkError) {
        let grace_ms = u64::try_from(self.grace.as_millis()).unwrap_or(u64::MAX);
        let (was_connected, grace_ends) = {
            let mut standing = self.state.lock();
            let silent_ms = now_ms().saturating_sub(standing.heard_ms);
            let ends = !standing.grace_is_over && silent_ms > grace_ms;
            standing.grace_is_over |= ends;
            (std::mem::replace(&mut standing.connected, false), ends)
        };
        if was_connected {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the server does not answer: serving goes on with the settings in force"
            );
        } else {
            tracing::debug!(
                error = error as &dyn std::error::Error,
                "the server still does not answer"
            );
        }
        if grace_ends {
            tracing::error!(
                "the server has been silent for longer than the grace: nothing is let in"
            );
            self.applier.publish();
        }
    }

    fn expel(&mut self) {
        tracing::error!(
            "the server does not know this edge any more: it stops serving and erases what it kept"
        );
        self.applier.expel(&self.data_dir);
        self.sessions.kick_all(Reason::NoLongerAllowed);
    }
}
