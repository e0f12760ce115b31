//! The programs that people use play and publish through an edge, one after another.

use std::time::Duration;

use crate::harness::eventually::eventually;
use crate::harness::media;
use crate::harness::programs;
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(15);

#[test]
fn ffmpeg_rtmpdump_curl_and_gstreamer_play() {
    let world = World::start(1);
    let _publisher = world.publish("live", "s");
    let url = world.edges[0].url("live/s");
    let live = format!("{url} live=1");
    for (what, played) in [
        ("ffmpeg", media::play_for(&url, 2)),
        (
            "the newer ffmpeg",
            media::play_enhanced(&url, 2).wait(SOON * 2),
        ),
        ("rtmpdump", media::rtmpdump_for_a_while(&["-r", &url], SOON)),
        ("curl", programs::curl_plays(&url, SOON)),
        ("rtmpsrc", programs::gstreamer_plays("rtmpsrc", &live, SOON)),
        (
            "rtmp2src",
            programs::gstreamer_plays("rtmp2src", &url, SOON),
        ),
    ] {
        media::assert_played(what, &played);
    }
}

/// curl is not among them: Debian's 7.88.1 crashes (SIGSEGV) when it uploads by RTMP, to nginx too. rtmpdump only plays.
#[test]
fn ffmpeg_and_gstreamer_publish() {
    let world = World::start(1);
    let edge = &world.edges[0];
    let publishes = |name: &str| {
        let url = edge.url(&format!("live/{name}"));
        match name {
            "ffmpeg" => media::publish_loop(&url),
            "newer" => media::publish_enhanced(&media::clip(), &url),
            sink => programs::gstreamer_publishes(sink, &url),
        }
    };
    for name in ["ffmpeg", "newer", "rtmpsink", "rtmp2sink"] {
        let publisher = publishes(name);
        let what = format!("the origin has what {name} publishes");
        eventually(SOON, &what, || {
            world.origin.is_published("live", name).then_some(())
        });
        let played = media::play_for(&world.origin.url("live", name), 2);
        media::assert_played(name, &played);
        drop(publisher);
    }
}
