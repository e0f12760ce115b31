//! Limits: who comes when one is reached is refused in words; places are given back when they are
//! left.

use contract::limit::{LimitKind, Limits};

use super::*;
use crate::limit::Limiter;

/// Settings whose routes have this limit.
fn limited(limiter: &Limiter, kind: LimitKind, limit: u64) -> Settings {
    let mut settings = fixture::settings();
    for route in &mut settings.snapshot.routes {
        route.limits = Limits::default().with(kind, Some(limit));
    }
    settings.limiter = Some(limiter.clone());
    settings
}

fn closing(pair: &Pair) -> Option<Closing> {
    pair.wishes.iter().find_map(|wish| match wish {
        Output::Close(closing) => Some(closing.clone()),
        _ => None,
    })
}

#[test]
fn the_next_connection_is_refused_at_connect_and_comes_in_when_one_has_left() {
    let limiter = Limiter::default();
    let come = || pair(limited(&limiter, LimitKind::Connections, 1), "live");
    let first = come();
    assert_eq!(first.closed_for(), None);
    let second = come();
    let (code, description) = second.last_status();
    assert_eq!(code, "NetConnection.Connect.Rejected");
    assert!(
        description.starts_with(
            "a limit is reached: at most 1 connection at once for this address (decision_"
        ),
        "{description}"
    );
    let closed = closing(&second).unwrap();
    assert_eq!(closed.reason, Reason::LimitReached);
    assert_eq!(
        closed.detail.as_deref(),
        Some(
            "at most 1 connection at once for this address: route Implicit; \
             1 here, 0 at other edges"
        )
    );
    drop(first);
    assert_eq!(come().closed_for(), None);
}

#[test]
fn viewers_of_one_stream_and_publishers_have_limits_of_their_own() {
    let limiter = Limiter::default();
    let come = |kind| pair(limited(&limiter, kind, 1), "live");
    let mut first = come(LimitKind::ViewersPerStream);
    first.play("cam");
    let mut second = come(LimitKind::ViewersPerStream);
    second.play("cam");
    assert_eq!(second.closed_for(), Some(Reason::LimitReached));
    assert_eq!(second.last_status().0, "NetStream.Play.Failed");
    let mut third = come(LimitKind::ViewersPerStream);
    third.play("other");
    assert_eq!(third.closed_for(), None);
    // Who goes on to another stream leaves its place to the next.
    first.client.close();
    first.exchange();
    let mut fourth = come(LimitKind::ViewersPerStream);
    fourth.play("cam");
    assert_eq!(fourth.closed_for(), None);

    let mut first = come(LimitKind::Publishers);
    first.publish("a");
    let mut second = come(LimitKind::Publishers);
    second.publish("b");
    assert_eq!(second.closed_for(), Some(Reason::LimitReached));
    assert_eq!(second.last_status().0, "NetStream.Publish.BadName");
}

#[test]
fn a_smaller_limit_hurts_nobody_who_is_there() {
    let limiter = Limiter::default();
    let mut first = pair(limited(&limiter, LimitKind::Connections, 5), "live");
    let _second = pair(limited(&limiter, LimitKind::Connections, 5), "live");
    first.settings = limited(&limiter, LimitKind::Connections, 1);
    first.edge.rejudge(&first.settings.door());
    first.play("cam");
    assert_eq!(first.closed_for(), None);
}
