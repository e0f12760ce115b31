//! Recorded streams through edges: fetched once, stored, sought in, compared, purged. The origin is nginx with
//! files; players are rtmpdump, ffmpeg and, for what is said word by word, our own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rtmp::amf::Value as Amf;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::eventually::eventually;
use crate::harness::media::{self, Flow};
use crate::harness::viewer::{Viewer, frames_of};
use crate::harness::world::World;

mod trouble;

const SOON: Duration = Duration::from_secs(10);
/// The clip so many times over: 60 s.
const TIMES: u32 = 5;
const HOUR_MS: u32 = 3_600_000;

/// A world with a recording `r.flv` at the origin, and the application `vod` recorded, fresh for so long.
struct Recorded {
    world: World,
    route: String,
    folder: TempDir,
}

impl Recorded {
    fn start(edges: usize, ttl_ms: u32) -> Self {
        let world = World::start(edges);
        let route = world.route(json!({
            "name": "recorded", "app": "vod", "order": 1, "mode": "recorded",
            "cache": {"enabled": true, "default_ttl_ms": ttl_ms, "max_object_bytes": -1},
        }));
        world.settle();
        let recorded = Recorded {
            world,
            route,
            folder: tempfile::tempdir().expect("a folder"),
        };
        recorded.record("r.flv", TIMES);
        recorded
    }

    /// Makes a recording at the origin.
    fn record(&self, name: &str, times: u32) {
        let file = self.folder.path().join("made.flv");
        media::make_recording(times, &file);
        self.world.origin.put_recorded(name, &file);
    }

    /// Fetches through an edge (or the origin itself, by its address) and returns the file.
    fn fetch(&self, address: &str, name: &str, arguments: &[&str]) -> PathBuf {
        let number = std::fs::read_dir(self.folder.path())
            .expect("the folder is there")
            .count();
        let file = self.folder.path().join(format!("{number}.flv"));
        let url = format!("rtmp://{address}/vod/{name}");
        let outcome = media::download(&url, arguments, &file);
        // 2 is what rtmpdump says of a part, and of the whole where its last frame is not quite at its
        // end: what came is compared anyway.
        assert!(
            matches!(outcome.status.code(), Some(0 | 2)),
            "{url}: {outcome}"
        );
        file
    }

    fn edge(&self) -> &str {
        self.world.edges[0].rtmp()
    }

    /// Connections at the origin.
    fn asked(&self) -> u64 {
        self.world.origin.accepted()
    }

    /// The route's counts on an edge.
    fn counts(&self, edge: usize) -> Value {
        let edge = &self.world.edges[edge].id;
        let figures = self.world.api.items("/cache");
        let mut rows = figures.into_iter();
        rows.find(|row| row["route"] == self.route.as_str() && row["edge"] == edge.as_str())
            .unwrap_or_default()
    }

    /// What edges answered to an order.
    fn receipts(&self, order: u64) -> Option<Vec<Value>> {
        let orders = self.world.api.items("/orders");
        let mut orders = orders.into_iter();
        let order = orders.find(|one| one["number"] == order)?;
        order["receipts"].as_array().cloned()
    }

    /// Waits until these are the counts of an edge, and all of them.
    #[track_caller]
    fn counted(&self, edge: usize, expected: &[(&str, u64)]) {
        let requests: u64 = expected.iter().map(|(_, count)| count).sum();
        let seen = || {
            let counts = self.counts(edge);
            let same = |(outcome, count): &(&str, u64)| counts[outcome] == *count;
            (counts["requests"] == requests && expected.iter().all(same)).then_some(())
        };
        let what = format!("{expected:?}, not {}", self.counts(edge));
        eventually(SOON, &what, seen);
    }
}

fn packets(file: &Path) -> [Vec<String>; 2] {
    [Flow::Video, Flow::Audio].map(|flow| media::packets(file, flow))
}

#[test]
fn a14_a_recorded_stream_played_twice_and_after_a_restart_is_fetched_once() {
    let mut recorded = Recorded::start(1, HOUR_MS);
    let origin = recorded.world.origin.rtmp_address();
    let direct = packets(&recorded.fetch(&origin, "r.flv", &[]));
    assert!(direct[0].len() > 1_000, "{} pictures", direct[0].len());
    let before = recorded.asked();
    for hits in 0..2 {
        let edge = recorded.edge().to_owned();
        assert_eq!(packets(&recorded.fetch(&edge, "r.flv", &[])), direct);
        recorded.counted(0, &[("misses", 1), ("hits", hits)]);
    }
    assert_eq!(recorded.asked(), before + 1, "the origin was asked once");

    recorded.world.edges[0].kill();
    recorded.world.edges[0].start_again();
    let edge = recorded.edge().to_owned();
    let began = Instant::now();
    assert_eq!(packets(&recorded.fetch(&edge, "r.flv", &[])), direct);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    // Playing in real time, ffmpeg is sent the same.
    let played = media::play(&recorded.world.edges[0].url("vod/r.flv"), 2);
    media::assert_played("from the store", &played.wait(SOON * 2));
    assert_eq!(recorded.asked(), before + 1, "after a restart too");
    recorded.counted(0, &[("misses", 1), ("hits", 3)]);
    let counts = recorded.counts(0);
    let (sent, fetched) = (&counts["sent_bytes"], &counts["fetched_bytes"]);
    assert!(
        sent.as_u64() > fetched.as_u64().map(|one| one * 2),
        "{counts}"
    );
}

#[test]
fn a_seek_within_what_is_stored_asks_nothing_and_one_beyond_fetches_only_the_rest() {
    let recorded = Recorded::start(1, HOUR_MS);
    let edge = recorded.edge();
    let origin = recorded.world.origin.rtmp_address();
    let direct = packets(&recorded.fetch(&origin, "r.flv", &[]));
    // The middle first: 20 s to 30 s.
    let middle = packets(&recorded.fetch(edge, "r.flv", &["--start", "20", "--stop", "30"]));
    for (flow, part) in direct.iter().zip(&middle) {
        assert!(media::is_run_of(part, flow), "{} packets", part.len());
    }
    assert!(
        (300..=345).contains(&middle[0].len()),
        "{} pictures",
        middle[0].len()
    );
    recorded.counted(0, &[("misses", 1)]);
    let asked = recorded.asked();
    let again = packets(&recorded.fetch(edge, "r.flv", &["--start", "22", "--stop", "26"]));
    assert!(media::is_run_of(&again[0], &middle[0]));
    assert_eq!(recorded.asked(), asked, "within what is stored");
    recorded.counted(0, &[("misses", 1), ("hits", 1)]);
    let whole = packets(&recorded.fetch(edge, "r.flv", &[]));
    assert_eq!(whole, direct, "the parts meet");
    let fetched = |counts: Value| counts["fetched_bytes"].as_u64().unwrap();
    let file = std::fs::metadata(recorded.folder.path().join("made.flv")).unwrap();
    let all = fetched(recorded.counts(0));
    assert!(
        all < file.len() * 3 / 2,
        "{all} bytes of {} were fetched",
        file.len()
    );
    let asked = recorded.asked();
    assert_eq!(packets(&recorded.fetch(edge, "r.flv", &[])), direct);
    assert_eq!(recorded.asked(), asked, "all of it is stored now");
}

#[test]
fn twenty_viewers_at_once_are_one_fetch() {
    let recorded = Recorded::start(1, 0);
    let edge = recorded.edge();
    let before = recorded.asked();
    let files: Vec<PathBuf> = (0..20)
        .map(|number| recorded.folder.path().join(format!("v{number}.flv")))
        .collect();
    let url = format!("rtmp://{edge}/vod/r.flv");
    std::thread::scope(|scope| {
        for file in &files {
            scope.spawn(|| {
                let outcome = media::download(&url, &[], file);
                assert!(outcome.status.success(), "{outcome}");
            });
        }
    });
    let first = packets(&files[0]);
    for file in &files {
        assert_eq!(packets(file), first);
    }
    let counts = || {
        let counts = recorded.counts(0);
        (counts["requests"] == 20).then_some(counts)
    };
    let counts = eventually(SOON, "all are counted", counts);
    assert_eq!(counts["misses"], 1, "{counts}");
    // Those that came after the fetch had ended were compared with the origin first.
    let compared = counts["revalidated"].as_u64().unwrap();
    assert!(recorded.asked() <= before + 1 + compared, "{counts}");
}

#[test]
fn a_changed_recording_is_served_fresh_and_an_unchanged_one_is_only_compared() {
    let mut recorded = Recorded::start(1, 0);
    let edge = recorded.edge().to_owned();
    let first = packets(&recorded.fetch(&edge, "r.flv", &[]));
    assert_eq!(packets(&recorded.fetch(&edge, "r.flv", &[])), first);
    recorded.counted(0, &[("misses", 1), ("revalidated", 1)]);
    recorded.record("r.flv", 2);
    let changed = packets(&recorded.fetch(&edge, "r.flv", &[]));
    assert_ne!(changed, first);
    let origin = recorded.world.origin.rtmp_address();
    assert_eq!(changed, packets(&recorded.fetch(&origin, "r.flv", &[])));
    recorded.counted(0, &[("misses", 2), ("revalidated", 1)]);
    // With the origin dead what is stored is served all the same (B9).
    recorded.world.origin.kill();
    assert_eq!(packets(&recorded.fetch(&edge, "r.flv", &[])), changed);
    recorded.counted(0, &[("misses", 2), ("revalidated", 1), ("stale", 1)]);
}

#[test]
fn a_purge_by_address_takes_a_recording_and_its_receipt_counts_it() {
    let recorded = Recorded::start(2, HOUR_MS);
    recorded.record("other.flv", 1);
    for name in ["r.flv", "other.flv"] {
        recorded.fetch(recorded.edge(), name, &[]);
    }
    let asked = recorded.asked();
    let url = recorded.world.edges[0].url("vod/r.flv");
    let purge = json!({"kind": "url", "url": url});
    let made = recorded.world.api.post("/purges", &purge);
    let order = made["order"].as_u64().unwrap();
    eventually(SOON, "both edges have purged", || {
        let receipts = recorded.receipts(order)?;
        let counts: u64 = receipts
            .iter()
            .filter_map(|one| one["count"].as_u64())
            .sum();
        (receipts.len() == 2 && counts == 1).then_some(())
    });
    recorded.fetch(recorded.edge(), "other.flv", &[]);
    assert_eq!(recorded.asked(), asked, "the other one stays");
    recorded.fetch(recorded.edge(), "r.flv", &[]);
    assert_eq!(recorded.asked(), asked + 1);
}

#[test]
fn a_player_pauses_seeks_and_reaches_the_end_word_by_word() {
    let recorded = Recorded::start(1, HOUR_MS);
    let mut viewer = Viewer::play_from(recorded.edge(), "vod", "r", 0);
    viewer.is_told("NetStream.Play.Reset");
    viewer.is_told("NetStream.Play.Start");
    viewer.watches(60);
    let length = viewer.calls("getStreamLength", vec![Amf::Null, "r".into()]);
    let seconds = length.get(1).and_then(Amf::as_number).unwrap_or_default();
    assert!((59.0..=60.5).contains(&seconds), "{length:?}");
    // 3 s are sent ahead of real time: what comes when it pauses is not much more.
    viewer.says("pause", vec![Amf::Null, true.into(), 1_000.0.into()]);
    viewer.is_told("NetStream.Pause.Notify");
    let paused_at = viewer.frames.len();
    assert!(paused_at < 60 * 30, "{paused_at}");
    viewer.says("pause", vec![Amf::Null, false.into(), 1_000.0.into()]);
    viewer.is_told("NetStream.Unpause.Notify");
    viewer.says("seek", vec![Amf::Null, 50_500.0.into()]);
    viewer.is_told("NetStream.Seek.Notify");
    let before = viewer.frames.len();
    viewer.watches(before + 20);
    let after: Vec<u32> = viewer.timestamps[before..].to_vec();
    assert!((49_400..=50_500).contains(&after[0]), "{}", after[0]);
    assert!(after.is_sorted(), "{after:?}");
    viewer.says("seek", vec![Amf::Null, 90_000.0.into()]);
    viewer.is_told("NetStream.Seek.Failed");
    viewer.buffers(HOUR_MS);
    viewer.is_told("NetStream.Play.Stop");
    let last = viewer.timestamps.last().copied().unwrap_or_default();
    assert!((59_000..=60_100).contains(&last), "{last}");
    // It may go back.
    let before = viewer.frames.len();
    viewer.says("seek", vec![Amf::Null, 5_000.0.into()]);
    viewer.watches(before + 20);
    assert!((3_900..=5_000).contains(&viewer.timestamps[before]));
}

#[test]
fn who_resumes_at_a_keyframe_is_given_exactly_what_follows_from_there() {
    let recorded = Recorded::start(1, HOUR_MS);
    let edge = recorded.edge();
    recorded.fetch(edge, "r.flv", &[]);
    let asked = recorded.asked();
    let begins = |at: u32| {
        let mut viewer = Viewer::play_from(edge, "vod", "r", at);
        viewer.watches(1);
        viewer.timestamps[0]
    };
    let keyframe = begins(20_500);
    assert!((19_500..=20_500).contains(&keyframe), "{keyframe}");
    assert!(begins(keyframe - 1) < keyframe);
    let mut viewer = Viewer::play_from(edge, "vod", "r", keyframe);
    viewer.watches(1);
    viewer.buffers(HOUR_MS);
    viewer.is_told("NetStream.Play.Stop");
    assert_eq!(viewer.timestamps[0], keyframe);
    let file = frames_of(&recorded.folder.path().join("made.flv"));
    let count = viewer.frames.len();
    assert!((1_170..1_260).contains(&count), "{count} frames");
    assert!(file.ends_with(&viewer.frames));
    assert_eq!(recorded.asked(), asked, "all of it is stored");
}

#[test]
fn ffmpeg_seeks_and_what_does_not_exist_is_answered() {
    let recorded = Recorded::start(1, HOUR_MS);
    let url = recorded.world.edges[0].url("vod/r.flv");
    let file = recorded.folder.path().join("sought.flv");
    let sought = media::play_with(&["-ss", "30"], &url, 4).wait(SOON * 3);
    assert!(sought.status.success(), "{sought}");
    std::fs::write(&file, &sought.stdout).unwrap();
    let origin = recorded.world.origin.rtmp_address();
    let direct = packets(&recorded.fetch(&origin, "r.flv", &[]));
    for (flow, part) in direct.iter().zip(packets(&file)) {
        assert!(
            part.len() > 80 && media::is_run_of(&part, flow),
            "{}",
            part.len()
        );
    }
    let mut viewer = Viewer::play(recorded.edge(), "vod", "none");
    viewer.is_told("NetStream.Play.StreamNotFound");
    viewer.is_ended();
}

#[test]
fn an_edge_gets_a_recorded_stream_from_the_store_of_the_next() {
    let recorded = Recorded::start(2, HOUR_MS);
    let origin = recorded.world.origin.rtmp_address();
    let direct = packets(&recorded.fetch(&origin, "r.flv", &[]));
    let (first, second) = (
        recorded.world.edges[0].rtmp(),
        recorded.world.edges[1].rtmp(),
    );
    let before = recorded.asked();
    assert_eq!(packets(&recorded.fetch(second, "r.flv", &[])), direct);
    // This machine belongs at the second edge; the first one carries it there.
    let client = recorded.world.client_here("here");
    recorded
        .world
        .assign(&client, &recorded.world.edges[1], "relay");
    recorded.world.settle();
    for _ in 0..2 {
        assert_eq!(packets(&recorded.fetch(first, "r.flv", &[])), direct);
    }
    assert_eq!(recorded.asked(), before + 1, "the origin was asked once");
    recorded.counted(0, &[("misses", 1), ("hits", 1)]);
    recorded.counted(1, &[("misses", 1), ("hits", 1)]);
    let sought = packets(&recorded.fetch(first, "r.flv", &["--start", "40", "--stop", "45"]));
    assert!(media::is_run_of(&sought[0], &direct[0]));
}

#[test]
fn an_asking_route_plays_live_what_is_published_and_recorded_what_is_not() {
    let recorded = Recorded::start(1, HOUR_MS);
    let wait = json!({"wait_ms": 1_000, "linger_ms": 0});
    recorded.world.route(json!({
        "name": "ask", "app": "archive", "order": 1, "mode": "ask", "live": wait,
        "cache": {"enabled": true, "default_ttl_ms": HOUR_MS, "max_object_bytes": -1},
    }));
    recorded.world.settle();
    let edge = recorded.edge();
    let publisher = recorded.world.publish("archive", "both");
    let mut live = Viewer::play(edge, "archive", "both");
    live.watches(5);
    drop(publisher);
    drop(live);
    eventually(SOON, "it is published no more", || {
        (!recorded.world.origin.is_published("archive", "both")).then_some(())
    });
    // nginx gives what it records to who asks for the file's name.
    let mut viewer = Viewer::play(edge, "archive", "both.flv");
    viewer.is_told("NetStream.Play.Start");
    viewer.watches(5);
    assert_eq!(viewer.timestamps[0] / 1_000, 0, "from the begin");
}
