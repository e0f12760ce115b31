//! Verbs on sessions: list, show, end; count.
//!
//! Live sessions are in memory, ended and refused ones in the statistics; a list shows both as one,
//! the newest first.

use std::collections::{BTreeMap, HashSet};

use contract::id::{ClientId, DecisionId, EdgeId, RouteId, RuleId, SessionId};
use contract::order::Work;
use contract::reason::Reason;
use contract::report::{SessionRecord, SessionState};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::change::{Noun, Subject};
use super::{App, Caller, Error, Listing, Permission, Window, orders};
use crate::store::statistics::EndedFilter;

/// The most sessions that one order names.
const AN_ORDER: usize = 1_000;
/// The most sessions that one call ends.
pub const MOST_AT_ONCE: usize = 100_000;
/// Refusals are counted over so long.
const RECENT_MS: u64 = 5 * 60 * 1000;

/// A session with the edge that it is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// The edge.
    pub edge: EdgeId,
    /// The session, as the edge reported it.
    #[serde(flatten)]
    pub record: SessionRecord,
}

/// What a list of sessions is narrowed to; an empty field narrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Only on this edge.
    pub edge: Option<EdgeId>,
    /// Only of this client.
    pub client: Option<ClientId>,
    /// Only of this application.
    pub app: Option<String>,
    /// Only of this stream.
    pub stream: Option<String>,
    /// Only in this state.
    pub state: Option<SessionState>,
    /// Only by this route.
    pub route: Option<RouteId>,
    /// Only decided by this rule.
    pub rule: Option<RuleId>,
    /// Only ended or refused for this reason.
    pub reason: Option<Reason>,
    /// Only under this decision.
    pub decision: Option<DecisionId>,
    /// Only from this address.
    pub addr: Option<std::net::IpAddr>,
}

/// How many sessions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Let in, and going on.
    pub live: u64,
    /// Accepted, not let in yet.
    pub connecting: u64,
    /// Refused in the last five minutes.
    pub recently_refused: u64,
}

/// Which sessions shall end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct End {
    /// These.
    pub sessions: Vec<SessionId>,
    /// And all that this lets through; it must narrow something.
    #[serde(deserialize_with = "known_filter")]
    pub filter: Option<Filter>,
}

/// A filter without a field that is not known: passed over, a mistyped field would narrow nothing,
/// and more sessions would end than were meant.
fn known_filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Filter>, D::Error> {
    let Some(fields) = Option::<serde_json::Map<_, _>>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let known = serde_json::to_value(Filter::default()).map_err(D::Error::custom)?;
    if let Some(name) = fields
        .keys()
        .find(|name| known.get(name.as_str()).is_none())
    {
        return Err(D::Error::custom(format!(
            "there is no field `{name}` in a filter"
        )));
    }
    serde_json::from_value(fields.into())
        .map(Some)
        .map_err(D::Error::custom)
}

/// What was ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ending {
    /// How many live sessions the orders name.
    pub sessions: u64,
    /// The numbers of the orders; their receipts say when it was done.
    pub orders: Vec<u64>,
}

impl Filter {
    fn lets_through(&self, edge: EdgeId, record: &SessionRecord) -> bool {
        fn narrows<T: PartialEq>(wanted: Option<&T>, given: Option<&T>) -> bool {
            wanted.is_none() || wanted == given
        }
        narrows(self.edge.as_ref(), Some(&edge))
            && narrows(self.client.as_ref(), record.client.as_ref())
            && narrows(self.app.as_ref(), Some(&record.app))
            && narrows(self.stream.as_ref(), record.stream.as_ref())
            && narrows(self.state.as_ref(), Some(&record.state))
            && narrows(self.route.as_ref(), record.route.as_ref())
            && narrows(self.rule.as_ref(), record.rule.as_ref())
            && narrows(self.reason.as_ref(), record.reason.as_ref())
            && narrows(self.decision.as_ref(), record.decision.as_ref())
            && narrows(self.addr.as_ref(), Some(&record.addr))
    }

    /// Whether a session that goes on could be let through.
    fn wants_live(&self) -> bool {
        match self.state {
            None | Some(SessionState::Connecting | SessionState::Live) => true,
            Some(SessionState::Ended | SessionState::Refused) => false,
        }
    }

    /// Whether a session that is over could be let through.
    fn wants_ended(&self) -> bool {
        match self.state {
            None | Some(SessionState::Ended | SessionState::Refused) => true,
            Some(SessionState::Connecting | SessionState::Live) => false,
        }
    }

    fn for_ended(&self, before: Option<SessionId>) -> EndedFilter {
        let equal = [
            ("edge_id", self.edge.map(|id| id.to_string())),
            ("client_id", self.client.map(|id| id.to_string())),
            ("app", self.app.clone()),
            ("stream", self.stream.clone()),
            ("state", self.state.map(|state| state.as_str().to_owned())),
            ("route_id", self.route.map(|id| id.to_string())),
            ("rule_id", self.rule.map(|id| id.to_string())),
            ("reason", self.reason.map(|reason| reason.code().to_owned())),
            ("decision_id", self.decision.map(|id| id.to_string())),
            ("addr", self.addr.map(|addr| addr.to_string())),
        ];
        let equal = equal
            .into_iter()
            .filter_map(|(column, value)| Some((column, value?)))
            .collect();
        EndedFilter { equal, before }
    }
}

/// Lists sessions, live and ended ones together, the newest first.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`] for an `after` that is no session's id.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &Filter,
    window: &Window,
) -> Result<Listing<Session>, Error> {
    caller.needs(Permission::Read)?;
    let before = window
        .after
        .as_deref()
        .map(|text| {
            text.parse::<SessionId>()
                .map_err(|fault| Error::field("after", fault))
        })
        .transpose()?;
    let limit = window.limit();
    // Live first: a session that ends in between is then seen twice rather than not at all.
    let live = if filter.wants_live() {
        app.live().sessions(limit as usize + 1, |edge, record| {
            before.is_none_or(|before| record.id < before) && filter.lets_through(edge, record)
        })
    } else {
        Vec::new()
    };
    let ended = if filter.wants_ended() {
        app.statistics()
            .sessions(&filter.for_ended(before), limit + 1)
            .await?
    } else {
        Vec::new()
    };
    let over: HashSet<SessionId> = ended.iter().map(|ended| ended.record.id).collect();
    let mut sessions: Vec<Session> = live
        .into_iter()
        .filter(|(_, record)| !over.contains(&record.id))
        .map(|(edge, record)| Session { edge, record })
        .chain(ended.into_iter().map(|ended| Session {
            edge: ended.edge,
            record: ended.record,
        }))
        .collect();
    sessions.sort_unstable_by_key(|session| std::cmp::Reverse(session.record.id));
    sessions.truncate(limit as usize + 1);
    Ok(Listing::of(sessions, limit, |session| {
        session.record.id.to_string()
    }))
}

/// One session, live or ended.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn show(app: &App, caller: &Caller, id: SessionId) -> Result<Session, Error> {
    caller.needs(Permission::Read)?;
    if let Some((edge, record)) = app.live().session(id) {
        return Ok(Session { edge, record });
    }
    match app.statistics().session(id).await? {
        Some(ended) => Ok(Session {
            edge: ended.edge,
            record: ended.record,
        }),
        None => Err(Error::NotFound { noun: "session" }),
    }
}

/// How many sessions there are.
///
/// # Errors
/// [`Error::Denied`].
pub async fn counts(app: &App, caller: &Caller) -> Result<Counts, Error> {
    caller.needs(Permission::Read)?;
    let since_ms = app.clock().now_ms().saturating_sub(RECENT_MS);
    Ok(Counts {
        live: app
            .live()
            .count(|record| record.state == SessionState::Live),
        connecting: app
            .live()
            .count(|record| record.state == SessionState::Connecting),
        recently_refused: app.statistics().refused_since(since_ms).await?,
    })
}

/// Orders the edges to end live sessions: those named, and all that a filter lets through.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`] when nothing is named or the filter narrows nothing.
pub async fn end(app: &App, caller: &Caller, wanted: &End) -> Result<Ending, Error> {
    caller.needs(Permission::EndSessions)?;
    if wanted.sessions.is_empty() && wanted.filter.is_none() {
        return Err(Error::field("sessions", "name sessions, or a filter"));
    }
    if wanted
        .filter
        .as_ref()
        .is_some_and(|filter| *filter == Filter::default())
    {
        return Err(Error::field("filter", "the filter must narrow something"));
    }
    let named: HashSet<SessionId> = wanted.sessions.iter().copied().collect();
    let found = app.live().sessions(MOST_AT_ONCE, |edge, record| {
        named.contains(&record.id)
            || wanted
                .filter
                .as_ref()
                .is_some_and(|filter| filter.lets_through(edge, record))
    });
    let mut by_edge: BTreeMap<EdgeId, Vec<SessionId>> = BTreeMap::new();
    for (edge, record) in &found {
        by_edge.entry(*edge).or_default().push(record.id);
    }
    let works = by_edge
        .iter()
        .flat_map(|(edge, sessions)| {
            sessions.chunks(AN_ORDER).map(|sessions| {
                (
                    Some(*edge),
                    Work::Kick {
                        sessions: sessions.to_vec(),
                    },
                )
            })
        })
        .collect();
    let subject = match found.as_slice() {
        [(_, only)] => Subject::new(Noun::Sessions, only.id, only.addr),
        several => Subject::new(Noun::Sessions, "", format!("{} sessions", several.len())),
    };
    let numbers = orders::give(app, caller, works, "end", subject).await?;
    Ok(Ending {
        sessions: found.len() as u64,
        orders: numbers,
    })
}

/// Forgets sessions and figures that are too old; gives how many.
pub(crate) async fn sweep(app: &App) -> Result<u64, Error> {
    /// Kept so long; chosen: a month answers "what happened last week" with room to spare.
    const KEPT_MS: u64 = 31 * 24 * 60 * 60 * 1000;
    /// At a time, so that no sweep holds the writing connection long.
    const AT_A_TIME: u32 = 5_000;
    /// Parts of one sweep: a million rows, which is more than a flood of refusals makes in the
    /// minute between two sweeps. Whatever comes faster than it is forgotten fills the disk.
    const PARTS: u32 = 200;
    let before_ms = app.clock().now_ms().saturating_sub(KEPT_MS);
    let mut gone = 0;
    for _ in 0..PARTS {
        let part = app.statistics().forget_before(before_ms, AT_A_TIME).await?;
        gone += part;
        if part == 0 {
            break;
        }
    }
    Ok(gone)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture::{Server, session};
    use crate::store::statistics::Ended;

    #[tokio::test]
    async fn a_sweep_forgets_all_that_is_too_old_however_much_it_is() {
        let server = Server::start().await;
        let old = |_| Ended {
            edge: EdgeId::new(),
            record: SessionRecord {
                state: SessionState::Refused,
                ended_ms: Some(1),
                ..session(None, "old")
            },
        };
        let many: Vec<Ended> = (0..5_001).map(old).collect();
        server
            .app()
            .statistics()
            .keep(&many, None, 1)
            .await
            .unwrap();
        assert_eq!(sweep(server.app()).await.unwrap(), 5_001);
        assert_eq!(sweep(server.app()).await.unwrap(), 0);
    }
}
