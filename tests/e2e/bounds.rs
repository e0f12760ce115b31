//! Malformed and hostile connections end themselves only: within the bounds, with the edge's memory flat and
//! other viewers playing on.

use std::time::Duration;

use crate::harness::eventually::stays;
use crate::harness::malformed;
use crate::harness::media;
use crate::harness::viewer::{self, Crowd, Viewer};
use crate::harness::world::World;

/// What all attacks together may add to the edge's memory: 16 connections with their buffers are far below.
const MOST_GROWTH_BYTES: u64 = 64 << 20;

#[test]
fn malformed_inputs_end_their_own_session_and_twenty_viewers_play_on() {
    let mut world = World::start(1);
    let _publisher = world.publish("live", "s");
    let edge = world.edges[0].rtmp().to_owned();
    let mut crowd = Crowd::of(20, &edge, "live", "s");
    crowd.watches(10);
    let before = world.edges[0].peak_memory_bytes();

    let ends: Vec<_> = std::thread::scope(|scope| {
        let attacks: Vec<_> = malformed::ALL
            .iter()
            .map(|input| (input, scope.spawn(|| input.run(&edge))))
            .collect();
        // Players go on while the slow ones run into their deadlines.
        while attacks.iter().any(|(_, attack)| !attack.is_finished()) {
            crowd.watches(5);
        }
        attacks
            .into_iter()
            .map(|(input, attack)| (input, attack.join().unwrap()))
            .collect()
    });
    for (input, ended) in ends {
        let after = ended
            .after
            .unwrap_or_else(|| panic!("{}: still open", input.name));
        assert!(
            after <= input.within,
            "{}: ended after {after:?}",
            input.name
        );
    }
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
