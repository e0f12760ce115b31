//! Orders and questions: what the server wants done, and what it wants to know.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::id::QuestionId;
use contract::order::{Order, OrderReceipt, PurgeScope, Work};
use contract::question::{Answer, Ask, MAX_WAITING_QUESTIONS};
use contract::reason::Reason;
use tokio::sync::{Semaphore, watch};

use super::Settings;
use super::link::Link;
use super::state::LinkState;
use crate::clock::now_ms;
use crate::dial::Dialer;
use crate::sessions::Sessions;

/// How many questions are remembered as answered.
const REMEMBERED: usize = 64;
/// The longest try at reaching an origin for a question.
const REACH_BUDGET: Duration = Duration::from_secs(2);

/// Makes stored objects go; the HTTP side does it.
pub trait Purger: Send + Sync {
    /// Purges, and returns how many objects went.
    fn purge(&self, scope: &PurgeScope) -> u64;
}

/// Carries orders out, in order, each once.
pub(super) struct Hands {
    pub(super) sessions: Sessions,
    pub(super) purger: Arc<dyn Purger>,
    pub(super) state: LinkState,
}

impl Hands {
    pub(super) fn carry_out(&self, mut orders: Vec<Order>) {
        orders.sort_by_key(|order| order.number);
        for order in orders {
            if order.number <= self.state.lock().order {
                continue;
            }
            let count = match &order.work {
                Work::Kick { sessions } => self.sessions.kick(sessions, Reason::EndedByOperator),
                Work::Purge { scope } => self.purger.purge(scope),
            };
            tracing::info!(order.number = order.number, count, "order carried out");
            self.state.done(OrderReceipt {
                number: order.number,
                at_ms: now_ms(),
                count,
            });
        }
    }
}

/// Answers questions, a few at a time; a question is answered once.
pub(super) struct Answers {
    link: Link,
    dialer: Dialer,
    settings: watch::Receiver<Arc<Settings>>,
    room: Arc<Semaphore>,
    answered: VecDeque<QuestionId>,
}

impl Answers {
    pub(super) fn new(
        link: Link,
        dialer: Dialer,
        settings: watch::Receiver<Arc<Settings>>,
    ) -> Self {
        Self {
            link,
            dialer,
            settings,
            room: Arc::new(Semaphore::new(MAX_WAITING_QUESTIONS)),
            answered: VecDeque::new(),
        }
    }

    pub(super) fn answer(&mut self, question: contract::question::Question) {
        if self.answered.contains(&question.id) {
            return;
        }
        // Without room the question is left alone: it is gone after 10 s, and says so.
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            return;
        };
        if self.answered.len() == REMEMBERED {
            self.answered.pop_front();
        }
        self.answered.push_back(question.id);
        let link = self.link.clone();
        let dialer = self.dialer.clone();
        let settings = Arc::clone(&self.settings.borrow());
        tokio::spawn(async move {
            let answer = match &question.ask {
                Ask::Reach { origin } => reach(&dialer, &settings, *origin).await,
            };
            if let Err(error) = link.answer(question.id, &answer).await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a question's answer was not taken"
                );
            }
            drop(permit);
        });
    }
}

async fn reach(dialer: &Dialer, settings: &Settings, origin: contract::id::OriginId) -> Answer {
    let snapshot = settings.snapshot.as_ref();
    let Some(origin) = snapshot.and_then(|snapshot| snapshot.origin(origin)) else {
        return Answer::Reach {
            reachable: false,
            detail: "no route of this edge names the origin".to_owned(),
        };
    };
    let began = Instant::now();
    match dialer.dial(origin, REACH_BUDGET).await {
        Ok(_) => Answer::Reach {
            reachable: true,
            detail: format!("connected in {} ms", began.elapsed().as_millis()),
        },
        Err(error) => Answer::Reach {
            reachable: false,
            detail: error.to_string(),
        },
    }
}
