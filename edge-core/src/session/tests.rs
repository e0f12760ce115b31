//! A client's session against settings: what is let in, what is refused and how.

use super::*;
use crate::admission::fixture::{self, Settings};
use contract::route::IdentityKind;
use contract::snapshot::EdgeState;
use rtmp::Message;
use rtmp::amf::Value;
use rtmp::client::{self, ConnectOptions};
use rtmp::command::Command;
use rtmp::server::PublishKind;
use serde_json::json;

mod asking;
mod limits;
mod reconnect;
mod several;
mod tunnel;

struct Pair {
    settings: Settings,
    edge: Session,
    client: client::Session,
    heard: Vec<client::Event>,
    wishes: Vec<Output>,
}

const NOW: Duration = Duration::ZERO;

fn pair(settings: Settings, app: &str) -> Pair {
    let options = ConnectOptions::new(app, &format!("rtmp://edge.example/{app}"));
    pair_of(settings, options)
}

fn pair_of(settings: Settings, options: ConnectOptions) -> Pair {
    let peer = Peer {
        addr: "192.0.2.1".parse().unwrap(),
        ingress: Ingress::Rtmp,
        port: 1935,
    };
    let mut pair = Pair {
        settings,
        edge: Session::new(peer, Limits::default(), NOW),
        client: client::Session::new(options, Limits::default(), NOW),
        heard: Vec::new(),
        wishes: Vec::new(),
    };
    pair.exchange();
    pair
}

impl Pair {
    fn exchange(&mut self) {
        loop {
            let mut moved = false;
            while let Some(output) = self.client.poll_output() {
                moved = true;
                match output {
                    client::Output::Send(bytes) => {
                        self.edge.handle(&bytes, &self.settings.door(), NOW);
                    }
                    client::Output::Event(event) => self.heard.push(event),
                }
            }
            while let Some(output) = self.edge.poll_output() {
                moved = true;
                match output {
                    Output::Send(bytes) => self.client.handle(&bytes, NOW).unwrap(),
                    Output::Changed => {}
                    other => self.wishes.push(other),
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn play(&mut self, name: &str) {
        self.client.play(name, -2_000.0);
        self.exchange();
    }

    fn publish(&mut self, name: &str) {
        self.client.publish(name, PublishKind::Live);
        self.exchange();
    }

    fn closed_for(&self) -> Option<Reason> {
        self.wishes.iter().find_map(|wish| match wish {
            Output::Close(closing) => Some(closing.reason),
            _ => None,
        })
    }

    fn last_status(&self) -> (String, String) {
        let found = self.heard.iter().rev().find_map(|event| match event {
            client::Event::Status {
                code, description, ..
            }
            | client::Event::Rejected {
                code, description, ..
            } => Some((code.clone(), description.clone())),
            _ => None,
        });
        found.unwrap_or_default()
    }
}

#[test]
fn a_refused_connect_says_why_under_which_decision_and_is_closed() {
    let mut settings = fixture::settings();
    let network = json!([{"kind": "network", "networks": ["192.0.2.0/24"]}]);
    settings.snapshot.rules = vec![fixture::deny(network)];
    let pair = pair(settings, "live");
    assert_eq!(pair.closed_for(), Some(Reason::DeniedByRule));
    let (code, description) = pair.last_status();
    assert_eq!(code, "NetConnection.Connect.Rejected");
    assert!(
        description.starts_with("a rule denies this (decision_"),
        "{description}"
    );
}

#[test]
fn what_cannot_be_judged_at_connect_is_judged_at_play() {
    let mut settings = fixture::settings();
    let stream = json!([{"kind": "stream", "patterns": ["secret*"]}]);
    settings.snapshot.rules = vec![fixture::deny(stream)];
    let mut pair = pair(settings, "live");
    assert!(!pair.edge.is_admitted());
    pair.play("secret1");
    assert_eq!(pair.closed_for(), Some(Reason::DeniedByRule));
    let (code, description) = pair.last_status();
    assert_eq!(code, "NetStream.Play.Failed");
    assert!(description.contains("decision_"), "{description}");
    assert!(
        !pair
            .wishes
            .iter()
            .any(|wish| matches!(wish, Output::Subscribe(..)))
    );
}

#[test]
fn a_publisher_is_refused_by_bad_name() {
    let mut settings = fixture::settings();
    let action = json!([{"kind": "action", "actions": ["publish"]}]);
    settings.snapshot.rules = vec![fixture::deny(action)];
    let mut pair = pair(settings, "live");
    pair.publish("s");
    assert_eq!(pair.last_status().0, "NetStream.Publish.BadName");
    assert_eq!(pair.closed_for(), Some(Reason::DeniedByRule));
}

#[test]
fn every_form_of_a_wrapped_address_comes_to_the_same_stream() {
    for (app, name) in [
        ("?rtmp:/", "origin.example:1935/live/s"),
        ("?rtmp://origin.example/live", "s"),
        ("?rtmp://origin.example:1935", "live/s"),
    ] {
        let mut pair = pair(fixture::settings(), app);
        pair.play(name);
        let Some(Output::Subscribe(wanted, _)) = pair.wishes.last() else {
            panic!("{app} {name}: {:?}", pair.wishes);
        };
        assert_eq!(wanted.passage.app.as_str(), "live");
        assert_eq!(wanted.stream.as_str(), "s");
    }
}

#[test]
fn an_address_that_lost_its_application_is_told_what_is_missing() {
    let mut pair = pair(fixture::settings(), "?rtmp://origin.example:1935");
    pair.play("s");
    assert_eq!(pair.closed_for(), Some(Reason::NoApplication));
    assert!(pair.last_status().1.contains("lacks an application"));
}

#[test]
fn a_destination_that_is_not_listed_is_refused() {
    let mut pair = pair(fixture::settings(), "?rtmp:/");
    pair.play("elsewhere.example/live/s");
    assert_eq!(pair.closed_for(), Some(Reason::Destination));
}

#[test]
fn an_encoder_that_says_its_name_is_asked_for_its_password_wherever_it_comes_from() {
    let mut settings = fixture::settings();
    for route in &mut settings.snapshot.routes {
        route.identity = vec![IdentityKind::Network, IdentityKind::StreamPassword];
    }
    let mut network = settings.directory.to_changes();
    network.clients[0].networks = vec!["192.0.2.0/24".parse().unwrap()];
    settings.directory.apply(network).unwrap();
    // By its network alone it comes in; the name tells that it wants more.
    assert!(pair(settings.clone(), "live").edge.is_admitted());
    let named = pair(settings, "live?authmod=adobe&user=encoder");
    assert_eq!(named.closed_for(), Some(Reason::IdentityRequired));
    assert!(
        named
            .last_status()
            .1
            .contains("reason=needauth&user=encoder")
    );
}

#[test]
fn a_route_that_asks_for_a_password_challenges_also_before_the_address_is_complete() {
    for app in ["live", "?rtmp:/"] {
        let mut settings = fixture::settings();
        for route in &mut settings.snapshot.routes {
            route.identity = vec![IdentityKind::StreamPassword];
        }
        let pair = pair(settings, app);
        assert_eq!(pair.closed_for(), Some(Reason::IdentityRequired));
        let (_, description) = pair.last_status();
        assert!(description.contains("code=403 need auth; authmod=adobe"));
        let ending = pair.wishes.iter().find_map(|wish| match wish {
            Output::Close(closing) => Some(closing.ending),
            _ => None,
        });
        assert_eq!(ending, Some(Ending::Challenged), "nobody is refused yet");
        assert!(description.len() < 255);
    }
}

#[test]
fn a_stream_begins_and_ends_as_players_expect() {
    let mut pair = pair(fixture::settings(), "live");
    pair.play("s?token=not-ours");
    assert!(pair.edge.is_admitted());
    pair.edge.play_started(1, false);
    pair.exchange();
    assert_eq!(pair.last_status().0, "NetStream.Play.Start");
    pair.edge.end(Reason::StreamEnded);
    pair.exchange();
    assert_eq!(pair.last_status().0, "NetStream.Play.Stop");
    assert_eq!(pair.closed_for(), Some(Reason::StreamEnded));
}

#[test]
fn what_a_client_can_do_is_told_to_the_server_behind() {
    let mut options = ConnectOptions::new("live", "rtmp://edge.example/live");
    options.fourcc_list = vec!["hvc1".to_owned(), "Opus".to_owned()];
    options.caps_ex = Some(7);
    let mut pair = pair_of(fixture::settings(), options);
    pair.play("s");
    let Some(Output::Subscribe(wanted, _)) = pair.wishes.last() else {
        panic!("{:?}", pair.wishes);
    };
    let list = Value::StrictArray(vec!["hvc1".into(), "Opus".into()]);
    let expected = [
        ("fourCcList".to_owned(), list),
        // That it would go to another server is for this edge to say.
        ("capsEx".to_owned(), 6.0.into()),
    ];
    assert_eq!(wanted.offers, expected);
}

#[test]
fn a_draining_edge_takes_no_new_session_and_keeps_the_present_ones() {
    let mut present = pair(fixture::settings(), "live");
    present.settings.snapshot.edges[0].state = EdgeState::Draining;
    present.edge.rejudge(&present.settings.door());
    present.play("s");
    assert_eq!(present.closed_for(), None);
    for app in ["live", "?rtmp:/"] {
        let mut settings = fixture::settings();
        settings.snapshot.edges[0].state = EdgeState::Draining;
        let new = pair(settings, app);
        assert_eq!(new.closed_for(), Some(Reason::EdgeDraining), "{app}");
        assert_eq!(new.last_status().0, "NetConnection.Connect.Rejected");
    }
}

#[test]
fn a_changed_rule_ends_a_session_that_it_denies() {
    let mut pair = pair(fixture::settings(), "live");
    pair.play("s");
    pair.edge.play_started(1, false);
    pair.edge.rejudge(&pair.settings.door());
    pair.exchange();
    assert_eq!(pair.closed_for(), None);
    let network = json!([{"kind": "network", "networks": ["192.0.2.0/24"]}]);
    pair.settings.snapshot.rules = vec![fixture::deny(network)];
    pair.edge.rejudge(&pair.settings.door());
    pair.exchange();
    assert_eq!(pair.closed_for(), Some(Reason::NoLongerAllowed));
    assert_eq!(pair.last_status().0, "NetStream.Play.Failed");
}

#[test]
fn without_settings_everything_is_refused() {
    let peer = Peer {
        addr: "192.0.2.1".parse().unwrap(),
        ingress: Ingress::Rtmp,
        port: 1935,
    };
    let settings = fixture::settings();
    let door = Door {
        snapshot: None,
        ..settings.door()
    };
    let mut edge = Session::new(peer, Limits::default(), NOW);
    let options = ConnectOptions::new("live", "rtmp://e/live");
    let mut client = client::Session::new(options, Limits::default(), NOW);
    let mut closed = None;
    for _ in 0..8 {
        while let Some(output) = client.poll_output() {
            if let client::Output::Send(bytes) = output {
                edge.handle(&bytes, &door, NOW);
            }
        }
        while let Some(output) = edge.poll_output() {
            match output {
                Output::Send(bytes) => client.handle(&bytes, NOW).unwrap(),
                Output::Close(closing) => closed = Some(closing.reason),
                _ => {}
            }
        }
    }
    assert_eq!(closed, Some(Reason::NoSettings));
}

#[test]
fn a_record_shows_no_password_that_stands_in_a_wrapped_address() {
    let pair = pair(fixture::settings(), "?rtmp://me:hush@origin.example/live");
    let mut record = blank_record();
    pair.edge.describe(&mut record);
    let shown = format!("{record:?}");
    assert!(!shown.contains("hush"), "{shown}");
}

#[test]
fn a_record_shows_no_query() {
    let mut pair = pair(fixture::settings(), "live?token=hush");
    pair.play("s?token=hush");
    let mut record = blank_record();
    pair.edge.describe(&mut record);
    let shown = format!("{record:?}");
    assert!(!shown.contains("hush"), "{shown}");
    assert_eq!(
        (record.app.as_str(), record.stream.as_deref()),
        ("live", Some("s"))
    );
    assert_eq!(record.state, SessionState::Live);
}

fn blank_record() -> SessionRecord {
    serde_json::from_value(json!({
        "id": contract::id::SessionId::from_bits(1), "state": "connecting", "addr": "192.0.2.1",
        "ingress": "rtmp", "host": "", "app": "", "through": [], "began_ms": 0,
        "received_bytes": 0, "sent_bytes": 0,
    }))
    .unwrap()
}
