//! Several streams on one connection.

use std::collections::BTreeMap;

use rtmp::client::Event;
use rtmp::{Message, MessageKind};

use crate::support::{Client, Edge, FakeOrigin, picture, snapshot};

/// A picture that fills a socket's buffers together with some others.
fn large(number: u32) -> Message {
    let mut message = picture(number);
    message.payload = [&message.payload[..], &[7; 60_000]].concat().into();
    message
}

#[tokio::test]
async fn a_client_plays_two_streams_and_publishes_a_third_at_once() {
    const PICTURES: u32 = 80;
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    let mut first = Client::publish(edge.at, "first").await;
    let mut second = Client::publish(edge.at, "second").await;
    let mut client = Client::connect(edge.at).await;
    for name in ["first", "second"] {
        client.session.play(name, -1_000.0);
    }
    client
        .session
        .publish("third", rtmp::client::PublishKind::Live);
    client.status("NetStream.Publish.Start").await;
    first.send(&large(0)).await;
    second.send(&large(0)).await;
    let mut numbers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut starts = 0;
    while starts < 2 || numbers.len() < 2 {
        match client.event().await.unwrap() {
            Event::Media(message) if message.kind == MessageKind::Video => {
                numbers.entry(message.stream_id).or_default().push(0)
            }
            Event::Status { code, .. } if code == "NetStream.Play.Start" => starts += 1,
            _ => {}
        }
    }
    // Nothing is read meanwhile, so messages are cut in the middle wherever the socket is full.
    for number in 1..PICTURES {
        first.send(&large(number)).await;
        second.send(&large(number)).await;
        client.send(&picture(number)).await;
    }
    while numbers.values().any(|seen| seen.len() < PICTURES as usize) {
        if let Some(Event::Media(message)) = client.event().await
            && message.kind == MessageKind::Video
        {
            let number = message.timestamp / 40;
            assert_eq!(message.payload, large(number).payload);
            numbers.entry(message.stream_id).or_default().push(number);
        }
    }
    let all: Vec<u32> = (0..PICTURES).collect();
    assert!(numbers.values().all(|seen| *seen == all), "{numbers:?}");
    let mut viewer = Client::play(edge.at, "third").await;
    assert_eq!(viewer.media().await, picture(PICTURES - 10));

    // One ends, the others go on.
    drop(first);
    client.status("NetStream.Play.Stop").await;
    second.send(&large(PICTURES)).await;
    assert_eq!(client.media().await.timestamp, PICTURES * 40);
    client.send(&picture(PICTURES)).await;
    while viewer.media().await != picture(PICTURES) {}
    assert_eq!(edge.context.totals.counts().sessions_admitted, 4);
}

#[tokio::test]
async fn what_a_publisher_sends_before_it_may_is_kept() {
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    let mut viewer = Client::play(edge.at, "s").await;
    let mut dead = Client::publish(edge.at, "s").await;
    dead.send(&picture(0)).await;
    assert_eq!(viewer.media().await, picture(0));
    // The old one answers nothing, and the new one waits for nothing.
    let mut back = Client::connect(edge.at).await;
    back.session.publish("s", rtmp::client::PublishKind::Live);
    while !matches!(back.event().await, Some(Event::StreamReady { .. })) {}
    for number in 100..120 {
        back.send(&picture(number)).await;
    }
    back.status("NetStream.Publish.Start").await;
    for number in 100..120 {
        assert_eq!(viewer.media().await.payload, picture(number).payload);
    }
}

#[tokio::test]
async fn a_connection_carries_32_streams_and_no_more() {
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    let mut publisher = Client::publish(edge.at, "s").await;
    let mut client = Client::connect(edge.at).await;
    for _ in 0..32 {
        client.session.play("s", -1_000.0);
    }
    publisher.send(&picture(0)).await;
    let mut started = 0;
    let mut seen: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    while started < 32 || seen.len() < 32 {
        match client.event().await.unwrap() {
            Event::Media(message) if message.kind == MessageKind::Video => {
                seen.entry(message.stream_id).or_default().push(0);
            }
            Event::Status { code, .. } if code == "NetStream.Play.Start" => started += 1,
            _ => {}
        }
    }
    for number in 1..20 {
        publisher.send(&picture(number)).await;
    }
    while seen.values().any(|seen| seen.len() < 20) {
        if let Some(Event::Media(message)) = client.event().await
            && message.kind == MessageKind::Video
        {
            let number = message.timestamp / 40;
            assert_eq!(message.payload, picture(number).payload);
            seen.entry(message.stream_id).or_default().push(number);
        }
    }
    let all: Vec<u32> = (0..20).collect();
    assert!(seen.values().all(|seen| *seen == all), "{seen:?}");
    let streams = edge.context.streams.states();
    assert_eq!(streams[0].viewers, 32);
    client.session.play("s", -1_000.0);
    client.closed().await;
}
