//! A session whose route is a tunnel.

use contract::facts::Action;
use contract::route::{RouteKind, StreamMode};
use contract::webhook::{Webhook, WebhookEvent, WebhookSettings};
use rtmp::MessageKind;

use super::*;
use crate::admission::webhook::Word;

fn tunnels() -> Settings {
    let mut settings = fixture::settings();
    for route in &mut settings.snapshot.routes {
        route.mode = StreamMode::Tunnel;
    }
    settings
}

fn far() -> Far {
    Far {
        at: "rtmp://origin.example:1935".to_owned(),
        hop: None,
        hidden: vec!["origin.example".to_owned(), "10.0.0.7".to_owned()],
    }
}

/// A client's connection to a tunnel, with what it says of itself.
fn interactive(settings: Settings, app: &str) -> Pair {
    let mut options = ConnectOptions::new(app, &format!("rtmp://edge.example/{app}"));
    options.page_url = Some("http://game.example/".to_owned());
    options.caps_ex = Some(3);
    options.arguments = vec!["room 7".into(), Value::Number(5.0)];
    pair_of(settings, options)
}

impl Pair {
    fn open(&mut self) {
        self.edge.tunnel_opened(far(), &self.settings.door());
        self.exchange();
    }

    fn server_says(&mut self, command: &Command) {
        self.edge.tunnel_hears(command.message(0));
        self.exchange();
    }

    /// What went to the server behind, since the last time.
    fn forwarded(&mut self) -> Vec<Message> {
        let (forwarded, rest): (Vec<Output>, Vec<Output>) = std::mem::take(&mut self.wishes)
            .into_iter()
            .partition(|wish| matches!(wish, Output::Forward(_)));
        self.wishes = rest;
        let messages = forwarded.into_iter().filter_map(|wish| match wish {
            Output::Forward(message) => Some(message),
            _ => None,
        });
        messages.collect()
    }

    fn say(&mut self, stream_id: u32, command: &Command) {
        self.client.send_command(stream_id, command);
        self.exchange();
    }
}

/// Connected through a tunnel.
fn connected(settings: Settings) -> Pair {
    let mut pair = interactive(settings, "live");
    pair.open();
    let accepted = Value::object([("code", "NetConnection.Connect.Success".into())]);
    pair.server_says(&Command::new("_result", 1.0, vec![Value::Null, accepted]));
    pair.forwarded();
    assert!(pair.client.is_connected());
    pair
}

fn asks(name: &str, stream: &str) -> Command {
    Command::new(name, 0.0, vec![Value::Null, stream.into()])
}

#[test]
fn connect_is_answered_by_the_server_behind_which_hears_what_the_client_said_of_itself() {
    let mut pair = interactive(tunnels(), "live?room=7");
    assert!(pair.heard.is_empty() && pair.edge.is_admitted());
    let Some(Output::Tunnel(opening)) = pair.wishes.first() else {
        panic!("{:?}", pair.wishes);
    };
    assert_eq!(opening.passage.app.as_str(), "live");
    assert!(!opening.relayed && !pair.edge.awaits_tunnel());
    pair.open();
    assert!(pair.edge.awaits_tunnel());
    let [connect] = &pair.forwarded()[..] else {
        panic!("`connect` alone was said");
    };
    let connect = Command::parse(connect).unwrap();
    let object = connect.argument(0).unwrap();
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    assert_eq!(text("app"), "live?room=7");
    assert_eq!(text("tcUrl"), "rtmp://origin.example:1935/live?room=7");
    assert_eq!(text("pageUrl"), "http://game.example/");
    // Going elsewhere is for this edge to ask.
    assert_eq!(object.get("capsEx"), Some(&Value::Number(2.0)));
    assert_eq!(
        connect.arguments[1..],
        ["room 7".into(), Value::Number(5.0)]
    );
    assert!(pair.heard.is_empty());
    let accepted = Value::object([("description", "from rtmp://Origin.example/live".into())]);
    pair.server_says(&Command::new("_result", 1.0, vec![accepted, Value::Null]));
    let Some(client::Event::Connected { properties, .. }) = pair.heard.first() else {
        panic!("{:?}", pair.heard);
    };
    let masked = Value::from("from rtmp://**************/live");
    assert_eq!(properties[0].1, masked);
    assert!(!pair.edge.awaits_tunnel());
}

#[test]
fn calls_shared_objects_and_data_pass_as_they_are() {
    let mut pair = connected(tunnels());
    // It names the server, but not in what the server says of itself.
    let call = Command::new("look", 7.0, vec![Value::Null, "origin.example".into()]);
    let said = [
        call.amf3_message(0),
        Message::new(MessageKind::SharedObjectAmf0, 3, 0, vec![1; 40]),
        Message::new(MessageKind::SharedObjectAmf3, 3, 0, vec![0, 1, 2]),
        Message::new(MessageKind::DataAmf0, 4, 1, vec![2, 0, 1, b'x']),
        Message::new(MessageKind::Other(99), 5, 1, vec![9]),
    ];
    for message in &said {
        pair.client.send_message(message);
    }
    pair.exchange();
    assert_eq!(pair.forwarded(), said);
    let answer = Command::new("_result", 7.0, vec![Value::Null, "origin.example".into()]);
    pair.edge.tunnel_hears(answer.message(0));
    pair.edge.tunnel_hears(said[1].clone());
    pair.exchange();
    assert!(pair.heard.contains(&client::Event::Other(said[1].clone())));
    assert_eq!(pair.closed_for(), None);
}

#[test]
fn streams_are_judged_and_media_passes_only_where_publishing_was_let_in() {
    let mut settings = tunnels();
    let secret = json!([{"kind": "stream", "patterns": ["secret*"]}]);
    settings.snapshot.rules = vec![fixture::deny(secret)];
    let mut pair = connected(settings);
    let media = |stream_id| Message::new(MessageKind::Audio, 1, stream_id, vec![0xaf, 1]);
    pair.client.send_message(&media(1));
    pair.exchange();
    assert_eq!(pair.forwarded(), []);
    let publish = asks("publish", "mine");
    pair.say(1, &publish);
    pair.client.send_message(&media(1));
    pair.exchange();
    assert_eq!(pair.forwarded(), [publish.message(1), media(1)]);
    let facts = pair.edge.facts().unwrap();
    assert_eq!(facts.action, Some(Action::Publish));
    // What is announced is dropped, what is asked for is refused; the other stream goes on.
    pair.say(0, &asks("FCPublish", "secret"));
    pair.say(2, &asks("play", "secret"));
    assert_eq!(pair.forwarded(), []);
    assert_eq!(pair.last_status().0, "NetStream.Play.Failed");
    assert_eq!(pair.closed_for(), None);
    let close = Command::new("closeStream", 0.0, vec![Value::Null]);
    pair.say(1, &close);
    pair.client.send_message(&media(1));
    pair.exchange();
    assert_eq!(pair.forwarded(), [close.message(1)]);
    pair.say(2, &asks("play", "secret"));
    assert_eq!(pair.closed_for(), Some(Reason::DeniedByRule));
}

#[test]
fn a_stream_that_is_no_longer_allowed_is_closed_at_the_server_too() {
    let mut pair = connected(tunnels());
    pair.say(1, &asks("play", "a"));
    pair.say(2, &asks("play", "b"));
    pair.forwarded();
    let stream = json!([{"kind": "stream", "patterns": ["a"]}]);
    pair.settings.snapshot.rules = vec![fixture::deny(stream)];
    pair.edge.rejudge(&pair.settings.door());
    pair.exchange();
    let close = Command::new("closeStream", 0.0, vec![Value::Null]);
    assert_eq!(pair.forwarded(), [close.message(1)]);
    assert_eq!(pair.closed_for(), None);
}

fn token(settings: &Settings) -> String {
    let token = contract::token::PlayToken {
        app: contract::pattern::Pattern::any(),
        stream: contract::pattern::Pattern::any(),
        action: Action::Play,
        expires_at_ms: u64::MAX,
        addr: None,
        client: None,
        id: None,
        uses: None,
    };
    token.sign(&settings.snapshot.keys[0])
}

#[test]
fn a_token_for_this_edge_goes_no_further_and_one_of_others_does() {
    let check = |query: &str, expected: &str| {
        let mut pair = connected(tunnels());
        pair.say(1, &asks("getStreamLength", &format!("s{query}")));
        pair.say(1, &asks("play", &format!("s{query}")));
        let length = asks("getStreamLength", &format!("s{expected}")).message(1);
        let play = asks("play", &format!("s{expected}")).message(1);
        assert_eq!(pair.forwarded(), [length, play], "{query}");
    };
    let ours = token(&tunnels());
    check(&format!("?token={ours}"), "");
    check(&format!("?room=7&token={ours}"), "?room=7");
    check("?token=theirs&room=7", "?token=theirs&room=7");
}

#[test]
fn a_token_in_the_applications_address_proves_who_connects() {
    let mut settings = tunnels();
    for route in &mut settings.snapshot.routes {
        route.identity = vec![IdentityKind::PlayToken];
    }
    let app = format!("live?token={}", token(&settings));
    let mut pair = interactive(settings, &app);
    pair.open();
    let connect = Command::parse(&pair.forwarded()[0]).unwrap();
    let object = connect.argument(0).unwrap();
    assert_eq!(object.get("app"), Some(&"live".into()));
}

#[test]
fn who_may_not_connect_costs_the_server_nothing() {
    let action = json!([{"kind": "network", "networks": ["192.0.2.0/24"]}]);
    let mut denied = tunnels();
    denied.snapshot.rules = vec![fixture::deny(action)];
    let mut unproven = tunnels();
    for route in &mut unproven.snapshot.routes {
        route.identity = vec![IdentityKind::PlayToken];
    }
    for (settings, reason) in [
        (denied, Reason::DeniedByRule),
        (unproven, Reason::IdentityRequired),
    ] {
        let pair = interactive(settings, "live");
        assert_eq!(pair.closed_for(), Some(reason));
        assert_eq!(pair.last_status().0, "NetConnection.Connect.Rejected");
        assert!(
            !pair
                .wishes
                .iter()
                .any(|wish| matches!(wish, Output::Tunnel(_)))
        );
    }
}

#[test]
fn a_server_that_cannot_be_reached_refuses_or_hangs_up_is_told_in_words() {
    let mut pair = interactive(tunnels(), "live");
    let door = pair.settings.door();
    pair.edge.tunnel_failed(Reason::OriginUnreachable, &door);
    pair.exchange();
    assert_eq!(pair.closed_for(), Some(Reason::OriginUnreachable));
    assert_eq!(pair.last_status().0, "NetConnection.Connect.Rejected");

    let mut pair = interactive(tunnels(), "live");
    pair.open();
    let info = Value::object([
        ("code", "NetConnection.Connect.Rejected".into()),
        ("description", "ask 10.0.0.7:1935".into()),
    ]);
    pair.server_says(&Command::new("_error", 1.0, vec![Value::Null, info]));
    assert_eq!(pair.closed_for(), Some(Reason::OriginRefused));
    assert_eq!(pair.last_status().1, "ask ********:1935");

    let mut pair = interactive(tunnels(), "live");
    pair.open();
    pair.edge.tunnel_lost();
    pair.exchange();
    assert_eq!(pair.last_status().0, "NetConnection.Connect.Rejected");

    let mut pair = connected(tunnels());
    pair.edge.tunnel_lost();
    pair.exchange();
    assert_eq!(pair.closed_for(), Some(Reason::OriginUnreachable));
    assert_eq!(pair.last_status().0, "NetConnection.Connect.Closed");
}

#[test]
fn a_listed_destination_that_is_not_reached_looks_like_one_that_is_not_listed() {
    let mut listed = interactive(tunnels(), "?rtmp://origin.example/live");
    let door = listed.settings.door();
    listed.edge.tunnel_failed(Reason::OriginUnreachable, &door);
    listed.exchange();
    let unlisted = interactive(tunnels(), "?rtmp://other.example/live");
    assert!(listed.client.is_connected() && unlisted.client.is_connected());
    // The stream is asked for as on any route then, and fails as an unlisted one does.
    listed.play("s");
    assert!(matches!(listed.wishes.last(), Some(Output::Subscribe(..))));
    listed.edge.play_failed(1, Reason::OriginUnreachable);
    listed.exchange();
    assert!(
        listed
            .last_status()
            .1
            .starts_with("this destination is not available")
    );
}

#[test]
fn a_tunnel_leads_to_one_application() {
    let mut settings = tunnels();
    let other = fixture::route(3, RouteKind::Explicit, "other");
    settings.snapshot.routes.push(other);
    let mut pair = interactive(settings, "?rtmp://origin.example/live");
    pair.open();
    pair.server_says(&Command::new("_result", 1.0, vec![Value::Null]));
    pair.forwarded();
    pair.say(1, &asks("play", "s"));
    assert_eq!(pair.forwarded().len(), 1);
}

#[test]
fn an_application_is_asked_before_anything_is_dialed_or_forwarded() {
    let mut settings = tunnels();
    let url = "http://app.example/hook".parse().unwrap();
    let webhook = Webhook {
        id: contract::id::WebhookId::from_bits(1),
        settings: WebhookSettings {
            events: vec![WebhookEvent::Connect, WebhookEvent::Play],
            ..WebhookSettings::blank("hook".parse().unwrap(), url)
        },
        secret: contract::secret::Secret::new("hush"),
    };
    for route in &mut settings.snapshot.routes {
        route.webhook = Some(webhook.id);
    }
    settings.snapshot.webhooks = vec![webhook];
    let mut pair = interactive(settings, "live");
    assert!(matches!(&pair.wishes[..], [Output::Ask(_)]));
    let word = || Word {
        refuses: None,
        detail: None,
        client: None,
    };
    pair.edge.answered(word(), &pair.settings.door());
    pair.exchange();
    assert!(matches!(
        &pair.wishes[..],
        [Output::Ask(_), Output::Tunnel(_)]
    ));
    pair.open();
    pair.server_says(&Command::new("_result", 1.0, vec![Value::Null]));
    pair.forwarded();
    let (play, call) = (asks("play", "s"), asks("behind", "s"));
    pair.client.send_command(1, &play);
    pair.client.send_command(0, &call);
    pair.exchange();
    assert_eq!(pair.forwarded(), []);
    pair.edge.answered(word(), &pair.settings.door());
    pair.exchange();
    assert_eq!(pair.forwarded(), [play.message(1), call.message(0)]);
}
