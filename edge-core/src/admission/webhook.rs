//! What an application is asked about a client that was let in so far, and what its word does to the
//! ruling.
//!
//! A ruling goes in; an [`Inquiry`] for the driver comes out where the route asks somebody, and the
//! [`Word`] that comes back makes the ruling final. It does not know how anybody is asked. A client
//! that another edge carries here was asked about there.

use contract::address::Requested;
use contract::facts::Facts;
use contract::reason::Reason;
use contract::token::{TOKEN_PARAMETER, is_play_token};
use contract::webhook::{Question, Webhook, WebhookEvent};

use super::{Door, Outcome, Ruling};

/// A question, and whom to ask.
#[derive(Debug, Clone, PartialEq)]
pub struct Inquiry {
    /// Whom, and within which bounds.
    pub webhook: Webhook,
    /// What.
    pub question: Question,
}

/// What came of an inquiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Why the client may not come in; `None` lets it.
    pub refuses: Option<Reason>,
    /// More of it, for the record.
    pub detail: Option<String>,
    /// The name of the registered client that it is, by the application's word.
    pub client: Option<String>,
}

/// The inquiry that the ruling's route asks for before the client comes in for this event. With
/// `instead_of_connect` a webhook that wants to hear of `connect` hears of this event: it was not
/// asked when the client connected, for there was no route yet, or there is no such event.
#[must_use]
pub fn inquiry(
    door: &Door<'_>,
    facts: &Facts,
    ruling: &Ruling,
    instead_of_connect: bool,
) -> Option<Inquiry> {
    match ruling.outcome {
        Outcome::Refuse(_) | Outcome::Redirect(_) => return None,
        Outcome::Admit(_) | Outcome::Relay(_) | Outcome::Challenge { .. } | Outcome::Postpone => {}
    }
    if facts.hop.is_some() {
        return None;
    }
    let snapshot = door.snapshot?;
    let webhook = snapshot.webhook_of(ruling.route?)?;
    let event = WebhookEvent::of(facts.action);
    let events = &webhook.settings.events;
    let wants = |event| events.contains(&event);
    let asks = wants(event) || (instead_of_connect && wants(WebhookEvent::Connect));
    if !asks {
        return None;
    }
    let query = query_beyond(&facts.requested, ruling);
    let client = ruling.client.and_then(|id| door.directory.client(id));
    let question = Question {
        at_ms: door.at_ms,
        route: ruling.route,
        client: ruling.client,
        client_name: client.map(|client| client.name.clone()),
        token: ruling.token.as_ref().map(|token| token.id.clone()),
        ..Question::about(facts, event, ruling.id, snapshot.edge, query)
    };
    Some(Inquiry {
        webhook: webhook.clone(),
        question,
    })
}

impl Word {
    /// The ruling with this word in it. A client that the application names is the client of the
    /// record, if nothing else has said who it is; rules were read before.
    #[must_use]
    pub fn in_ruling(self, mut ruling: Ruling, door: &Door<'_>) -> Ruling {
        if let Some(reason) = self.refuses {
            ruling.outcome = Outcome::Refuse(reason);
            ruling.detail = self.detail;
            return ruling;
        }
        let named = self
            .client
            .and_then(|name| door.directory.client_by_name(&name));
        ruling.client = ruling.client.or(named.map(|client| client.id));
        ruling
    }
}

/// The query of a request without what was for this edge.
#[must_use]
pub fn query_beyond(requested: &Requested, ruling: &Ruling) -> Option<String> {
    beyond(requested.query.as_deref()?, ruling)
}

/// A query without the token that was for this edge: one of the fleet's own, or one that says who
/// the client is. Any other is between the client and the application.
#[must_use]
pub fn beyond(query: &str, ruling: &Ruling) -> Option<String> {
    let is_ours = |pair: &&str| {
        pair.split_once('=').is_some_and(|(name, value)| {
            name == TOKEN_PARAMETER && (ruling.token.is_some() || is_play_token(value))
        })
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_ours(pair)).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}
