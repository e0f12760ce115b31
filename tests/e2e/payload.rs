//! What goes in comes out: hashes of audio and video of the same file, by every way through an edge.

use std::time::Duration;

use crate::harness::attack::Raw;
use crate::harness::eventually::eventually;
use crate::harness::media::{self, Flow};
use crate::harness::tape::Tape;
use crate::harness::viewer::Viewer;
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);
/// Pictures that a viewer's tape has at least: a second and a half of the clip.
const PICTURES: usize = 36;

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

#[test]
fn a_file_is_the_same_by_one_and_by_two_edges() {
    let world = World::start(2);
    let (first, second) = (world.edges[0].rtmp(), world.edges[1].rtmp());
    let origin = world.origin.rtmp_address();
    let whole = Tape::of_file(&media::clip());
    let chain = |next: &str| format!("?rtmp://{next}/?rtmp://{origin}/live");
    // Published through one edge, and through two.
    for (name, url) in [
        ("once", world.edges[0].url("live/once")),
        ("twice", format!("rtmp://{first}/{}/twice", chain(second))),
    ] {
        let _publisher = media::publish_once(&url, 12);
        eventually(SOON, "the origin has the stream", || {
            world.origin.is_published("live", name).then_some(())
        });
        let ways = [
            ("at the origin", &*origin, "live".to_owned()),
            ("by the publisher's edge", first, "live".to_owned()),
            ("by the other edge", second, "live".to_owned()),
            ("by a chain of two", second, chain(first)),
        ];
        let viewers = ways.map(|(way, at, app)| (way, Viewer::play(at, &app, name).record()));
        for (way, viewer) in viewers {
            let what = format!("published {name}, played {way}");
            let tape = viewer.tape_of(PICTURES);
            tape.assert_part_of(&whole, &what, PICTURES);
            tape.assert_begins_well(&whole, &what);
        }
    }
    // A client that belongs to the second edge, and asks the first.
    let here = world.client_here("here");
    world.assign(&here, &world.edges[1], "relay");
    world.settle();
    let _publisher = world.publish("live", "assigned");
    let tape = Viewer::play(first, "live", "assigned")
        .record()
        .tape_of(PICTURES);
    tape.assert_part_of(&whole, "relayed to its edge", PICTURES);
    tape.assert_begins_well(&whole, "relayed to its edge");
}
