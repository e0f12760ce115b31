//! Recordings without servers or sockets: what is fetched once, kept, joined, compared and purged.

use std::path::Path;
use std::time::Duration;

use contract::id::OriginId;
use contract::reason::Reason;
use edge_core::recorded::{Goal, Head, Intake, Piece, Place, Taken, Until};
use rtmp::{Message, MessageKind};
use tokio::time::Instant;

use super::*;
use crate::store::{Size, StoreConfig};

const MOST: u64 = u64::MAX;
const HOUR_MS: u64 = 3_600_000;

fn key() -> RecordingKey {
    RecordingKey {
        next: NextHop::Origin(OriginId::from_bits(1)),
        host: None,
        app: AppName::parse("vod").unwrap(),
        stream: StreamName::parse("a.flv").unwrap(),
    }
}

fn store(folder: &Path) -> Store {
    Store::open(&StoreConfig {
        memory: Size::Bytes(1 << 20),
        disk: Size::Unlimited,
        folder: folder.join("store"),
    })
}

/// A keyframe each second, a picture each half.
fn picture(half: u32, look: u8) -> Message {
    let frame = if half.is_multiple_of(2) { 0x17 } else { 0x27 };
    let payload = vec![frame, 1, 0, 0, 0, look];
    Message::new(MessageKind::Video, half * 500, 1, payload)
}

fn feed(fill: &Fill, halves: std::ops::Range<u32>) {
    for half in halves {
        let taken = fill.take(&picture(half, 0));
        assert!(!matches!(taken, Taken::Late(_)), "{half}");
    }
}

/// The fetch that a viewer at this place has to start.
fn started(recording: &Arc<Recording>, place: Place) -> Fill {
    let step = recording.step(place, None);
    let Step::Start(fill) = step else {
        panic!("{step:?}");
    };
    fill
}

async fn filled(recordings: &Recordings, seconds: u32) -> Arc<Recording> {
    let recording = recordings.open(&key(), MOST).await;
    let _watch = recording.watch(0);
    let fill = started(&recording, Place::Seek(0));
    feed(&fill, 0..seconds * 2);
    fill.end();
    fill.store(true).await;
    fill.checked(now_ms()).await;
    fill.done();
    recording
}

async fn piece(recording: &Arc<Recording>, from: u32) -> Arc<Piece> {
    let step = recording.step(Place::In { from, next: 0 }, None);
    if let Step::Read(note, part) = step {
        return recording.read(note, part).await.unwrap();
    }
    let Step::Piece(piece) = step else {
        panic!("{from}: {step:?}");
    };
    piece
}

#[tokio::test]
async fn what_was_fetched_once_is_served_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let recordings = Recordings::new(store(dir.path()));
        if recordings.open(&key(), MOST).await.length_ms().is_none() {
            filled(&recordings, 5).await;
        }
        let recording = recordings.open(&key(), MOST).await;
        let standing = recording.standing(HOUR_MS, now_ms());
        assert!(matches!(standing, Standing::Fresh), "{standing:?}");
        for from in 0..5 {
            let piece = piece(&recording, from * 1_000).await;
            let expected = [picture(from * 2, 0), picture(from * 2 + 1, 0)];
            let items: Vec<_> = expected
                .iter()
                .map(edge_core::recorded::Item::new)
                .collect();
            assert_eq!(piece.items, items);
        }
        let end = recording.step(Place::Seek(5_000), None);
        assert!(matches!(end, Step::End), "{end:?}");
        assert_eq!(recording.length_ms(), Some(4_500));
        recordings.settle().await;
    }
}

#[tokio::test]
async fn several_that_come_at_once_wait_for_one_fetch_and_see_it_grow() {
    let recordings = Recordings::new(Store::nothing());
    let recording = recordings.open(&key(), MOST).await;
    let first = recording.watch(0);
    let fill = started(&recording, Place::Seek(0));
    for _ in 0..3 {
        let step = recording.step(Place::Seek(0), None);
        assert!(
            matches!(step, Step::Wait(id) if id == fill.id()),
            "{step:?}"
        );
    }
    feed(&fill, 0..3);
    let resolved = recording.step(Place::Seek(1_000), None);
    assert!(matches!(resolved, Step::Resolved(1_000)), "{resolved:?}");
    let place = Place::In {
        from: 1_000,
        next: 0,
    };
    let growing = recording.step(place, None);
    assert!(
        matches!(&growing, Step::Growing(items) if items.len() == 1),
        "{growing:?}"
    );
    assert_eq!(piece(&recording, 0).await.until, Until::Next(1_000));
    // It is near enough to wait for; what is far away needs a fetch of its own.
    assert!(matches!(
        recording.step(Place::Seek(9_000), None),
        Step::Wait(_)
    ));
    let other = started(&recording, Place::Seek(90_000));
    assert_eq!(other.goal(), Goal::Seek(90_000));
    assert_eq!(
        other.needs(),
        Goal::Seek(90_000),
        "the begin is known by now"
    );
    drop(first);
    assert_eq!(fill.wanted(), Wanted::Nothing, "nobody watches");
    let second = recording.watch(0);
    assert_eq!(fill.wanted(), Wanted::More);
    feed(&fill, 3..70);
    assert_eq!(fill.wanted(), Wanted::Later, "far enough ahead");
    second.at(20_000);
    assert_eq!(fill.wanted(), Wanted::More);
}

#[tokio::test]
async fn a_fetch_ends_where_what_comes_next_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let recordings = Recordings::new(store(dir.path()));
    let recording = recordings.open(&key(), MOST).await;
    let _watch = recording.watch(0);
    let fill = started(&recording, Place::Seek(0));
    feed(&fill, 0..5);
    fill.store(true).await;
    fill.done();
    // Another viewer began further on.
    let fill = started(&recording, Place::Seek(4_200));
    assert_eq!(fill.needs(), Goal::Seek(4_200));
    feed(&fill, 8..13);
    fill.store(true).await;
    fill.done();
    let fill = started(
        &recording,
        Place::In {
            from: 2_000,
            next: 0,
        },
    );
    assert_eq!(fill.needs(), Goal::Exact(2_000));
    feed(&fill, 2..8);
    assert_eq!(fill.wanted(), Wanted::More);
    feed(&fill, 8..9);
    assert_eq!(fill.wanted(), Wanted::Nothing, "what comes next is stored");
    fill.store(true).await;
    fill.done();
    for from in [0, 1_000, 2_000, 3_000, 4_000, 5_000] {
        assert_eq!(piece(&recording, from).await.items.len(), 2);
    }
}

#[tokio::test]
async fn a_fetch_that_fails_is_told_to_those_who_waited_and_another_may_be_tried() {
    let recordings = Recordings::new(Store::nothing());
    let recording = recordings.open(&key(), MOST).await;
    for reason in [Reason::OriginUnreachable, Reason::OriginRefused] {
        let fill = started(&recording, Place::Seek(0));
        let waited = fill.id();
        fill.failed(reason);
        let step = recording.step(Place::Seek(0), Some(waited));
        assert!(
            matches!(step, Step::Failed(why) if why == reason),
            "{step:?}"
        );
    }
}

#[tokio::test]
async fn what_does_not_exist_is_asked_for_again_only_after_a_while() {
    let recordings = Recordings::new(Store::nothing());
    for _ in 0..2 {
        let recording = recordings.open(&key(), MOST).await;
        started(&recording, Place::Seek(0)).failed(Reason::StreamNotFound);
        // Whoever comes next is told the same without a fetch.
        let recording = recordings.open(&key(), MOST).await;
        let step = recording.step(Place::Seek(0), None);
        assert!(
            matches!(step, Step::Failed(Reason::StreamNotFound)),
            "{step:?}"
        );
        recording.state().missing = Instant::now().checked_sub(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_recording_that_changed_is_dropped_whole() {
    let dir = tempfile::tempdir().unwrap();
    let recordings = Recordings::new(store(dir.path()));
    let recording = filled(&recordings, 3).await;
    for (look, expected) in [(0, Found::Same), (1, Found::Other)] {
        let standing = recording.standing(0, now_ms());
        let Standing::Stale(comparison) = standing else {
            panic!("{standing:?}");
        };
        let meanwhile = recording.standing(0, now_ms());
        assert!(matches!(meanwhile, Standing::Compared), "{meanwhile:?}");
        let mut head = Head::default();
        Intake::new(Goal::Begin).take(&picture(0, look), &mut head);
        comparison.seen(&head, now_ms()).await;
        assert_eq!(recording.compared().await, expected);
    }
    assert!(recordings.drop_out(&recording));
    assert!(!recordings.drop_out(&recording));
    let fresh = recordings.open(&key(), MOST).await;
    assert!(matches!(
        fresh.standing(HOUR_MS, now_ms()),
        Standing::Unknown
    ));
    assert_eq!(recordings.held().objects, 0);
}

#[tokio::test]
async fn a_purge_takes_recordings_by_address_and_nothing_begun_before_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let recordings = Recordings::new(store(dir.path()));
    let url = |url: &str| PurgeScope::Url {
        url: url.to_owned(),
    };
    filled(&recordings, 3).await;
    for other in [
        "http://e/vod/a.flv",
        "rtmp://e/vod/a.mp4",
        "rtmp://e/vo/d/a.flv",
        "rtmp://e/x/vod/a.flv",
        "rtmp://e",
    ] {
        assert_eq!(recordings.purge(&url(other)), 0, "{other}");
    }
    assert_eq!(recordings.purge(&PurgeScope::All), 1);
    for one in [
        "rtmp://e:1935/vod/a.flv?token=x",
        "rtmps://e/vod/a.flv",
        "rtmp://e/vod/a",
        "rtmp://e/?rtmp://o/vod/a.flv",
        "rtmp://e/?rtmp:/o/vod/a.flv",
    ] {
        let recording = recordings.open(&key(), MOST).await;
        let _watch = recording.watch(0);
        let fill = started(&recording, Place::Seek(0));
        feed(&fill, 0..5);
        fill.store(true).await;
        assert_eq!(recordings.purge(&url(one)), 1, "{one}");
        feed(&fill, 5..9);
        fill.store(true).await;
        assert_eq!(piece(&recording, 3_000).await.items.len(), 2);
        assert_eq!(recordings.held().objects, 0, "{one}");
    }
    filled(&recordings, 3).await;
    assert_eq!(recordings.purge(&PurgeScope::All), 1);
    assert_eq!(recordings.held().objects, 0);
    assert_eq!(recordings.length_ms(&key()).await, None);
}

#[tokio::test]
async fn what_is_too_large_for_its_route_is_served_and_not_stored() {
    let dir = tempfile::tempdir().unwrap();
    let recordings = Recordings::new(store(dir.path()));
    let recording = recordings.open(&key(), 100).await;
    let _watch = recording.watch(0);
    let fill = started(&recording, Place::Seek(0));
    feed(&fill, 0..10);
    fill.store(true).await;
    for from in [0, 1_000, 2_000, 3_000] {
        assert_eq!(piece(&recording, from).await.items.len(), 2);
    }
    assert!(recordings.held().bytes < 400, "{:?}", recordings.held());
}
