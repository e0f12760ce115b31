//! Publishers beside viewers: what an origin says to them, and what becomes of those who watch.

use std::sync::atomic::Ordering;

use rtmp::Message;
use rtmp::server::PublishKind;

use crate::support::{Client, Edge, FakeOrigin, eventually, picture, snapshot};

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
