//! Limits: who comes when one is reached is refused in words; places are given back when they are
//! left.

use contract::facts::Action;
use contract::limit::{LimitKind, Limits};
use contract::pattern::Pattern;
use contract::token::PlayToken;
use contract::webhook::WebhookEvent;

use super::asking::{asking, word};
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
            "a limit is reached: at most 1 connection at once for this application (decision_"
        ),
        "{description}"
    );
    let closed = closing(&second).unwrap();
    assert_eq!(closed.reason, Reason::LimitReached);
    assert_eq!(
        closed.detail.as_deref(),
        Some(
            "at most 1 connection at once for this application: route Implicit; \
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

/// The text of a token that is good for so many sessions at once.
fn token(name: &str, uses: u32) -> String {
    let token = PlayToken {
        app: Pattern::any(),
        stream: Pattern::any(),
        action: Action::Play,
        expires_at_ms: u64::MAX,
        addr: None,
        client: None,
        id: Some(name.to_owned()),
        uses: Some(uses),
    };
    token.sign(&fixture::settings().snapshot.keys[0])
}

#[test]
fn a_token_is_good_for_as_many_sessions_at_once_as_it_says_wherever_it_is_brought() {
    let limiter = Limiter::default();
    let settings = || {
        let mut settings = fixture::settings();
        for route in &mut settings.snapshot.routes {
            route.identity = vec![IdentityKind::PlayToken];
        }
        settings.limiter = Some(limiter.clone());
        settings
    };
    let at_connect = |token: &str| pair(settings(), &format!("live?token={token}"));
    let at_play = |token: &str| {
        let mut pair = pair(settings(), "live");
        pair.play(&format!("cam?token={token}"));
        pair
    };
    let ticket = token("ticket", 2);
    let mut first = at_connect(&ticket);
    // Its own streams are one session.
    first.play("cam");
    first.play("cam");
    let second = at_play(&ticket);
    assert_eq!((first.closed_for(), second.closed_for()), (None, None));
    for third in [at_connect(&ticket), at_play(&ticket)] {
        assert_eq!(third.closed_for(), Some(Reason::LimitReached));
        let (_, description) = third.last_status();
        assert!(
            description.contains("at most 2 connections at once for this token"),
            "{description}"
        );
    }
    assert_eq!(at_play(&token("other", 1)).closed_for(), None);
    drop(second);
    assert_eq!(at_play(&ticket).closed_for(), None);
}

#[test]
fn a_place_is_held_while_an_application_is_asked_and_given_back_if_it_says_no() {
    let limiter = Limiter::default();
    let settings = |kind| {
        let mut settings = asking(&[WebhookEvent::Connect, WebhookEvent::Play]);
        for route in &mut settings.snapshot.routes {
            route.limits = Limits::default().with(kind, Some(1));
        }
        settings.limiter = Some(limiter.clone());
        settings
    };
    for kind in [LimitKind::Connections, LimitKind::ViewersPerStream] {
        let come = || {
            let mut pair = pair(settings(kind), "live");
            if kind == LimitKind::ViewersPerStream {
                pair.answer(word(None));
                pair.play("cam");
            }
            pair
        };
        let mut first = come();
        // The one for whom there is no room is not asked about.
        assert_eq!(come().closed_for(), Some(Reason::LimitReached));
        first.answer(word(Some(Reason::DeniedByWebhook)));
        assert_eq!(first.closed_for(), Some(Reason::DeniedByWebhook));
        let mut next = come();
        next.answer(word(None));
        assert_eq!(next.closed_for(), None);
    }
}

#[test]
fn a_client_whom_the_application_names_has_its_limits() {
    let limiter = Limiter::default();
    let come = || {
        let mut settings = asking(&[WebhookEvent::Connect]);
        let mut changes = settings.directory.to_changes();
        changes.clients[0].limits = Limits::default().with(LimitKind::Connections, Some(1));
        settings.directory.apply(changes).unwrap();
        settings.limiter = Some(limiter.clone());
        let mut pair = pair(settings, "live");
        pair.answer(word(None));
        pair
    };
    let first = come();
    assert_eq!(first.closed_for(), None);
    let second = come();
    assert_eq!(second.closed_for(), Some(Reason::LimitReached));
    assert_eq!(second.last_status().0, "NetConnection.Connect.Rejected");
    drop(first);
    assert_eq!(come().closed_for(), None);
}
