//! What goes wrong while recorded streams are fetched and stored: edges, disks and origins that fail, viewers
//! that leave.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{HOUR_MS, Recorded, SOON, packets};
use crate::harness::eventually::eventually;
use crate::harness::media;
use crate::harness::origin::Origin;
use crate::harness::viewer::{Viewer, frames_of};

#[test]
fn an_edge_killed_while_it_writes_serves_nothing_torn() {
    let mut recorded = Recorded::start(1, HOUR_MS);
    let origin = recorded.world.origin.rtmp_address();
    let direct = packets(&recorded.fetch(&origin, "r.flv", &[]));
    for wait_ms in [5, 20, 60] {
        let (url, file) = (
            recorded.world.edges[0].url("vod/r.flv"),
            recorded.folder.path().join("cut.flv"),
        );
        let asked = recorded.asked();
        let download = std::thread::spawn(move || media::download(&url, &[], &file));
        eventually(SOON, "the origin is asked, or all is stored", || {
            (recorded.asked() > asked || download.is_finished()).then_some(())
        });
        let until = Instant::now() + Duration::from_millis(wait_ms);
        while Instant::now() < until {
            std::thread::yield_now();
        }
        recorded.world.edges[0].kill();
        // It was cut off, or had everything already.
        let _ = download.join().unwrap();
        recorded.world.edges[0].start_again();
        let edge = recorded.edge().to_owned();
        assert_eq!(packets(&recorded.fetch(&edge, "r.flv", &[])), direct);
        let purge = json!({"kind": "all"});
        let order = recorded.world.api.post("/purges", &purge);
        let order = order["order"].as_u64().unwrap();
        eventually(SOON, "everything is purged", || {
            (recorded.receipts(order)?.len() == 1).then_some(())
        });
    }
}

#[test]
fn an_edge_whose_store_cannot_be_written_serves_on_and_says_so() {
    let mut recorded = Recorded::start(1, HOUR_MS);
    recorded.world.edges[0].kill();
    // A file where the folder should be: nobody may write below it, whoever runs this.
    let store = recorded.world.edges[0].data().join("store");
    if store.exists() {
        std::fs::remove_dir_all(&store).unwrap();
    }
    std::fs::write(&store, b"").unwrap();
    recorded.world.edges[0].start_again();
    let origin = recorded.world.origin.rtmp_address();
    let direct = packets(&recorded.fetch(&origin, "r.flv", &[]));
    let asked = recorded.asked();
    for _ in 0..2 {
        assert_eq!(
            packets(&recorded.fetch(recorded.edge(), "r.flv", &[])),
            direct
        );
    }
    assert_eq!(recorded.asked(), asked + 1, "memory serves the second");
    let logs = recorded.world.edges[0].logs();
    assert!(logs.contains("the store's disk takes nothing"), "{logs}");
}

#[test]
fn a_viewer_that_leaves_in_the_middle_of_a_fetch_leaves_it_to_the_others() {
    let recorded = Recorded::start(1, HOUR_MS);
    let edge = recorded.edge();
    let before = recorded.asked();
    let mut first = Viewer::play_from(edge, "vod", "r", 0);
    first.watches(10);
    let mut second = Viewer::play_from(edge, "vod", "r", 0);
    second.watches(10);
    drop(first);
    second.buffers(HOUR_MS);
    second.is_told("NetStream.Play.Stop");
    let file = frames_of(&recorded.folder.path().join("made.flv"));
    assert!(second.frames == file, "{} frames", second.frames.len());
    assert_eq!(recorded.asked(), before + 1, "it was fetched once");
}

#[test]
fn an_origin_that_dies_in_the_middle_of_a_fetch_is_followed_by_the_next() {
    let mut recorded = Recorded::start(1, HOUR_MS);
    let second = Origin::start();
    let made = recorded.folder.path().join("made.flv");
    second.put_recorded("r.flv", &made);
    let upstreams = recorded.world.two_upstreams(&second);
    recorded.world.route(json!({
        "name": "two", "app": "two", "rewrite": "vod", "order": 1, "mode": "recorded",
        "upstreams": upstreams,
        "cache": {"enabled": true, "default_ttl_ms": HOUR_MS, "max_object_bytes": -1},
    }));
    recorded.world.settle();
    let mut viewer = Viewer::play_from(recorded.edge(), "two", "r", 0);
    // It is fetched half a minute ahead of who watches, and no further.
    viewer.watches(60);
    recorded.world.origin.kill();
    viewer.buffers(HOUR_MS);
    viewer.is_told("NetStream.Play.Stop");
    let file = frames_of(&made);
    assert!(viewer.frames == file, "{} frames", viewer.frames.len());
    assert!(second.accepted() > 0);
}
