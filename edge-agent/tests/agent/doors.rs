//! Who a client of the HTTP side is, and where it belongs: stream passwords, play tokens, other
//! edges.

use contract::assignment::{Assignment, Elsewhere, Subject, Target};
use contract::client::{Client, StreamPassword};
use contract::directory::DirectoryChanges;
use contract::facts::Action;
use contract::hop::{HOP_LIFETIME_MS, Hop};
use contract::id::{AssignmentId, ClientId, EdgeId};
use contract::pattern::Pattern;
use contract::report::{HopTarget, SessionState};
use contract::route::{IdentityKind, Route};
use contract::rule::Effect;
use contract::token::PlayToken;
use edge_agent::clock::now_ms;

use crate::support::edge::{Edge, FRESH, has, route};
use crate::support::origin::{Origin, ok};
use crate::support::{neighbor, signing_key, snapshot};

const CLIENT: ClientId = ClientId::from_bits(7);
const OTHER: EdgeId = EdgeId::from_bits(2);

fn client() -> Client {
    Client {
        id: CLIENT,
        name: "viewer".parse().unwrap(),
        enabled: true,
        groups: Vec::new(),
        networks: Vec::new(),
        stream_password: Some(StreamPassword::new("viewer", "salt", "right")),
        limits: Default::default(),
    }
}

fn asking_for(identity: IdentityKind) -> Route {
    Route {
        identity: vec![identity],
        ..route(Effect::Allow)
    }
}

#[tokio::test]
async fn a_stream_password_lets_its_client_in_and_does_not_reach_the_origin() {
    let origin = Origin::start(|_| ok(FRESH, "x")).await;
    let edge = Edge::start(origin.record(), asking_for(IdentityKind::StreamPassword)).await;
    edge.know(DirectoryChanges {
        until: 2,
        whole: true,
        clients: vec![client()],
        ..DirectoryChanges::default()
    })
    .await;
    let (head, _) = edge.ask("GET", "/vod/a", "").await;
    has(&head, "http/1.1 401");
    has(&head, "www-authenticate: basic");
    // viewer:wrong, viewer:right
    let (head, _) = edge
        .ask("GET", "/vod/a", "authorization: Basic dmlld2VyOndyb25n\r\n")
        .await;
    has(&head, "http/1.1 401");
    assert_eq!(origin.count(), 0);
    let (head, _) = edge
        .ask("GET", "/vod/a", "authorization: Basic dmlld2VyOnJpZ2h0\r\n")
        .await;
    has(&head, "http/1.1 200");
    assert!(!origin.asked()[0].headers.contains_key("authorization"));
    let report = edge
        .server
        .report(|report| report.sessions.iter().any(|one| one.client.is_some()))
        .await;
    assert!(report.sessions.iter().any(|one| one.client == Some(CLIENT)));
    edge.stop().await;
}

#[tokio::test]
async fn a_play_token_opens_only_what_it_names_and_is_no_part_of_the_object() {
    let origin = Origin::start(|_| ok(FRESH, "x")).await;
    let edge = Edge::start(origin.record(), asking_for(IdentityKind::PlayToken)).await;
    let token = |stream: &str| {
        let token = PlayToken {
            app: Pattern::parse("vod").unwrap(),
            stream: Pattern::parse(stream).unwrap(),
            action: Action::Play,
            expires_at_ms: now_ms() + 60_000,
            addr: None,
            client: None,
            id: None,
            uses: None,
        };
        token.sign(&signing_key())
    };
    let path = |token: &str| format!("/vod/a?token={token}&q=1");
    let (head, _) = edge.ask("GET", &path(&token("b*")), "").await;
    has(&head, "http/1.1 403");
    let (head, _) = edge.ask("GET", &path(&token("a*")), "").await;
    has(&head, "http/1.1 200");
    // Another token, the same object; and nobody gets it without one.
    let (head, _) = edge.ask("GET", &path(&token("*")), "").await;
    has(&head, "cache-status: weir; hit");
    let (head, _) = edge.ask("GET", "/vod/a?q=1", "").await;
    has(&head, "http/1.1 403");
    assert_eq!(origin.asked()[0].uri.query(), Some("q=1"));
    assert_eq!(origin.count(), 1);
    edge.stop().await;
}

fn everyone_belongs_to_the_other(elsewhere: Elsewhere) -> DirectoryChanges {
    DirectoryChanges {
        until: 2,
        whole: true,
        assignments: vec![Assignment {
            id: AssignmentId::from_bits(1),
            subject: Subject::Everyone,
            target: Target::Edge { edge: OTHER },
            elsewhere,
            order: 0,
            enabled: true,
        }],
        ..DirectoryChanges::default()
    }
}

#[tokio::test]
async fn a_client_at_the_wrong_edge_is_relayed_redirected_or_refused() {
    let origin = Origin::start(|_| ok(FRESH, "origin")).await;
    let other = Origin::start(|_| ok(FRESH, "the other edge")).await;
    let edge = Edge::start(origin.record(), route(Effect::Allow)).await;
    let at = other.record().address.at.to_string();
    let mut settings = snapshot(vec![origin.record()], vec![route(Effect::Allow)]);
    settings
        .edges
        .push(neighbor(OTHER, Some(at.parse().unwrap())));
    edge.server.publish(2, &settings);
    edge.know(everyone_belongs_to_the_other(Elsewhere::Relay))
        .await;
    let (_, body) = edge.ask("GET", "/vod/a%20b?q=1", "").await;
    assert_eq!(body, b"the other edge");
    let asked = other.asked().remove(0);
    assert_eq!(asked.uri, "/vod/a%20b?q=1");
    assert_eq!(asked.headers["host"], "edge.example");
    let hop = asked.headers["weir-hop"].to_str().unwrap();
    let hop = Hop::verify(hop, &[signing_key()], now_ms()).unwrap();
    assert_eq!(hop.edges, [crate::support::EDGE]);
    assert_eq!(hop.addr, std::net::IpAddr::from([127, 0, 0, 1]));
    let relayed = edge
        .server
        .report(|report| {
            let next = Some(HopTarget::Edge { edge: OTHER });
            report.sessions.iter().any(|one| one.next_hop == next)
        })
        .await;
    assert!(
        relayed
            .sessions
            .iter()
            .any(|one| one.state != SessionState::Refused)
    );

    let mut changes = everyone_belongs_to_the_other(Elsewhere::Redirect);
    changes.until = 3;
    edge.know(changes).await;
    let (head, _) = edge.ask("GET", "/vod/a?q=1", "").await;
    has(&head, "http/1.1 307");
    has(&head, &format!("location: http://{at}/vod/a?q=1"));

    let mut changes = everyone_belongs_to_the_other(Elsewhere::Refuse);
    changes.until = 4;
    edge.know(changes).await;
    let (head, _) = edge.ask("GET", "/vod/a", "").await;
    has(&head, "http/1.1 403");
    assert_eq!(origin.count(), 0);
    edge.stop().await;
}

#[tokio::test]
async fn another_edge_is_believed_only_when_it_signed_and_never_in_a_circle() {
    let origin = Origin::start(|_| ok(FRESH, "x")).await;
    let edge = Edge::start(origin.record(), route(Effect::Deny)).await;
    let hop = |edges: Vec<EdgeId>| {
        let hop = Hop {
            edges,
            addr: [192, 0, 2, 9].into(),
            client: None,
            session: None,
            until_ms: now_ms() + HOP_LIFETIME_MS,
        };
        format!("weir-hop: {}\r\n", hop.sign(&signing_key()))
    };
    let (head, _) = edge.ask("GET", "/vod/a", &hop(vec![OTHER])).await;
    has(&head, "http/1.1 200");
    assert!(!origin.asked()[0].headers.contains_key("weir-hop"));
    assert_eq!(origin.asked()[0].headers["x-forwarded-for"], "192.0.2.9");
    let (head, _) = edge.ask("GET", "/vod/a", "weir-hop: forged\r\n").await;
    has(&head, "http/1.1 400");
    let own = hop(vec![OTHER, crate::support::EDGE]);
    let (head, _) = edge.ask("GET", "/vod/a", &own).await;
    has(&head, "http/1.1 508");
    edge.stop().await;
}
