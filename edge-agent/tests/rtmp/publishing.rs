//! Publishers beside viewers: what an origin says to them, and what becomes of those who watch.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use contract::route::SecondPublisher;
use rtmp::Message;
use rtmp::client::Event;
use rtmp::server::PublishKind;
use tokio::task::JoinSet;

use crate::feed;
use crate::support::{Client, DEADLINE, Edge, FakeOrigin, eventually, picture, snapshot};

/// An edge that holds viewers for so long.
async fn holding(origin: &FakeOrigin, hold_ms: u32) -> Edge {
    let mut snapshot = snapshot(&[origin.at]);
    snapshot.routes[0].live.hold_ms = hold_ms;
    snapshot.routes[0].live.second_publisher = SecondPublisher::TakeOver;
    Edge::start(snapshot).await
}

/// A client that asks to publish, and may send before it is answered.
async fn asks_to_publish(edge: &Edge, name: &str) -> Client {
    let mut client = Client::connect(edge.at).await;
    client.session.publish(name, PublishKind::Live);
    while !matches!(client.event().await, Some(Event::StreamReady { .. })) {}
    client
}

/// A picture that no socket takes at once.
fn huge(number: u32) -> Message {
    let mut message = picture(number);
    message.payload = [&message.payload[..], &[7; 4 << 20]].concat().into();
    message
}

#[tokio::test]
async fn an_origin_that_asks_in_the_middle_of_a_picture_is_answered_behind_it() {
    const PICTURES: u32 = 4;
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    let mut publisher = Client::publish(edge.at, "s").await;
    origin.manner.pings.store(true, Ordering::SeqCst);
    for number in 0..PICTURES {
        publisher.send(&huge(number)).await;
    }
    let published = origin.published.clone();
    eventually("the origin has all", || {
        published.lock().unwrap().len() == PICTURES as usize
    })
    .await;
    for (number, message) in (0..).zip(published.lock().unwrap().iter()) {
        assert!(message.payload == huge(number).payload, "{number}");
    }
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn a_publisher_that_one_origin_refuses_is_not_offered_to_the_next() {
    let (first, second) = (FakeOrigin::start().await, FakeOrigin::start().await);
    let edge = Edge::start(snapshot(&[first.at, second.at])).await;
    first.manner.refuses.store(true, Ordering::SeqCst);
    let mut publisher = Client::connect(edge.at).await;
    publisher.session.publish("s", PublishKind::Live);
    publisher.status("NetStream.Publish.BadName").await;
    assert_eq!((first.count(), second.count()), (1, 0));
}

#[tokio::test]
async fn a_publisher_that_the_origin_refuses_takes_nothing_from_those_who_watch() {
    let origin = FakeOrigin::start().await;
    let edge = holding(&origin, 300).await;
    let feeding = feed(&origin);
    let mut viewer = Client::play(edge.at, "s").await;
    let mut newest = viewer.media().await.timestamp;
    origin.manner.refuses.store(true, Ordering::SeqCst);
    origin.manner.dawdles.send_replace(true);
    let mut refused = asks_to_publish(&edge, "s").await;
    for number in 0..20 {
        let mut message = picture(number);
        message.payload = [&message.payload[..], b"not for viewers"].concat().into();
        refused.send(&message).await;
    }
    // The origin takes its time.
    for _ in 0..30 {
        assert_eq!(viewer.media().await, picture(newest / 40 + 1));
        newest += 40;
    }
    origin.manner.dawdles.send_replace(false);
    refused.status("NetStream.Publish.BadName").await;
    for _ in 0..100 {
        assert_eq!(viewer.media().await, picture(newest / 40 + 1));
        newest += 40;
    }
    assert_eq!(edge.context.totals.counts().relays_opened, 2);
    feeding.abort();
}

#[tokio::test]
async fn a_publisher_that_is_taken_follows_the_relay_and_what_it_sent_early_is_shown() {
    let origin = FakeOrigin::start().await;
    let edge = holding(&origin, 5_000).await;
    let feeding = feed(&origin);
    let mut viewer = Client::play(edge.at, "s").await;
    viewer.media().await;
    let mut publisher = asks_to_publish(&edge, "s").await;
    let marked = |number| {
        let mut message = picture(number);
        message.payload = [&message.payload[..], b"published"].concat().into();
        message
    };
    for number in 0..20 {
        publisher.send(&marked(number)).await;
    }
    publisher.status("NetStream.Publish.Start").await;
    let mut numbers = 0..20;
    let (mut newest, mut published) = (0, false);
    while !numbers.is_empty() {
        let message = viewer.media().await;
        assert!(message.timestamp > newest, "time goes on rising");
        newest = message.timestamp;
        published |= message.payload.ends_with(b"published");
        if published {
            assert_eq!(message.payload, marked(numbers.next().unwrap()).payload);
        }
    }
    feeding.abort();
}

#[tokio::test]
async fn viewers_go_on_when_their_publisher_comes_back_another_way() {
    let origin = FakeOrigin::start().await;
    let edge = holding(&origin, 700).await;
    let mut publisher = Client::publish(edge.at, "s").await;
    for number in 0..25 {
        publisher.send(&picture(number)).await;
    }
    let mut viewer = Client::play(edge.at, "s").await;
    let mut newest = viewer.media().await.timestamp;
    drop(publisher);
    let feeding = feed(&origin);
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1_500) {
        let next = viewer.media().await.timestamp;
        assert!(next > newest, "time goes on rising: {newest}, {next}");
        newest = next;
    }
    // It may publish here again.
    let mut publisher = Client::publish(edge.at, "s").await;
    let mut own = picture(0);
    own.payload = [&own.payload[..], b"back"].concat().into();
    publisher.send(&own).await;
    while viewer.media().await.payload != own.payload {}
    feeding.abort();
}

#[tokio::test]
async fn who_joins_while_the_publisher_is_away_is_held_and_ended_as_all_are() {
    let origin = FakeOrigin::start().await;
    let edge = holding(&origin, 600).await;
    let mut publisher = Client::publish(edge.at, "s").await;
    publisher.send(&picture(0)).await;
    let mut first = Client::play(edge.at, "s").await;
    first.media().await;
    drop(publisher);
    let gone = Instant::now();
    let mut second = Client::play(edge.at, "s").await;
    second.status("NetStream.Play.Start").await;
    assert_eq!(edge.context.streams.states().len(), 1, "it is still there");
    for viewer in [&mut first, &mut second] {
        viewer.status("NetStream.Play.UnpublishNotify").await;
        let held = gone.elapsed();
        assert!(held >= Duration::from_millis(500), "{held:?}");
        viewer.closed().await;
    }
    eventually("nothing is left of it", || {
        edge.context.streams.states().is_empty()
    })
    .await;
}

#[tokio::test]
async fn an_origin_that_takes_a_stream_from_one_at_a_time_refuses_nobody_who_takes_it_over() {
    let origin = FakeOrigin::start().await;
    origin.manner.takes_one.store(true, Ordering::SeqCst);
    let edge = holding(&origin, 5_000).await;
    let mut publisher = Client::publish(edge.at, "s").await;
    let mut viewer = Client::play(edge.at, "s").await;
    for number in 1..20 {
        publisher.send(&picture(number * 10)).await;
        viewer.media().await;
        publisher = Client::publish(edge.at, "s").await;
    }
    // One with a backlog is not waited for, and says nothing more.
    origin.manner.dawdles.send_replace(false);
    origin.manner.pings.store(true, Ordering::SeqCst);
    for number in 20..24 {
        publisher.send(&huge(number * 10)).await;
    }
    let began = Instant::now();
    drop(Client::publish(edge.at, "s").await);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_stop_lets_what_was_published_come_to_its_end_and_takes_nobody_new() {
    const PICTURES: u32 = 3;
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    let mut viewer = Client::play(edge.at, "s").await;
    let mut publisher = Client::publish(edge.at, "s").await;
    origin.manner.pings.store(true, Ordering::SeqCst);
    let publishing = tokio::spawn(async move {
        for number in 0..PICTURES {
            publisher.send(&huge(number)).await;
        }
        publisher.closed().await;
    });
    while viewer.media().await.timestamp < (PICTURES - 1) * 40 {}
    edge.context.stop.begin();
    viewer.closed().await;
    drop(viewer);
    publishing.await.unwrap();
    let refuses = || std::net::TcpStream::connect(edge.at).is_err();
    eventually("nobody new is taken", refuses).await;
    tokio::time::timeout(DEADLINE, edge.done)
        .await
        .unwrap()
        .unwrap();
    edge.context.stop.cut();
    eventually("the origin has all", || {
        origin.published.lock().unwrap().len() == PICTURES as usize
    })
    .await;
}

#[tokio::test]
async fn a_crowd_that_asks_for_a_publishers_place_costs_it_little() {
    const CROWD: usize = 40;
    let origin = FakeOrigin::start().await;
    let edge = Edge::start(snapshot(&[origin.at])).await;
    let mut publisher = Client::publish(edge.at, "s").await;
    let before = publisher.said;
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let at = edge.at;
        crowd.spawn(async move {
            let mut client = Client::connect(at).await;
            client.session.publish("s", PublishKind::Live);
            client.status("NetStream.Publish.BadName").await;
        });
    }
    let refused = async { while crowd.join_next().await.is_some() {} };
    tokio::select! {
        () = refused => {}
        _ = publisher.event() => panic!("it is left alone"),
    }
    let answers = publisher.said - before;
    assert!(answers > 0 && answers <= CROWD, "{answers}");
}
