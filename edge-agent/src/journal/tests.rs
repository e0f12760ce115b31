//! What the session log says of sessions, read back from its files.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use contract::facts::Action;
use contract::protocol::Ingress;
use contract::reason::Reason;
use contract::report::{SessionRecord, SessionState};

use super::entry::Entry;
use super::file::{Form, LogFile};
use super::{Journal, JournalConfig, Track};
use crate::sessions::{Session, Sessions, Totals};

const CONFIG: JournalConfig = JournalConfig {
    w3c: true,
    json: true,
    file_bytes: 1 << 20,
    files: 3,
    checkpoint: None,
};

/// Reads lines of W3C's extended log format by their `#Fields`, undoing `%XX`.
fn read_w3c(text: &str) -> Vec<HashMap<String, String>> {
    let mut names: Vec<String> = Vec::new();
    let mut read = Vec::new();
    for line in text.lines() {
        if let Some(fields) = line.strip_prefix("#Fields: ") {
            names = fields.split(' ').map(str::to_owned).collect();
        } else if !line.starts_with('#') {
            let values: Vec<String> = line.split('\t').map(plain).collect();
            assert_eq!(values.len(), names.len(), "{line}");
            read.push(names.iter().cloned().zip(values).collect());
        }
    }
    read
}

fn plain(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

fn plays(session: &Session, stream: &str) {
    session.update(|record| {
        record.state = SessionState::Live;
        "live/inst".clone_into(&mut record.app);
        "edge.example".clone_into(&mut record.host);
        record.user_agent = Some("LNX 9,0 \"ü\"\t%".to_owned());
        record.action = Some(Action::Play);
        record.stream = Some(stream.to_owned());
    });
}

#[tokio::test]
async fn both_forms_tell_the_same_as_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path().join("log"), &CONFIG).unwrap();
    let sessions = Sessions::new(Totals::default(), journal);
    let session = sessions
        .begin([192, 0, 2, 1].into(), Ingress::Rtmps)
        .unwrap();
    session.add_sent(100);
    plays(&session, "cam one");
    session.add_sent(1_000);
    session.add_received(50);
    plays(&session, "two");
    session.add_sent(10_000);
    session.end(Reason::ClientClosed);
    let record = sessions.drain_changes(10).pop().unwrap();
    let refused = sessions
        .begin([192, 0, 2, 2].into(), Ingress::Http)
        .unwrap();
    refused.refuse(Reason::LimitReached, None);
    sessions.journal().unwrap().finish().await;

    let log = folder.path().join("log");
    let lines = read_w3c(&text(&log, "sessions.log"));
    let events: Vec<_> = lines.iter().map(|line| line["x-event"].as_str()).collect();
    let expected = [
        "connect",
        "play",
        "stop",
        "play",
        "stop",
        "disconnect",
        "connect",
    ];
    assert_eq!(events, expected);
    let streams: Vec<_> = lines.iter().map(|line| line["x-sname"].as_str()).collect();
    assert_eq!(streams, ["-", "cam one", "cam one", "two", "two", "-", "-"]);
    let bytes: Vec<_> = lines
        .iter()
        .map(|line| line["sc-stream-bytes"].as_str())
        .collect();
    assert_eq!(bytes, ["-", "0", "1000", "0", "10000", "-", "-"]);
    for (field, expected) in [
        ("c-ip", "192.0.2.1".to_owned()),
        ("c-proto", "rtmps".to_owned()),
        ("x-vhost", "edge.example".to_owned()),
        ("x-app", "live".to_owned()),
        ("x-appinst", "inst".to_owned()),
        ("s-uri", "rtmps://edge.example/live/inst".to_owned()),
        ("c-user-agent", "LNX 9,0 \"ü\"\t%".to_owned()),
        ("c-client-id", record.id.to_string()),
        ("sc-bytes", record.sent_bytes.to_string()),
        ("cs-bytes", record.received_bytes.to_string()),
        ("x-status", "200".to_owned()),
        ("x-ctx", "client_closed".to_owned()),
        ("tz", "UTC".to_owned()),
    ] {
        assert_eq!(lines[5][field], expected, "{field}");
    }
    assert_eq!(
        (lines[6]["x-status"].as_str(), lines[6]["x-ctx"].as_str()),
        ("409", "limit_reached")
    );

    let json = text(&log, "sessions.jsonl");
    let json: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let events: Vec<_> = json
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, expected);
    let told: SessionRecord = serde_json::from_value(json[5]["session"].clone()).unwrap();
    assert_eq!(told, record);
    assert_eq!(sessions.journal().unwrap().lost(), 0);
}

fn record(state: SessionState) -> SessionRecord {
    let sessions = Sessions::new(Totals::default(), None);
    let session = sessions
        .begin([192, 0, 2, 1].into(), Ingress::Rtmp)
        .unwrap();
    SessionRecord {
        state,
        app: "live".to_owned(),
        ..session.record()
    }
}

fn events(said: &[Entry]) -> Vec<(&'static str, u16)> {
    let event = |entry: &Entry| (entry.event.as_str(), entry.status);
    said.iter().map(event).collect()
}

#[test]
fn who_waits_and_who_is_refused_at_a_stream_is_told_as_such() {
    let mut track = Track::default();
    let mut record = record(SessionState::Connecting);
    assert_eq!(
        events(&track.observe(&record, 1)),
        [("connect-pending", 100)]
    );
    assert_eq!(events(&track.observe(&record, 2)), []);
    record.action = Some(Action::Publish);
    record.stream = Some("s".to_owned());
    record.state = SessionState::Refused;
    record.reason = Some(Reason::DeniedByRule);
    let said = track.observe(&record, 3);
    assert_eq!(events(&said), [("publish", 403), ("disconnect", 200)]);
}

#[test]
fn a_session_that_goes_on_is_told_of_once_in_a_while() {
    let mut track = Track::default();
    let mut record = record(SessionState::Live);
    record.action = Some(Action::Play);
    record.stream = Some("s".to_owned());
    record.sent_bytes = 5;
    track.observe(&record, 1_000);
    record.sent_bytes = 25;
    assert_eq!(track.checkpoint(&record, 60_999, 60_000), []);
    let said = track.checkpoint(&record, 61_000, 60_000);
    let expected = [("connect-continue", 200), ("play-continue", 200)];
    assert_eq!(events(&said), expected);
    assert_eq!(
        (said[1].stream_sent_bytes, said[1].duration_ms),
        (20, 60_000)
    );
    assert_eq!(track.checkpoint(&record, 62_000, 60_000), []);
}

#[test]
fn full_files_and_past_days_are_set_aside_and_the_oldest_removed() {
    const DAY_MS: u64 = 86_400_000;
    let folder = tempfile::tempdir().unwrap();
    let config = JournalConfig {
        file_bytes: 4_096,
        files: 2,
        ..CONFIG
    };
    let mut track = Track::default();
    let entry = track.observe(&record(SessionState::Live), 0).remove(0);
    let open = || LogFile::new(folder.path().to_owned(), Form::W3c, &config);
    let mut file = open();
    let write = |file: &mut LogFile, at_ms: u64| {
        let entry = Entry {
            at_ms,
            ..entry.clone()
        };
        assert!(file.append(&entry));
    };
    let names = || {
        let mut names: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    };
    for _ in 0..100 {
        write(&mut file, 20_000 * DAY_MS);
    }
    let aside = names();
    assert_eq!(aside.len(), 3, "{aside:?}");
    assert!(aside[1].starts_with("sessions-2024-10-04-"), "{aside:?}");
    let (day, number) = aside[1].rsplit_once('-').unwrap();
    assert!(number > "0002.log", "{aside:?}");
    write(&mut file, 20_001 * DAY_MS);
    assert!(names()[1].starts_with(day));
    for name in &names()[..2] {
        let size = fs::metadata(folder.path().join(name)).unwrap().len();
        assert!(size <= config.file_bytes, "{name} {size}");
        assert!(!read_w3c(&text(folder.path(), name)).is_empty());
    }
    file.finish();

    // One that was cut off in a line goes on with a line of its own.
    let current = folder.path().join("sessions.log");
    let cut = fs::read(&current).unwrap();
    fs::write(&current, &cut[..cut.len() - 5]).unwrap();
    let mut file = open();
    let now_ms = crate::clock::now_ms();
    write(&mut file, now_ms);
    file.finish();
    let last = text(folder.path(), "sessions.log");
    assert_eq!(
        last.lines().last().unwrap().split('\t').count(),
        super::w3c::FIELDS.len()
    );
    assert!(
        last.lines()
            .filter(|line| line.starts_with("#Fields"))
            .count()
            >= 2
    );
}

#[tokio::test]
async fn what_cannot_be_written_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("log");
    fs::write(&in_the_way, "a file where the folder should be").unwrap();
    let journal = Journal::open(in_the_way, &CONFIG).unwrap().unwrap();
    let sessions = Sessions::new(Totals::default(), Some(journal.clone()));
    drop(sessions.begin([192, 0, 2, 1].into(), Ingress::Http));
    journal.finish().await;
    assert_eq!(journal.lost(), 2);
    drop(sessions.begin([192, 0, 2, 1].into(), Ingress::Http));
    assert_eq!(journal.lost(), 3);
}
