//! Enhanced RTMP through edges: codecs by FourCC, several tracks, codecs that nobody has heard of. The newer ffmpeg
//! publishes and plays; the origin is made of our own `rtmp` crate, because nginx's module speaks plain FLV only.

use std::time::Duration;

use rtmp::{Message, MessageKind};

use crate::harness::eventually::eventually;
use crate::harness::long;
use crate::harness::media;
use crate::harness::own_origin::OwnOrigin;
use crate::harness::tape::Tape;
use crate::harness::viewer::Viewer;
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(10);
/// Pictures that a viewer's tape has at least: a second and a half.
const PICTURES: usize = 36;

#[test]
fn hevc_av1_vp9_opus_flac_and_ac3_are_the_same_by_one_and_by_two_edges() {
    let world = World::start(2);
    let own = OwnOrigin::start();
    world.add_rtmp_origin(&own.address(), "new");
    let (first, second) = (world.edges[0].rtmp(), world.edges[1].rtmp());
    let chain = |next: &str| format!("?rtmp://{next}/?rtmp://{}/new", own.address());
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for codecs in &media::ENHANCED {
        let name = codecs.four_ccs[0];
        let file = folder.path().join(format!("{name}.flv"));
        media::make(codecs, 14, &file);
        let whole = Tape::of_file(&file);
        // The first goes through one edge to the origin, the others through two.
        let publisher = if name == "hvc1" {
            media::publish_enhanced(&file, &world.edges[0].url(&format!("new/{name}")))
        } else {
            let url = format!("rtmp://{first}/{}/{name}", chain(second));
            media::publish_enhanced(&file, &url)
        };
        eventually(SOON, "the origin has the stream", || {
            own.plays(&format!("new/{name}")).then_some(())
        });
        let ffmpeg = media::play_enhanced(&format!("rtmp://{second}/{}/{name}", chain(first)), 2);
        let ways = [
            ("by the publisher's edge", first, "new".to_owned()),
            ("by the other edge", second, "new".to_owned()),
            ("by a chain of two", second, chain(first)),
        ];
        let viewers = ways.map(|(way, at, app)| (way, Viewer::play(at, &app, name).record()));
        for (way, viewer) in viewers {
            let what = format!("{name} {way}");
            let tape = viewer.tape_of(PICTURES);
            tape.assert_part_of(&whole, &what, PICTURES);
            tape.assert_begins_well(&own.tape(&format!("new/{name}")), &what);
        }
        let what = format!("{name} by a chain of two, with ffmpeg");
        media::assert_played_enhanced(&what, &ffmpeg.wait(SOON * 3), &file);
        eventually(SOON, "the report names the codecs", || {
            let streams = world.api.items("/streams");
            let named = |stream: &serde_json::Value| {
                let shown = stream.to_string();
                codecs
                    .four_ccs
                    .iter()
                    .all(|four_cc| shown.contains(four_cc))
            };
            streams.iter().any(named).then_some(())
        });
        if long() {
            let published = publisher.wait(SOON * 3);
            assert!(published.status.success(), "{published}");
        }
        let at_origin = own.tape(&format!("new/{name}"));
        at_origin.assert_part_of(&whole, &format!("{name} at the origin"), PICTURES);
    }
}

fn video(at: u32, body: &[u8]) -> Message {
    Message::new(MessageKind::Video, at, 1, body.to_vec())
}

fn audio(at: u32, body: &[u8]) -> Message {
    Message::new(MessageKind::Audio, at, 1, body.to_vec())
}

/// Publishes messages by our own client through the first edge, and asserts that who comes afterwards gets these of
/// them, pictures and sound each in this order: by the same edge, and by the second, which asks the origin.
#[track_caller]
fn assert_late_joiner(
    world: &World,
    own: &OwnOrigin,
    name: &str,
    sent: &[Message],
    expected: &[usize],
) {
    let mut publisher = Viewer::publish(world.edges[0].rtmp(), "new", name);
    publisher.is_told("NetStream.Publish.Start");
    publisher.sends(sent);
    let path = format!("new/{name}");
    eventually(SOON, "all of it is at the origin", || {
        publisher.step();
        (own.tape(&path).0.len() == sent.len()).then_some(())
    });
    let at_origin: Vec<_> = own
        .tape(&path)
        .0
        .iter()
        .map(|one| one.payload.clone())
        .collect();
    let as_sent: Vec<_> = sent.iter().map(|one| one.payload.clone()).collect();
    assert_eq!(at_origin, as_sent, "{name} at the origin");
    let wanted: Vec<_> = expected.iter().map(|at| &sent[*at]).collect();
    for edge in &world.edges {
        let mut viewer = Viewer::play(edge.rtmp(), "new", name).record();
        let got = || {
            publisher.step();
            viewer.step();
            let tape = viewer.tape.as_ref().expect("it records");
            let media = tape
                .0
                .iter()
                .filter(|one| one.kind != MessageKind::DataAmf0);
            let got: Vec<_> = media.cloned().collect();
            (got.len() >= wanted.len()).then_some(got)
        };
        let got = eventually(SOON, &format!("{name} plays on {}", edge.name), got);
        for kind in [MessageKind::Video, MessageKind::Audio] {
            let got = got.iter().filter(|one| one.kind == kind);
            let wanted = wanted.iter().filter(|one| one.kind == kind);
            assert_eq!(
                got.map(|one| &one.payload).collect::<Vec<_>>(),
                wanted.map(|one| &one.payload).collect::<Vec<_>>(),
                "{name} on {}",
                edge.name
            );
        }
    }
}

#[test]
fn a_late_joiner_gets_headers_and_a_keyframe_first_in_every_codec() {
    let world = World::start(2);
    let own = OwnOrigin::start();
    world.add_rtmp_origin(&own.address(), "new");
    for (picture, sound) in [
        ("avc1", "mp4a"),
        ("hvc1", "Opus"),
        ("av01", "fLaC"),
        ("vp09", "ac-3"),
        ("zzz9", "zzz8"),
    ] {
        let video = |at: u32, first: u8, rest: &[u8]| {
            video(at, &[&[first], picture.as_bytes(), rest].concat())
        };
        let audio = |at: u32, first: u8, rest: &[u8]| {
            audio(at, &[&[first], sound.as_bytes(), rest].concat())
        };
        let sent = [
            video(0, 0x90, b"an older header"),
            video(0, 0x90, b"header"),
            video(0, 0xd4, b"color"),
            audio(0, 0x90, b"header"),
            audio(0, 0x94, b"channels"),
            video(0, 0x93, b"first keyframe"),
            audio(10, 0x91, b"sound"),
            video(40, 0xa3, b"picture"),
            // A command of one byte, a part with nanoseconds before the packet.
            Message::new(MessageKind::Video, 60, 1, vec![0xd0, 0]),
            video(80, 0x93, b"second keyframe"),
            audio(90, 0x91, b"sound of that"),
            video(120, 0xa1, b"\0\0\0picture of that"),
            Message::new(
                MessageKind::Video,
                160,
                1,
                [
                    b"\xa7\x02\x00\x0f\xff\x01",
                    picture.as_bytes(),
                    b"\0\0\0to the nanosecond",
                ]
                .concat(),
            ),
        ];
        assert_late_joiner(&world, &own, picture, &sent, &[1, 2, 3, 4, 9, 10, 11, 12]);
    }
}

#[test]
fn several_tracks_pass_untouched_and_a_late_joiner_gets_the_headers_of_each() {
    let world = World::start(2);
    let own = OwnOrigin::start();
    world.add_rtmp_origin(&own.address(), "new");
    let sent = [
        // A track of plain FLV, one by FourCC, many of one codec in one message, many of several.
        video(0, b"\x17\x00\x00\x00\x00header of 0"),
        video(0, b"\x96\x00hvc1\x01header of 1"),
        video(0, b"\x96\x10av01\x02\0\0\x01a\x03\0\0\x01b"),
        video(0, b"\x96\x20zzz9\x04\0\0\x01chvc1\x05\0\0\x01d"),
        audio(0, b"\xaf\x00header"),
        audio(0, b"\x95\x00Opus\x01header of 1"),
        audio(0, b"\x95\x04Opus\x01channels of 1"),
        // A moment: the first track's keyframe comes before the others'.
        video(0, b"\x17\x01\x00\x00\x00key of 0"),
        video(0, b"\x96\x03hvc1\x01key of 1"),
        audio(5, b"\x95\x01Opus\x01sound of 1"),
        video(40, b"\x27\x01\x00\x00\x00picture of 0"),
        // Newer headers for two of four tracks: the older ones are still those of the others.
        video(60, b"\x96\x00av01\x02newer header of 2"),
        video(80, b"\x17\x01\x00\x00\x00newer key of 0"),
        video(80, b"\x96\x03hvc1\x01newer key of 1"),
        video(80, b"\x96\x13av01\x02\0\0\x01e\x03\0\0\x01f"),
        audio(90, b"\xaf\x01sound of 0"),
        audio(90, b"\x95\x01Opus\x01sound of 1"),
        video(120, b"\x27\x01\x00\x00\x00newer picture of 0"),
    ];
    let expected = [0, 1, 2, 3, 11, 4, 5, 6, 12, 13, 14, 15, 16, 17];
    assert_late_joiner(&world, &own, "tracks", &sent, &expected);
}
