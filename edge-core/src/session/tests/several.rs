//! Several streams on one connection: each is judged, begins and ends by itself.

use super::*;
use rtmp::server::PlayFrom;

/// A client that publishes `mine` on message stream 1 and plays `theirs` on 2.
fn both() -> Pair {
    let mut pair = pair(fixture::settings(), "live");
    pair.publish("mine");
    pair.edge.publish_started(1);
    pair.exchange();
    pair.play("theirs");
    pair.edge.play_started(2, false);
    pair.exchange();
    pair
}

fn deny_stream(pair: &mut Pair, pattern: &str) {
    let stream = json!([{"kind": "stream", "patterns": [pattern]}]);
    pair.settings.snapshot.rules = vec![fixture::deny(stream)];
}

#[test]
fn a_client_publishes_and_plays_at_once() {
    let mut pair = both();
    assert!(matches!(&pair.wishes[..], [
        Output::Publish(mine, PublishKind::Live),
        Output::Subscribe(theirs, Part { from: PlayFrom::LiveOrRecorded, duration_ms: None, reset: true, .. }),
    ] if mine.stream_id == 1 && theirs.stream_id == 2));
    let media = Message::new(rtmp::MessageKind::Audio, 7, 1, vec![0xaf, 1, 0]);
    assert!(pair.client.send_media(&media));
    pair.exchange();
    assert_eq!(pair.wishes.last(), Some(&Output::Media(media)));
    // A refused third stream leaves the others.
    deny_stream(&mut pair, "secret");
    pair.play("secret");
    assert_eq!(pair.last_status().0, "NetStream.Play.Failed");
    assert_eq!(pair.closed_for(), None);
    let mut record = blank_record();
    pair.edge.describe(&mut record);
    assert_eq!(record.stream.as_deref(), Some("theirs"));
    // It has a record of its own, to which the decision that the client was told leads.
    let Some(Output::Refused(refused)) = pair.wishes.last() else {
        panic!("{:?}", pair.wishes.last());
    };
    let mut record = blank_record();
    pair.edge.describe_refused(refused, &mut record);
    assert_eq!(record.stream.as_deref(), Some("secret"));
    assert_eq!(refused.reason, Reason::DeniedByRule);
    let decision = record.decision.unwrap().to_string();
    assert!(pair.last_status().1.contains(&decision), "{decision}");
}

#[test]
fn who_tries_one_name_after_another_is_ended() {
    let mut pair = both();
    deny_stream(&mut pair, "secret*");
    let tries = (0..100).take_while(|number| {
        pair.play(&format!("secret{number}"));
        let delete = Command::new("deleteStream", 0.0, vec![Value::Null, 3.0.into()]);
        pair.client.send_command(0, &delete);
        pair.exchange();
        pair.closed_for().is_none()
    });
    assert_eq!(tries.count(), 32);
    assert_eq!(pair.closed_for(), Some(Reason::ProtocolFault));
}

#[test]
fn each_stream_ends_by_itself_and_the_last_one_ends_the_session() {
    let mut pair = both();
    pair.edge.stream_ended(2, Reason::StreamEnded);
    pair.exchange();
    assert_eq!(pair.last_status().0, "NetStream.Play.Stop");
    assert_eq!(pair.closed_for(), None);
    pair.edge.stream_ended(2, Reason::StreamEnded);
    assert_eq!(pair.closed_for(), None);
    let mut record = blank_record();
    pair.edge.describe(&mut record);
    assert_eq!(record.stream.as_deref(), Some("mine"));
    pair.edge.stream_ended(1, Reason::OriginUnreachable);
    pair.exchange();
    assert_eq!(pair.last_status().0, "NetStream.Publish.BadName");
    assert_eq!(pair.closed_for(), Some(Reason::OriginUnreachable));
}

#[test]
fn a_changed_rule_ends_only_the_streams_that_it_denies() {
    let mut pair = both();
    deny_stream(&mut pair, "theirs");
    pair.edge.rejudge(&pair.settings.door());
    pair.exchange();
    assert_eq!(pair.last_status().0, "NetStream.Play.Failed");
    assert_eq!(
        pair.wishes.last(),
        Some(&Output::Unsubscribe { stream_id: 2 })
    );
    assert_eq!(pair.closed_for(), None);
    deny_stream(&mut pair, "mine");
    pair.edge.rejudge(&pair.settings.door());
    pair.exchange();
    assert_eq!(pair.closed_for(), Some(Reason::NoLongerAllowed));
}

#[test]
fn what_a_player_asks_for_names_its_message_stream() {
    let mut pair = both();
    let call = |pair: &mut Pair, stream_id, name: &str, arguments: Vec<Value>| {
        let command = Command::new(name, 0.0, [vec![Value::Null], arguments].concat());
        pair.client.send_command(stream_id, &command);
        pair.exchange();
    };
    let wish = |stream_id, wish| Some(Output::Player { stream_id, wish });
    call(&mut pair, 2, "seek", vec![2_500.0.into()]);
    let position_ms = 2_500;
    let seek = PlayerWish::Seek { position_ms };
    assert_eq!(pair.wishes.last().cloned(), wish(2, seek));
    pair.edge.seek_failed(2);
    pair.exchange();
    assert_eq!(pair.last_status().0, "NetStream.Seek.Failed");
    for (name, paused) in [("pause", true), ("pauseRaw", false)] {
        call(&mut pair, 2, name, vec![paused.into(), 2_500.0.into()]);
        let pause = PlayerWish::Pause {
            paused,
            position_ms,
        };
        assert_eq!(pair.wishes.last().cloned(), wish(2, pause), "{name}");
    }
    let before = pair.wishes.len();
    call(&mut pair, 1, "seek", vec![2_500.0.into()]);
    call(&mut pair, 9, "pause", vec![true.into(), 0.0.into()]);
    assert_eq!(
        pair.wishes.len(),
        before,
        "a publisher has nothing to seek in"
    );
    call(&mut pair, 0, "getStreamLength", vec!["theirs".into()]);
    assert!(matches!(
        pair.wishes.last(),
        Some(Output::Length { wanted, .. }) if wanted.stream.as_str() == "theirs"
    ));
    // The message stream goes, and another stream may come to it.
    call(&mut pair, 0, "deleteStream", vec![1.0.into()]);
    assert_eq!(
        pair.wishes.last(),
        Some(&Output::Unpublish { stream_id: 1 })
    );
    pair.play("third");
    assert!(matches!(
        pair.wishes.last(),
        Some(Output::Subscribe(wanted, _)) if wanted.stream_id == 1
    ));
}

#[test]
fn who_is_done_publishing_may_name_its_stream() {
    for (named, ends) in [("mine", Some(1)), ("second", Some(2)), ("neither", None)] {
        let mut pair = pair(fixture::settings(), "live");
        pair.publish("mine");
        pair.publish("second");
        let name = Value::from(named);
        let done = Command::new("FCUnpublish", 0.0, vec![Value::Null, name]);
        pair.client.send_command(0, &done);
        pair.exchange();
        let ended = pair.wishes.iter().find_map(|wish| match wish {
            Output::Unpublish { stream_id } => Some(*stream_id),
            _ => None,
        });
        assert_eq!(ended, ends, "{named}");
    }
}

#[test]
fn a_call_that_nobody_understands_is_answered() {
    let mut pair = both();
    let call = pair.client.call(0, "doIt", vec![Value::Null]);
    pair.client.call(0, "_checkbw", vec![Value::Null]);
    let quiet = Command::new("doIt", 0.0, vec![Value::Null]);
    pair.client.send_command(0, &quiet);
    pair.exchange();
    let answers: Vec<_> = pair
        .heard
        .iter()
        .filter_map(|event| match event {
            client::Event::Answer {
                transaction, ok, ..
            } => Some((*transaction, *ok)),
            _ => None,
        })
        .collect();
    assert_eq!(answers, [(call, false)]);
}
