//! What goes in comes out: hashes of audio and video of the same file, by every way through an edge.

use std::time::Duration;

use crate::harness::attack::Raw;
use crate::harness::eventually::eventually;
use crate::harness::media::{self, Flow};
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_file_published_through_an_edge_is_the_file_at_the_origin() {
    let world = World::start(1);
    let publisher = media::publish_once(&world.edges[0].url("archive/once"), 5);
    let published = publisher.wait(Duration::from_secs(30));
    assert!(published.status.success(), "{published}");
    let recording = world.origin.recording("once");
    for flow in [Flow::Audio, Flow::Video] {
        let whole = media::packets(&media::clip(), flow);
        eventually(SOON, "the recording is the beginning of the file", || {
            let recorded = media::packets(&recording, flow);
            (recorded.len() >= 145 && whole.starts_with(&recorded)).then_some(())
        });
    }
}

#[test]
fn what_plays_through_an_edge_is_what_plays_at_the_origin() {
    let world = World::start(1);
    let _publisher = world.publish("live", "s");
    let through = media::play(&world.edges[0].url("live/s"), 4);
    let direct = media::play(&world.origin.url("live", "s"), 4);
    media::assert_played("through the edge", &through.wait(SOON * 3));
    media::assert_played("at the origin", &direct.wait(SOON * 3));
}

#[test]
fn audio_cut_into_video_arrives_whole() {
    let world = World::start(1);
    let edge = world.edges[0].rtmp();
    let mut raw = Raw::greeted(edge);
    raw.publish("live", &format!("rtmp://{edge}/live"), "cut");
    let through = media::play(&world.edges[0].url("live/cut"), 3);
    let at_origin = media::play(&world.origin.url("live", "cut"), 3);
    raw.send_interleaved(&media::clip(), 6);
    media::assert_played("on the same edge", &through.wait(SOON * 3));
    media::assert_played("at the origin", &at_origin.wait(SOON * 3));
}

#[test]
fn a_handshake_written_byte_by_byte_is_taken() {
    let world = World::start(1);
    let edge = world.edges[0].rtmp();
    let mut raw = Raw::open(edge);
    raw.shake_hands(1);
    raw.publish("live", &format!("rtmp://{edge}/live"), "slowly");
    let player = media::play(&world.edges[0].url("live/slowly"), 3);
    raw.send_interleaved(&media::clip(), 6);
    media::assert_played("a slow greeter's stream", &player.wait(SOON * 3));
}
