//! Malformed and hostile connections end themselves only: within the bounds, with the edge's memory flat and
//! other viewers playing on.

use std::time::{Duration, Instant};

use crate::harness::attack::{Raw, kind, tags};
use crate::harness::eventually::{comes_true, stays};
use crate::harness::long;
use crate::harness::malformed::{self, Fault};
use crate::harness::media;
use crate::harness::odd;
use crate::harness::viewer::{self, Crowd, Viewer};
use crate::harness::world::World;

/// What all attacks together may add to the edge's memory: the largest holds 16 MiB, some hundred hold 64 KiB each.
const MOST_GROWTH_BYTES: u64 = 96 << 20;
/// What is proven to be wrong is over by then.
const AT_ONCE: Duration = Duration::from_millis(100);
/// Tries that a machine busy with a hundred players gets to show that.
const TRIES: usize = 10;
/// Places at which each part of a valid session is cut off; with `WEIR_LONG` every fourth byte of `connect` is one.
const CUTS: usize = 12;
const MORE_CUTS: usize = 50;

fn ends_at_once(fault: &Fault, edge: &str) {
    let mut took = Vec::new();
    for _ in 0..TRIES {
        let ended = fault.run(edge);
        let after = ended
            .after
            .unwrap_or_else(|| panic!("{}: still open", fault.name));
        if after <= AT_ONCE {
            return;
        }
        took.push(after);
    }
    panic!("{}: ended after {took:?}", fault.name);
}

#[test]
fn malformed_inputs_end_their_own_session_and_a_hundred_viewers_play_on() {
    let mut world = World::start(1);
    let _publisher = world.publish("live", "s");
    let edge = world.edges[0].rtmp().to_owned();
    let mut crowd = Crowd::of(100, &edge, "live", "s");
    crowd.watches(10);
    let before = world.edges[0].peak_memory_bytes();
    let cuts = if long() { MORE_CUTS } else { CUTS };
    let quiet = malformed::quiet(cuts);

    std::thread::scope(|scope| {
        let faults =
            scope.spawn(|| malformed::faults().for_each(|fault| ends_at_once(fault, &edge)));
        let quiet: Vec<_> = quiet
            .iter()
            .map(|one| (one, scope.spawn(|| one.ends_in_time(&edge))))
            .collect();
        // Players go on while the slow ones run into their deadlines.
        while !faults.is_finished() || quiet.iter().any(|(_, one)| !one.is_finished()) {
            crowd.watches(5);
        }
        faults.join().unwrap();
        for (one, ended) in quiet {
            assert!(ended.join().unwrap(), "{}: still open", one.name);
        }
    });
    crowd.watches(10);
    let clip = viewer::frames_of(&media::clip());
    for viewer in &crowd.0 {
        assert!(viewer.closed.is_none() && viewer.saw_only(&clip) && viewer.timestamps.is_sorted());
    }
    let growth = world.edges[0].peak_memory_bytes() - before;
    assert!(
        growth < MOST_GROWTH_BYTES,
        "the edge grew by {growth} bytes"
    );
    assert!(world.edges[0].is_running());
    let logs = world.edges[0].logs();
    assert!(!logs.contains("panicked"), "{logs}");
}

/// Two hundred clients that were not let in, each with as much unfinished as it may have.
#[test]
fn what_is_held_before_admission_is_bounded() {
    const CLIENTS: usize = 200;
    const HELD: usize = 64 << 10;
    let world = World::start(1);
    let edge = world.edges[0].rtmp();
    let before = world.edges[0].peak_memory_bytes();
    let mut clients: Vec<Raw> = (0..CLIENTS).map(|_| Raw::greeted(edge)).collect();
    for client in &mut clients {
        let sizes = [
            2,
            0,
            0,
            0,
            0,
            0,
            4,
            kind::SET_CHUNK_SIZE,
            0,
            0,
            0,
            0,
            0,
            1,
            0,
            0,
        ];
        let begun = [6, 0, 0, 0, 0x7a, 0, 0, kind::VIDEO, 1, 0, 0, 0];
        assert!(client.send(&[&sizes[..], &begun, &vec![0; HELD]].concat()));
    }
    stays(Duration::from_secs(2), "they are waited for", || {
        world.edges[0].peak_memory_bytes() - before < 2 * (CLIENTS * HELD) as u64
    });
}

#[test]
fn legal_but_odd_chunks_play() {
    const SECONDS: u32 = 5;
    let world = World::start(1);
    let edge = world.edges[0].rtmp();
    let clip = viewer::frames_of(&media::clip());
    let tags: Vec<_> = tags(&std::fs::read(media::clip()).unwrap())
        .into_iter()
        .take_while(|tag| tag.timestamp < SECONDS * 1_000)
        .collect();
    std::thread::scope(|scope| {
        for (number, way) in odd::ALL.iter().enumerate() {
            let (tags, clip) = (&tags, &clip);
            scope.spawn(move || {
                let stream = format!("odd-{number}");
                let mut raw = Raw::greeted(edge);
                raw.publish("live", &format!("rtmp://{edge}/live"), &stream);
                let mut viewer = Viewer::play(edge, "live", &stream);
                let begun = Instant::now();
                for (time, bytes) in way.write(tags) {
                    let due = Duration::from_millis(time.into());
                    comes_true(due.saturating_sub(begun.elapsed()), || {
                        viewer.step();
                        false
                    });
                    assert!(raw.send(&bytes), "{}: ended", way.name);
                    viewer.step();
                }
                viewer.watches(60);
                assert!(viewer.saw_only(clip), "{}", way.name);
            });
        }
    });
}

#[test]
fn a_viewer_that_reads_nothing_disturbs_nobody() {
    let world = World::start(1);
    let _publisher = world.publish("live", "s");
    let edge = world.edges[0].rtmp();
    let mut stalled: Vec<Viewer> = (0..10).map(|_| Viewer::play(edge, "live", "s")).collect();
    for viewer in &mut stalled {
        viewer.watches(1);
    }
    let mut healthy = Crowd::of(5, edge, "live", "s");
    healthy.watches(5);
    stays(Duration::from_secs(3), "healthy viewers play", || {
        healthy.step();
        healthy.0.iter().all(|viewer| viewer.closed.is_none())
    });
    healthy.watches(30);
    let clip = viewer::frames_of(&media::clip());
    assert!(healthy.0.iter().all(|viewer| viewer.saw_only(&clip)));
}
