//! What admission means, case by case.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::assignment::{Assignment, Subject};
use crate::client::Client;
use crate::directory::DirectoryChanges;
use crate::facts::{Action, Proof};
use crate::fixture::{self, HERE, THERE};
use crate::hop::Hop;
use crate::secret::Secret;
use crate::token::PlayToken;

fn directory(clients: Vec<Client>, assignments: Vec<Assignment>) -> Directory {
    let mut directory = Directory::default();
    directory
        .apply(DirectoryChanges {
            until: 1,
            clients,
            assignments,
            ..Default::default()
        })
        .unwrap();
    directory
}

fn assigned(edge: EdgeId, elsewhere: Elsewhere) -> Assignment {
    Assignment {
        id: AssignmentId::from_bits(1),
        subject: Subject::Everyone,
        target: Target::Edge { edge },
        elsewhere,
        order: 0,
        enabled: true,
    }
}

fn verdict(snapshot: &Snapshot, directory: &Directory, facts: &Facts) -> Verdict {
    judge(snapshot, directory, facts).verdict
}

fn admits(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Admit(_))
}

#[test]
fn lets_in_what_a_route_and_a_rule_allow() {
    let decision = judge(
        &fixture::snapshot(),
        &Directory::default(),
        &fixture::play_facts("live", "s"),
    );
    let Verdict::Admit(passage) = decision.verdict else {
        panic!("{decision:?}")
    };
    assert_eq!(passage.next, [NextHop::Origin(fixture::ORIGIN)]);
    assert_eq!(passage.app.as_str(), "live");
    assert_eq!(decision.rule, Some(fixture::rule().id));
    let stages: Vec<Stage> = decision.trace.iter().map(|step| step.stage).collect();
    assert_eq!(
        stages,
        [
            Stage::Route,
            Stage::Identity,
            Stage::Rules,
            Stage::Assignment
        ]
    );
}

#[test]
fn refuses_what_no_route_matches_and_what_no_rule_allows() {
    let mut snapshot = fixture::snapshot();
    let none = Directory::default();
    assert_eq!(
        verdict(&snapshot, &none, &fixture::play_facts("vod", "s")),
        Verdict::Refuse(Reason::NoRoute)
    );
    snapshot.rules.clear();
    assert_eq!(
        verdict(&snapshot, &none, &fixture::play_facts("live", "s")),
        Verdict::Refuse(Reason::DeniedByDefault)
    );
    snapshot.routes[0].action = RouteAction::Reject;
    assert_eq!(
        verdict(&snapshot, &none, &fixture::play_facts("live", "s")),
        Verdict::Refuse(Reason::RouteRejects)
    );
}

#[test]
fn a_wrapped_destination_must_be_a_listed_origin() {
    let snapshot = fixture::snapshot();
    let check = |app: &str, stream: &str, expected: Option<Reason>| {
        let seen = verdict(
            &snapshot,
            &Directory::default(),
            &fixture::play_facts(app, stream),
        );
        match expected {
            None => assert!(admits(&seen), "{app} {stream}: {seen:?}"),
            Some(reason) => assert_eq!(seen, Verdict::Refuse(reason), "{app} {stream}"),
        }
    };
    check("?rtmp:/", "origin.example/live/s", None);
    check("?rtmp://ORIGIN.example:1935/live", "s", None);
    check("?rtmp:/", "other.example/live/s", Some(Reason::Destination));
    check(
        "?rtmp:/",
        "origin.example:1936/live/s",
        Some(Reason::Destination),
    );
    check(
        "?rtmps:/",
        "origin.example/live/s",
        Some(Reason::Destination),
    );
    check(
        "?rtmp:/",
        "there.example/?rtmp://origin.example/live/s",
        None,
    );
    check(
        "?rtmp:/",
        "here.example/?rtmp://origin.example/live/s",
        Some(Reason::Loop),
    );
    check(
        "?rtmp:/",
        "unknown.example/?rtmp://origin.example/live/s",
        Some(Reason::Destination),
    );
}

#[test]
fn a_chain_asks_the_next_edge_for_what_remains() {
    let facts = fixture::play_facts("?rtmp:/", "there.example/?rtmp://origin.example/live/s");
    let Verdict::Admit(passage) = verdict(&fixture::snapshot(), &Directory::default(), &facts)
    else {
        panic!("a chain through a sibling is allowed")
    };
    assert_eq!(passage.next, [NextHop::Edge(THERE)]);
    assert_eq!(passage.app.as_str(), "?rtmp://origin.example/live");
}

#[test]
fn a_loop_and_a_chain_too_long_are_refused() {
    let mut facts = fixture::play_facts("live", "s");
    let check = |facts: &Facts, expected: Option<Reason>| {
        let seen = verdict(&fixture::snapshot(), &Directory::default(), facts);
        match expected {
            None => assert!(admits(&seen), "{seen:?}"),
            Some(reason) => assert_eq!(seen, Verdict::Refuse(reason)),
        }
    };
    let hop = |edges: Vec<EdgeId>| {
        Some(Hop {
            edges,
            addr: [192, 0, 2, 1].into(),
            client: None,
            session: None,
            until_ms: 2_000,
        })
    };
    facts.hop = hop(vec![THERE]);
    check(&facts, None);
    facts.hop = hop(vec![THERE, HERE]);
    check(&facts, Some(Reason::Loop));
    facts.hop = hop((10..14).map(EdgeId::from_bits).collect());
    check(&facts, Some(Reason::TooManyHops));
}

#[test]
fn a_tunnel_is_decided_at_connect_and_again_for_each_stream() {
    let mut snapshot = fixture::snapshot();
    snapshot.routes[0].mode = StreamMode::Tunnel;
    snapshot.rules = serde_json::from_str::<Vec<rule::Condition>>(
        r#"[{"kind":"action","actions":["publish"]}]"#,
    )
    .map(|conditions| {
        let denies = rule::Rule {
            effect: Effect::Deny,
            conditions,
            ..fixture::rule()
        };
        vec![denies]
    })
    .unwrap();
    let mut check = |action, default_effect, expected: Option<Reason>| {
        snapshot.routes[0].default_effect = default_effect;
        let mut facts = fixture::play_facts("live", "s");
        facts.action = action;
        let seen = verdict(&snapshot, &Directory::default(), &facts);
        match expected {
            None => assert!(admits(&seen), "{action:?}: {seen:?}"),
            Some(reason) => assert_eq!(seen, Verdict::Refuse(reason), "{action:?}"),
        }
    };
    check(None, Effect::Allow, None);
    check(Some(Action::Play), Effect::Allow, None);
    check(
        Some(Action::Publish),
        Effect::Allow,
        Some(Reason::DeniedByRule),
    );
    check(None, Effect::Deny, Some(Reason::DeniedByDefault));
}

#[test]
fn waits_for_the_stream_when_a_rule_or_the_address_needs_it() {
    let mut snapshot = fixture::snapshot();
    let mut facts = fixture::play_facts("?rtmp:/", "origin.example/live/s");
    facts.requested = crate::address::Requested::parse("?rtmp:/", None).unwrap();
    facts.action = None;
    assert_eq!(
        verdict(&snapshot, &Directory::default(), &facts),
        Verdict::Postpone
    );
    snapshot.rules[0].conditions =
        serde_json::from_str(r#"[{"kind":"action","actions":["play"]}]"#).unwrap();
    let mut facts = fixture::play_facts("live", "s");
    facts.action = None;
    facts.requested.stream = None;
    assert_eq!(
        verdict(&snapshot, &Directory::default(), &facts),
        Verdict::Postpone
    );
}

#[test]
fn a_route_that_asks_for_identity_gets_it() {
    let mut snapshot = fixture::snapshot();
    snapshot.routes[0].identity = vec![IdentityKind::StreamPassword, IdentityKind::PlayToken];
    let client = fixture::client(5, "encoder");
    let known = directory(vec![client.clone()], Vec::new());
    let mut facts = fixture::play_facts("live", "s");
    assert_eq!(
        verdict(&snapshot, &known, &facts),
        Verdict::Challenge(snapshot.routes[0].identity.clone())
    );
    facts.proof = Proof::WrongStreamPassword;
    assert_eq!(
        verdict(&snapshot, &known, &facts),
        Verdict::Refuse(Reason::WrongPassword)
    );
    facts.proof = Proof::StreamPassword { client: client.id };
    assert_eq!(judge(&snapshot, &known, &facts).client, Some(client.id));
    assert!(admits(&verdict(&snapshot, &known, &facts)));
    let token = PlayToken {
        app: "live".parse().unwrap(),
        stream: "s".parse().unwrap(),
        action: Action::Play,
        expires_at_ms: 2_000,
        addr: None,
        client: None,
        id: None,
        uses: None,
    };
    facts.proof = Proof::PlayToken {
        token: Secret::new(token.sign(&snapshot.keys[0])),
    };
    assert!(admits(&verdict(&snapshot, &known, &facts)));
    facts.at_ms = 2_000;
    assert_eq!(
        verdict(&snapshot, &known, &facts),
        Verdict::Refuse(Reason::BadToken)
    );
    // What it began goes on, but only as long as the rules of now allow it.
    facts.admitted_ms = Some(1_000);
    assert!(admits(&verdict(&snapshot, &known, &facts)));
    snapshot.rules[0].effect = Effect::Deny;
    assert_eq!(
        verdict(&snapshot, &known, &facts),
        Verdict::Refuse(Reason::DeniedByRule)
    );
}

#[test]
fn a_client_is_known_by_its_network_and_refused_when_switched_off() {
    let mut client = fixture::client(5, "north");
    client.networks = vec!["192.0.2.0/24".parse().unwrap()];
    let facts = fixture::play_facts("live", "s");
    let decision = judge(
        &fixture::snapshot(),
        &directory(vec![client.clone()], Vec::new()),
        &facts,
    );
    assert_eq!(decision.client, Some(client.id));
    client.enabled = false;
    assert_eq!(
        verdict(
            &fixture::snapshot(),
            &directory(vec![client], Vec::new()),
            &facts
        ),
        Verdict::Refuse(Reason::ClientDisabled)
    );
}

#[test]
fn a_client_at_the_wrong_edge_is_refused_relayed_or_redirected() {
    let snapshot = fixture::snapshot();
    let mut facts = fixture::play_facts("live", "s");
    let at = |elsewhere, facts: &Facts| {
        verdict(
            &snapshot,
            &directory(Vec::new(), vec![assigned(THERE, elsewhere)]),
            facts,
        )
    };
    assert_eq!(
        at(Elsewhere::Refuse, &facts),
        Verdict::Refuse(Reason::WrongEdge)
    );
    let Verdict::Relay(passage) = at(Elsewhere::Relay, &facts) else {
        panic!("it is relayed")
    };
    assert_eq!(
        (passage.next.as_slice(), passage.app.as_str()),
        ([NextHop::Edge(THERE)].as_slice(), "live")
    );
    assert!(
        matches!(at(Elsewhere::Redirect, &facts), Verdict::Relay(_)),
        "most players do not follow"
    );
    facts.user_agent = Some("WIN 32,0,0,1".to_owned());
    facts.page_url = Some("https://example.org/".to_owned());
    assert_eq!(at(Elsewhere::Redirect, &facts), Verdict::Redirect(THERE));
    let here = directory(Vec::new(), vec![assigned(HERE, Elsewhere::Refuse)]);
    assert!(admits(&verdict(&snapshot, &here, &facts)));
}

#[test]
fn an_edge_that_is_not_up_takes_nobody() {
    let mut snapshot = fixture::snapshot();
    snapshot.edges[1].state = EdgeState::Lost;
    let known = directory(Vec::new(), vec![assigned(THERE, Elsewhere::Relay)]);
    assert_eq!(
        verdict(&snapshot, &known, &fixture::play_facts("live", "s")),
        Verdict::Refuse(Reason::WrongEdge)
    );
}

#[test]
fn a_relayed_wrapped_request_stays_wrapped() {
    let known = directory(Vec::new(), vec![assigned(THERE, Elsewhere::Relay)]);
    let facts = fixture::play_facts("?rtmp:/", "origin.example/live/s");
    let Verdict::Relay(passage) = verdict(&fixture::snapshot(), &known, &facts) else {
        panic!("it is relayed")
    };
    assert_eq!(passage.app.as_str(), "?rtmp://origin.example/live");
}
