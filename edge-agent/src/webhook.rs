//! Asking applications who may come in (`contract::webhook`), for both planes.
//!
//! An inquiry goes in, a [`Word`] comes out, always within the webhook's time: the application's, a
//! kept one, or what holds in silence. Each session waits for its own question only. What is bounded:
//! questions at once and questions that wait for their turn, for each webhook; answers that are kept;
//! connections. An application that does not answer is left alone for a while. It does not know what
//! a session does with the word.

mod hook;
mod post;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::id::WebhookId;
use contract::reason::Reason;
use contract::rule::Effect;
use contract::webhook::{Answer, MAX_WEBHOOKS};
use edge_core::admission::webhook::{Inquiry, Word};

use crate::dial::Dialer;
use crate::telemetry::WebhookCounts;
use hook::Hook;

/// The most webhooks that are remembered with their answers: those of the settings, and as many that
/// were changed or removed since. Beyond it all begin anew.
const MAX_HOOKS: usize = 2 * MAX_WEBHOOKS;

/// Why there is no answer. The text is for records and names no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Silence {
    /// Others wait already, as many as may.
    #[error("too many questions wait for the application")]
    Crowded,
    /// It did not answer the last times.
    #[error("the application did not answer lately, and is left alone for some seconds")]
    Resting,
    /// It took too long, or there was no turn in time.
    #[error("the application did not answer in time")]
    TimedOut,
    /// It could not be reached.
    #[error("the application cannot be reached")]
    NotReached,
    /// It said something that is no answer.
    #[error("what the application says is no answer")]
    Unreadable,
}

/// Every application that is asked; clones are the same.
#[derive(Debug, Clone)]
pub struct Webhooks {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dialer: Dialer,
    hooks: Mutex<HashMap<WebhookId, Arc<Hook>>>,
    counts: Mutex<BTreeMap<WebhookId, WebhookCounts>>,
}

impl Webhooks {
    /// Asks by way of this dialer.
    #[must_use]
    pub fn new(dialer: Dialer) -> Self {
        Self {
            shared: Arc::new(Shared {
                dialer,
                hooks: Mutex::default(),
                counts: Mutex::default(),
            }),
        }
    }

    /// Asks, and answers within the webhook's time.
    pub async fn ask(&self, inquiry: Inquiry) -> Word {
        let id = inquiry.webhook.id;
        let silent = inquiry.webhook.settings.silent;
        let hook = self.hook(&inquiry);
        let key = inquiry.question.key();
        if let Some(answer) = hook.kept(&key) {
            self.count(id, |counts| counts.cached += 1);
            return said(answer);
        }
        let begun = tokio::time::Instant::now();
        let answer = hook.ask(&self.shared.dialer, &inquiry.question).await;
        let spent = begun.elapsed();
        self.count(id, |counts| {
            counts.asked += 1;
            counts.spent += spent;
            match &answer {
                Ok(Answer { allow: true, .. }) => counts.allowed += 1,
                Ok(Answer { allow: false, .. }) => counts.denied += 1,
                Err(_) => counts.silent += 1,
            }
        });
        match answer {
            Ok(answer) => {
                hook.keep(key, &answer);
                said(answer)
            }
            Err(silence) => in_silence(silent, silence),
        }
    }

    /// What was counted since the agent began.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<WebhookId, WebhookCounts> {
        locked(&self.shared.counts).clone()
    }

    /// The webhook as its settings are now; changed ones begin anew.
    fn hook(&self, inquiry: &Inquiry) -> Arc<Hook> {
        let mut hooks = locked(&self.shared.hooks);
        match hooks.get(&inquiry.webhook.id) {
            Some(known) if known.is(&inquiry.webhook) => Arc::clone(known),
            Some(_) | None => {
                if hooks.len() >= MAX_HOOKS {
                    hooks.clear();
                }
                let hook = Arc::new(Hook::new(inquiry.webhook.clone()));
                hooks.insert(inquiry.webhook.id, Arc::clone(&hook));
                hook
            }
        }
    }

    fn count(&self, id: WebhookId, add: impl FnOnce(&mut WebhookCounts)) {
        let mut counts = locked(&self.shared.counts);
        if counts.len() >= MAX_HOOKS && !counts.contains_key(&id) {
            counts.pop_first();
        }
        add(counts.entry(id).or_default());
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn said(answer: Answer) -> Word {
    Word {
        refuses: (!answer.allow).then_some(Reason::DeniedByWebhook),
        detail: answer.reason,
        client: answer.client,
    }
}

fn in_silence(holds: Effect, silence: Silence) -> Word {
    let refuses = match holds {
        Effect::Allow => None,
        Effect::Deny => Some(Reason::WebhookSilent),
    };
    Word {
        refuses,
        detail: Some(silence.to_string()),
        client: None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
