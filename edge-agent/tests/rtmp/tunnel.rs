//! Tunnels: what a client and an application say to each other through an edge.

use std::sync::atomic::Ordering;
use std::time::Duration;

use contract::reason::Reason;
use contract::report::{HopTarget, SessionState};
use contract::route::StreamMode;
use contract::rule::{Effect, Rule};
use contract::snapshot::Snapshot;
use rtmp::amf::Value;
use rtmp::command::Command;
use rtmp::control::UserControl;
use rtmp::{Message, MessageKind};
use tokio::net::TcpListener;

use crate::application::{Application, Caller, PIECE};
use crate::support::{Client, Edge, deny_all, eventually, picture, snapshot};

fn tunnels(origins: &[std::net::SocketAddr]) -> Snapshot {
    let mut snapshot = snapshot(origins);
    snapshot.routes[0].mode = StreamMode::Tunnel;
    snapshot
}

fn call(name: &str, transaction: f64, argument: impl Into<Value>) -> Command {
    Command::new(name, transaction, vec![Value::Null, argument.into()])
}

fn text<'a>(value: Option<&'a Value>, key: &str) -> &'a str {
    let value = value.and_then(|value| value.get(key));
    value.and_then(Value::as_str).unwrap_or_default()
}

#[tokio::test]
async fn an_application_hears_the_client_and_the_client_hears_it_but_not_where_it_is() {
    let application = Application::start().await;
    let edge = Edge::start(tunnels(&[application.at])).await;
    let more = [
        ("pageUrl", Value::from("http://game.example/")),
        ("mine", Value::Number(7.0)),
    ];
    let (mut caller, answer) = Caller::connect(edge.at, &more).await;
    let at = application.at;
    let said = text(answer.argument(1), "description").to_owned();
    let masked = "*".repeat(at.ip().to_string().len());
    assert_eq!(
        said,
        format!("welcome to rtmp://{masked}:{}/live", at.port())
    );
    let connect = Command::parse(&application.heard()[0]).unwrap();
    assert_eq!(
        text(connect.argument(0), "tcUrl"),
        format!("rtmp://{at}/live")
    );
    assert_eq!(text(connect.argument(0), "pageUrl"), "http://game.example/");
    assert_eq!(
        connect.argument(0).unwrap().get("mine"),
        Some(&Value::Number(7.0))
    );
    assert_eq!(connect.text(1), Some("room 7"));

    // A call with a value of AMF3 form, shared objects, data: each comes back or arrives as it was said.
    let mut echo = call("echo", 9.0, "x").amf3_message(0);
    let amf3 = [0x11, 0x0a, 0x0b, 0x01, 0x03, b'a', 0x04, 0x07, 0x01];
    echo.payload = [&echo.payload[..], &amf3].concat().into();
    let said = [
        echo.clone(),
        Message::new(MessageKind::SharedObjectAmf0, 3, 0, vec![1; 40]),
        Message::new(MessageKind::SharedObjectAmf3, 4, 0, vec![0, 1, 2]),
        Message::new(MessageKind::DataAmf0, 5, 1, vec![2, 0, 1, b'x']),
        UserControl::SetBufferLength {
            stream_id: 1,
            length_ms: 70,
        }
        .message(),
    ];
    for message in &said {
        caller.say(message).await;
    }
    let answer = caller.hear().await.unwrap();
    assert_eq!(answer.kind, MessageKind::CommandAmf3);
    assert!(answer.payload.ends_with(&amf3));
    assert_eq!(Command::parse(&answer).unwrap().transaction, 9.0);
    assert_eq!(caller.hear().await.as_ref(), Some(&said[1]));
    assert_eq!(caller.hear().await.as_ref(), Some(&said[2]));
    eventually("the application heard all", || {
        application.heard().len() == 6
    })
    .await;
    assert_eq!(application.heard()[1..], said);
    assert_eq!(application.count(), 1);

    let records = edge.context.sessions.drain_changes(10);
    let record = records.last().unwrap();
    assert_eq!(record.state, SessionState::Live);
    assert!(matches!(record.next_hop, Some(HopTarget::Origin { .. })));
}

#[tokio::test]
async fn a_stream_plays_and_publishes_through_a_tunnel_in_the_order_of_its_messages() {
    let application = Application::start().await;
    let edge = Edge::start(tunnels(&[application.at])).await;
    let (mut caller, _) = Caller::connect(edge.at, &[]).await;
    caller
        .say(&call("createStream", 2.0, Value::Null).message(0))
        .await;
    assert_eq!(caller.command("_result").await.number(1), Some(5.0));
    let play = call("play", 0.0, "s").message(5);
    caller.say(&play).await;
    assert_eq!(
        caller.hear().await,
        Some(UserControl::StreamBegin(5).message())
    );
    assert_eq!(caller.command("onStatus").await.name, "onStatus");
    for number in 0..20 {
        let expected = Message {
            stream_id: 5,
            ..picture(number)
        };
        assert_eq!(caller.hear().await, Some(expected));
    }
    let publish = call("publish", 0.0, "mine").message(6);
    let picture = Message {
        stream_id: 6,
        ..picture(0)
    };
    caller.say(&publish).await;
    caller.say(&picture).await;
    eventually("the application has the picture", || {
        application.heard().len() == 5
    })
    .await;
    assert_eq!(application.heard()[2..], [play, publish, picture]);
    let totals = edge.context.totals.counts();
    assert_eq!((totals.relays_opened, totals.sessions_admitted), (1, 1));
}

#[tokio::test]
async fn each_client_has_a_session_of_its_own_and_a_refused_one_costs_the_origin_nothing() {
    let application = Application::start().await;
    let edge = Edge::start(tunnels(&[application.at])).await;
    let mut callers = Vec::new();
    for _ in 0..3 {
        callers.push(Caller::connect(edge.at, &[]).await.0);
    }
    assert_eq!(application.count(), 3);
    assert_eq!(edge.context.streams.tunnels(), 3);
    let mut denied = tunnels(&[application.at]);
    denied.rules = vec![deny_all()];
    edge.apply(denied);
    for caller in &mut callers {
        let closed = caller.command("onStatus").await;
        let code = text(closed.argument(1), "code");
        assert_eq!(code, "NetConnection.Connect.Closed");
    }
    let mut client = Client::play(edge.at, "s").await;
    client.status("NetConnection.Connect.Rejected").await;
    client.closed().await;
    assert_eq!(application.count(), 3);
    let left = || edge.context.streams.tunnels() == 0;
    eventually("every tunnel is gone", left).await;
}

#[tokio::test]
async fn a_stream_that_a_rule_denies_is_refused_while_the_rest_goes_on() {
    let application = Application::start().await;
    let mut settings = tunnels(&[application.at]);
    let conditions = r#"[{"kind":"stream","patterns":["secret"]}]"#;
    settings.rules = vec![Rule {
        effect: Effect::Deny,
        conditions: serde_json::from_str(conditions).unwrap(),
        ..deny_all()
    }];
    let edge = Edge::start(settings).await;
    let (mut caller, _) = Caller::connect(edge.at, &[]).await;
    caller.say(&call("play", 0.0, "s").message(5)).await;
    caller.command("onStatus").await;
    caller.say(&call("play", 0.0, "secret").message(6)).await;
    let refused = caller.command("onStatus").await;
    assert_eq!(text(refused.argument(1), "code"), "NetStream.Play.Failed");
    caller
        .say(&call("echo", 3.0, "still here").message(0))
        .await;
    assert_eq!(caller.command("_result").await.text(1), Some("still here"));
    let names = |message: &Message| Command::parse(message).unwrap().text(1).map(str::to_owned);
    let heard: Vec<_> = application.heard().iter().filter_map(names).collect();
    assert_eq!(heard, ["room 7", "s", "still here"]);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_followed_by_the_next_and_one_that_dies_is_told() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = gone.local_addr().unwrap();
    drop(gone);
    let application = Application::start().await;
    let edge = Edge::start(tunnels(&[nobody, application.at])).await;
    let (mut caller, _) = Caller::connect(edge.at, &[]).await;
    let (mut other, _) = Caller::connect(edge.at, &[]).await;
    other
        .say(&call("hang up", 0.0, Value::Null).message(0))
        .await;
    let closed = other.command("onStatus").await;
    assert_eq!(
        text(closed.argument(1), "code"),
        "NetConnection.Connect.Closed"
    );
    assert!(other.hear().await.is_none());
    application.die().await;
    caller.command("onStatus").await;
    assert!(caller.hear().await.is_none());
    let mut client = Client::play(edge.at, "s").await;
    let said = client.status("NetConnection.Connect.Rejected").await;
    assert!(
        said.starts_with(Reason::OriginUnreachable.sentence()),
        "{said}"
    );
    client.closed().await;
}

#[tokio::test]
async fn who_does_not_read_holds_the_other_side_up_and_loses_nothing() {
    const PIECES: u32 = 300;
    let application = Application::start().await;
    let edge = Edge::start(tunnels(&[application.at])).await;
    let (mut caller, _) = Caller::connect(edge.at, &[]).await;
    caller
        .say(&call("flood", 0.0, f64::from(PIECES)).message(0))
        .await;
    // 18 MB wait in the application, in sockets and a little in the edge.
    let totals = || edge.context.totals.counts().sent_bytes;
    let mut before = u64::MAX;
    let mut looks = tokio::time::interval(Duration::from_millis(200));
    while before != totals() {
        before = totals();
        looks.tick().await;
        looks.tick().await;
    }
    assert!(before < u64::from(PIECES) * PIECE as u64);
    for number in 0..PIECES {
        let piece = caller.hear().await.unwrap();
        assert_eq!((piece.timestamp, piece.payload.len()), (number, PIECE));
    }
    assert_eq!(application.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_client_that_connects_again_when_asked_is_asked_when_the_edge_stops_and_others_are_ended()
{
    let application = Application::start().await;
    let edge = Edge::start(tunnels(&[application.at])).await;
    let announces = [("capsEx", Value::Number(1.0))];
    let (mut new, _) = Caller::connect(edge.at, &announces).await;
    let (mut old, _) = Caller::connect(edge.at, &[]).await;
    edge.context.stop.begin();
    let request = new.command("onStatus").await;
    let code = text(request.argument(1), "code");
    assert_eq!(code, "NetConnection.Connect.ReconnectRequest");
    let closed = old.command("onStatus").await;
    assert_eq!(
        text(closed.argument(1), "code"),
        "NetConnection.Connect.Closed"
    );
    assert!(old.hear().await.is_none());
    // It goes on until it has gone, or the time for that is over.
    new.say(&call("echo", 3.0, "still here").message(0)).await;
    assert_eq!(new.command("_result").await.text(1), Some("still here"));
    let closed = new.command("onStatus").await;
    assert_eq!(
        text(closed.argument(1), "code"),
        "NetConnection.Connect.Closed"
    );
    assert!(new.hear().await.is_none());
}
