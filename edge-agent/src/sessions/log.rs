//! The session log: one line when a session is over, which says who, from where, to what, how much
//! and why. Queries, passwords and tokens are not part of a record, so they cannot stand here.

use contract::facts::Action;
use contract::report::{HopTarget, SessionRecord, SessionState};

pub(super) fn over(record: &SessionRecord) {
    let said = match record.state {
        SessionState::Refused => "session refused",
        SessionState::Connecting | SessionState::Live | SessionState::Ended => "session ended",
    };
    let ended_ms = record.ended_ms.unwrap_or(record.began_ms);
    tracing::info!(
        session.id = %record.id,
        client.addr = %record.addr,
        client.id = record.client.map(display),
        ingress = record.ingress.scheme(),
        host = record.host,
        stream.app = record.app,
        stream.name = record.stream,
        action = record.action.map(Action::as_str),
        route.id = record.route.map(display),
        next_hop = record.next_hop.map(next_hop),
        through = (!record.through.is_empty()).then(|| format!("{:?}", record.through)),
        rule.id = record.rule.map(display),
        assignment.id = record.assignment.map(display),
        decision.id = record.decision.map(display),
        reason = record.reason.map(display),
        detail = record.detail,
        received_bytes = record.received_bytes,
        sent_bytes = record.sent_bytes,
        duration_ms = ended_ms.saturating_sub(record.began_ms),
        "{said}"
    );
}

fn next_hop(hop: HopTarget) -> String {
    match hop {
        HopTarget::Origin { origin } => origin.to_string(),
        HopTarget::Edge { edge } => edge.to_string(),
    }
}
