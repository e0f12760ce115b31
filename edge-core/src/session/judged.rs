//! Judging a session again: by changed settings, or because time has passed.
//!
//! Each stream of the client is judged as it was let in; one that is no longer allowed is told so
//! and ended. When the last one ends, the session does. A session that does nothing yet is judged by
//! what is known of its connection.

use std::sync::Arc;

use contract::facts::Facts;
use contract::reason::Reason;

use super::{Active, Ending, Kind, Output, Session};
use crate::admission::{self, Door, Outcome, Ruling};

/// What is no longer allowed, and why.
struct Judged {
    ruling: Arc<Ruling>,
    reason: Reason,
    detail: Option<String>,
}

impl Session {
    /// Judges the session again; what is no longer allowed is told so and ended.
    pub fn rejudge(&mut self, door: &Door<'_>) {
        if door.snapshot.is_none() || self.closing {
            return;
        }
        self.ask_to_move(door);
        if self.active.is_empty() {
            let Some(judged) = self.facts.as_deref().and_then(|facts| judge(facts, door)) else {
                return;
            };
            self.ruling = Some(judged.ruling);
            self.tell_all(judged.reason);
            self.close(Ending::Ended, judged.reason, judged.detail);
            return;
        }
        let mut kept = Vec::with_capacity(self.active.len());
        let mut denied = Vec::new();
        for active in self.active.drain(..) {
            match judge(&active.facts, door) {
                None => kept.push(active),
                Some(judged) => denied.push((active, judged)),
            }
        }
        self.active = kept;
        let mut last = None;
        for (active, judged) in denied {
            let ends = self.ended(&active);
            let facts = Arc::clone(&active.facts);
            self.tell_end(
                Active {
                    ruling: Arc::clone(&judged.ruling),
                    ..active
                },
                judged.reason,
            );
            self.outputs.push_back(ends);
            last = Some((facts, judged));
        }
        let Some((facts, judged)) = last else {
            return;
        };
        self.describe_newest();
        if self.active.is_empty() {
            self.facts = Some(facts);
            self.ruling = Some(judged.ruling);
            self.close(Ending::Ended, judged.reason, judged.detail);
        }
    }
}

/// What the driver does when a stream of the client ends.
pub(super) fn ended(active: &Active) -> Output {
    let stream_id = active.stream_id;
    match active.kind {
        Kind::Play { .. } => Output::Unsubscribe { stream_id },
        Kind::Publish => Output::Unpublish { stream_id },
    }
}

fn judge(facts: &Facts, door: &Door<'_>) -> Option<Judged> {
    let mut facts = facts.clone();
    facts.admitted_ms = facts.admitted_ms.or(Some(facts.at_ms));
    facts.at_ms = door.at_ms;
    let ruling = admission::judge(door, &facts);
    let (reason, detail) = match ruling.outcome {
        Outcome::Refuse(why) => {
            let reason = if why == Reason::WrongEdge {
                Reason::Moved
            } else {
                Reason::NoLongerAllowed
            };
            (reason, Some(why.sentence().to_owned()))
        }
        // Where it belongs counts when it comes next; nothing is taken from it now. One that goes
        // elsewhere when it is asked to was asked.
        Outcome::Admit(_)
        | Outcome::Relay(_)
        | Outcome::Redirect(_)
        | Outcome::Challenge { .. }
        | Outcome::Postpone => return None,
    };
    Some(Judged {
        ruling: Arc::new(ruling),
        reason,
        detail,
    })
}
