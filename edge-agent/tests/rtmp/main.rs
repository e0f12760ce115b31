//! The RTMP plane of an edge with an origin and clients on loopback.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod application;
mod publishing;
mod several;
mod support;
mod tunnel;

use std::time::{Duration, Instant};

use contract::reason::Reason;
use contract::report::SessionState;
use contract::route::SecondPublisher;
use rtmp::amf::Value;
use rtmp::client::Event;
use rtmp::{Message, MessageKind, data};
use support::{Client, Edge, FakeOrigin, deny_all, eventually, picture, snapshot};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Sends pictures from the origin until nobody listens any more.
pub(crate) fn feed(origin: &FakeOrigin) -> tokio::task::JoinHandle<()> {
    let media = origin.media.clone();
    tokio::spawn(async move {
        let mut pace = tokio::time::interval(Duration::from_millis(10));
        for number in 0.. {
            pace.tick().await;
            // Nobody may be listening yet.
            let _ = media.send(picture(number));
        }
    })
}

#[tokio::test]
async fn many_viewers_cost_the_origin_one_connection_and_get_its_bytes() {
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    let feeding = feed(&origin);
    let mut viewers = Vec::new();
    for _ in 0..30 {
        viewers.push(Client::play(edge.at, "s").await);
    }
    for viewer in &mut viewers {
        viewer.status("NetStream.Play.Start").await;
        let first = viewer.media().await;
        assert_eq!(first.payload[0], 0x17, "a viewer starts at a keyframe");
        let number = first.timestamp / 40;
        assert_eq!(first, picture(number));
        for number in number + 1..number + 20 {
            assert_eq!(viewer.media().await, picture(number));
        }
    }
    assert_eq!(origin.count(), 1);
    assert_eq!(edge.context.totals.counts().relays_opened, 1);
    let streams = edge.context.streams.states();
    assert_eq!((streams.len(), streams[0].viewers), (1, 30));
    assert_eq!(streams[0].video.as_deref(), Some("avc"));
    drop(viewers);
    let none_left = || edge.context.streams.states().is_empty();
    eventually("the relay ends after its last viewer", none_left).await;
    feeding.abort();
}

#[tokio::test]
async fn a_published_stream_goes_to_the_origin_as_sent_and_to_viewers_here() {
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    let mut viewer = Client::play(edge.at, "s").await;
    let mut publisher = Client::publish(edge.at, "s").await;
    let values = ["@setDataFrame", "onMetaData"].map(Value::from);
    publisher.send(&data::message(1, 0, &values)).await;
    for number in 0..50 {
        publisher.send(&picture(number)).await;
    }
    viewer.status("NetStream.Play.Start").await;
    for number in 0..50 {
        assert_eq!(viewer.media().await, picture(number));
    }
    let published = origin.published.clone();
    eventually("the origin has all", || {
        published.lock().unwrap().len() == 51
    })
    .await;
    let taken: Vec<Message> = published.lock().unwrap().clone();
    assert_eq!(data::name(&taken[0]).as_deref(), Some("@setDataFrame"));
    for (number, message) in (0..).zip(&taken[1..]) {
        assert_eq!(message.payload, picture(number).payload);
        assert_eq!(message.timestamp, picture(number).timestamp);
    }
    drop(publisher);
    viewer.status("NetStream.Play.Stop").await;
    viewer.closed().await;
}

#[tokio::test]
async fn a_refused_client_is_told_why_and_costs_the_origin_nothing() {
    let origin = FakeOrigin::start().await;
    let mut settings = snapshot(&[origin.at]);
    settings.rules = vec![deny_all()];
    let edge = Edge::start(settings).await;
    let began = Instant::now();
    let mut client = Client::play(edge.at, "s").await;
    let said = client.status("NetConnection.Connect.Rejected").await;
    assert!(said.starts_with("a rule denies this (decision_"), "{said}");
    client.closed().await;
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(origin.count(), 0);
    let records = edge.context.sessions.drain_changes(10);
    let record = records
        .iter()
        .find(|one| one.state == SessionState::Refused);
    let record = record.unwrap();
    assert_eq!(record.reason, Some(Reason::DeniedByRule));
    assert!(said.contains(&record.decision.unwrap().to_string()));
}

#[tokio::test]
async fn a_stream_that_nobody_publishes_is_answered() {
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    let began = Instant::now();
    let mut client = Client::play(edge.at, "nothing").await;
    client.status("NetStream.Play.StreamNotFound").await;
    client.closed().await;
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(1_500), "{waited:?}");
    assert!(waited < Duration::from_secs(4), "{waited:?}");
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn what_a_player_asks_for_before_its_stream_is_there_holds() {
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    let mut viewer = Client::play(edge.at, "s").await;
    // `play` is on message stream 1.
    while !matches!(viewer.event().await, Some(Event::StreamReady { .. })) {}
    let no_pictures = vec![Value::Null, false.into()];
    viewer.session.call(1, "receiveVideo", no_pictures);
    // An answer to a later command says that it was heard.
    let later = viewer.session.call(0, "unknown", vec![Value::Null]);
    while !matches!(viewer.event().await, Some(Event::Answer { transaction, .. }) if transaction == later)
    {
    }
    let mut publisher = Client::publish(edge.at, "s").await;
    let mut sound = picture(3);
    (sound.kind, sound.payload) = (MessageKind::Audio, vec![0xaf, 1, 9].into());
    for message in [&picture(1), &picture(2), &sound] {
        publisher.send(message).await;
    }
    assert_eq!(viewer.media().await.payload, sound.payload);
}

#[tokio::test]
async fn a_player_that_wants_some_time_of_a_live_stream_gets_that() {
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    let feeding = feed(&origin);
    // Two streams on one connection: the other one goes on.
    let mut viewer = Client::play(edge.at, "whole").await;
    let (live, length_ms) = (-1_000.0, 300.0);
    let play = vec![Value::Null, "part".into(), live.into(), length_ms.into()];
    viewer.status("NetStream.Play.Start").await;
    viewer.session.call(0, "createStream", vec![Value::Null]);
    viewer.session.call(2, "play", play);
    viewer.status("NetStream.Play.Start").await;
    let began = Instant::now();
    viewer.status("NetStream.Play.Stop").await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    viewer.media().await;
    feeding.abort();
}

#[tokio::test]
async fn a_changed_rule_ends_live_sessions_within_a_second() {
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    let feeding = feed(&origin);
    let mut viewer = Client::play(edge.at, "s").await;
    viewer.media().await;
    let mut settings = snapshot(&[origin.at]);
    settings.rules = vec![deny_all()];
    let began = Instant::now();
    edge.apply(settings);
    viewer.status("NetStream.Play.Failed").await;
    viewer.closed().await;
    assert!(began.elapsed() < Duration::from_secs(1));
    feeding.abort();
}

#[tokio::test]
async fn the_next_origin_serves_when_the_first_is_dead() {
    let dead = FakeOrigin::start().await;
    let dead_at = dead.at;
    dead.die().await;
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[dead_at, origin.at])).await;
    let feeding = feed(&origin);
    let mut viewer = Client::play(edge.at, "s").await;
    viewer.media().await;
    let _publisher = Client::publish(edge.at, "t").await;
    feeding.abort();
}

#[tokio::test]
async fn viewers_stay_when_an_origin_dies_and_another_has_the_stream() {
    let (first, second) = (FakeOrigin::start().await, FakeOrigin::start().await);
    let edge = Edge::start(snapshot(&[first.at, second.at])).await;
    let feeding = [feed(&first), feed(&second)];
    let mut viewer = Client::play(edge.at, "s").await;
    let mut newest = viewer.media().await.timestamp;
    first.die().await;
    for _ in 0..300 {
        let next = viewer.media().await.timestamp;
        assert!(next > newest, "time goes on rising: {newest}, {next}");
        newest = next;
        if second.count() > 0 && newest > 4_000 {
            break;
        }
    }
    assert_eq!(second.count(), 1);
    feeding.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_second_publisher_is_refused_while_the_first_answers() {
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    let mut first = Client::publish(edge.at, "s").await;
    let answering = tokio::spawn(async move { first.closed().await });
    let mut second = Client::connect(edge.at).await;
    let live = rtmp::server::PublishKind::Live;
    second.session.publish("s", live);
    second.status("NetStream.Publish.BadName").await;
    answering.abort();
}

#[tokio::test]
async fn a_publisher_that_came_back_takes_over_from_a_dead_connection() {
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    // It is never read from again: no ping is answered.
    let _dead = Client::publish(edge.at, "s").await;
    let began = Instant::now();
    let mut back = Client::publish(edge.at, "s").await;
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(4), "{waited:?}");
    back.send(&picture(0)).await;
    let mut viewer = Client::play(edge.at, "s").await;
    viewer.media().await;
}

#[tokio::test]
async fn a_route_says_what_becomes_of_a_second_publisher() {
    let origin = FakeOrigin::start().await;
    let live = rtmp::server::PublishKind::Live;
    let ruled = |rule| {
        let mut snapshot = snapshot(&[origin.at]);
        snapshot.routes[0].live.second_publisher = rule;
        snapshot
    };
    // It is not asked: it does not read, so it could not answer.
    let edge = Edge::start(ruled(SecondPublisher::Refuse)).await;
    let _first = Client::publish(edge.at, "s").await;
    let mut second = Client::connect(edge.at).await;
    second.session.publish("s", live);
    let began = Instant::now();
    second.status("NetStream.Publish.BadName").await;
    assert!(began.elapsed() < Duration::from_secs(2));

    let edge = Edge::start(ruled(SecondPublisher::TakeOver)).await;
    let mut first = Client::publish(edge.at, "s").await;
    let mut second = Client::publish(edge.at, "s").await;
    first.closed().await;
    second.send(&picture(0)).await;
    Client::play(edge.at, "s").await.media().await;
}

#[tokio::test]
async fn viewers_are_held_as_long_as_their_route_says() {
    let origin = FakeOrigin::start().await;
    let mut snapshot = snapshot(&[origin.at]);
    snapshot.routes[0].live.hold_ms = 800;
    let edge = Edge::start(snapshot).await;
    let mut publisher = Client::publish(edge.at, "s").await;
    publisher.send(&picture(0)).await;
    let mut viewer = Client::play(edge.at, "s").await;
    viewer.media().await;
    drop(publisher);
    // One that came back in time is waited for anew when it goes again.
    let ended = viewer.status("NetStream.Play.UnpublishNotify");
    let ended = tokio::time::timeout(Duration::from_millis(500), ended).await;
    assert!(ended.is_err(), "it was held for less than its route says");
    drop(Client::publish(edge.at, "s").await);
    let gone = Instant::now();
    viewer.status("NetStream.Play.UnpublishNotify").await;
    let held = gone.elapsed();
    assert!(held >= Duration::from_millis(700), "{held:?}");
}

#[tokio::test]
async fn viewers_stay_when_their_publisher_comes_back() {
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    let mut viewer = Client::play(edge.at, "s").await;
    let mut publisher = Client::publish(edge.at, "s").await;
    for number in 0..25 {
        publisher.send(&picture(number)).await;
    }
    for number in 0..25 {
        assert_eq!(viewer.media().await, picture(number));
    }
    drop(publisher);
    let mut publisher = Client::publish(edge.at, "s").await;
    publisher.send(&picture(0)).await;
    let next = viewer.media().await;
    assert_eq!(next.payload, picture(0).payload);
    assert!(
        next.timestamp > picture(24).timestamp,
        "time goes on rising"
    );
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    let feeding = feed(&origin);
    let mut viewer = Client::play(edge.at, "s").await;
    viewer.media().await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 5_000]] {
        let mut socket = tokio::net::TcpStream::connect(edge.at).await.unwrap();
        // The edge may close before all is written.
        let _ = socket.write_all(garbage).await;
        let mut rest = Vec::new();
        let read = tokio::time::timeout(support::DEADLINE, socket.read_to_end(&mut rest));
        let _ = read.await.expect("it is closed");
    }
    for _ in 0..10 {
        viewer.media().await;
    }
    feeding.abort();
}

#[tokio::test]
async fn a_stop_tells_clients_and_ends_soon() {
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    let feeding = feed(&origin);
    let mut viewer = Client::play(edge.at, "s").await;
    viewer.media().await;
    edge.context.stop.begin();
    let said = viewer.status("NetStream.Play.Failed").await;
    assert!(said.starts_with(Reason::EdgeStopping.sentence()), "{said}");
    viewer.closed().await;
    drop(viewer);
    let ended = tokio::time::timeout(support::DEADLINE, edge.done).await;
    ended.unwrap().unwrap();
    feeding.abort();
}
