//! The harness on its own: that origins, publishers, players, counts and hashes are what tests take them for,
//! before anything is blamed on an edge.

use std::process::Command;
use std::time::Duration;

use crate::harness::attack::Raw;
use crate::harness::browser::Browser;
use crate::harness::eventually::{eventually, stays};
use crate::harness::media::{self, Flow};
use crate::harness::origin::Origin;
use crate::harness::process::{Running, Signal};
use crate::harness::viewer::{self, Crowd};
use crate::harness::{http, malformed};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_published_stream_plays_at_the_origin_and_its_payload_is_the_files() {
    let origin = Origin::start();
    let before = origin.accepted();
    let _publisher = media::publish_loop(&origin.url("live", "s"));
    eventually(SOON, "the stream is published", || {
        origin.is_published("live", "s").then_some(())
    });

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("played.flv");
    let played = media::play_for(&origin.url("live", "s"), 3);
    assert!(played.status.success() && !played.timed_out, "{played}");
    media::assert_played("ffmpeg", &played);
    std::fs::write(&file, &played.stdout).unwrap();
    let times = media::timestamps(&file, Flow::Video);
    assert!(times.len() > 60 && times.is_sorted(), "{times:?}");

    let mut crowd = Crowd::of(3, &origin.rtmp_address(), "live", "s");
    crowd.watches(40);
    let clip = viewer::frames_of(&media::clip());
    assert!(crowd.0.iter().all(|viewer| viewer.saw_only(&clip)));
    assert!(crowd.0.iter().all(|viewer| viewer.timestamps.is_sorted()));
    drop(crowd);

    let url = origin.url("live", "s");
    let dumped = media::rtmpdump_for_a_while(&["-r", &url], SOON);
    assert!(dumped.stdout_bytes > 50_000, "{dumped}");
    assert_eq!(
        origin.accepted() - before,
        6,
        "one publisher and five players"
    );
    eventually(SOON, "only the publisher is left", || {
        (origin.clients_of("live", "s") == 1).then_some(())
    });
}

#[test]
fn an_origin_comes_back_after_a_crash_on_the_same_ports() {
    let mut origin = Origin::start();
    origin.kill();
    assert!(http::get(&origin.http_address(), "/stat").is_err());
    origin.restart();
    stays(
        Duration::from_millis(200),
        "nothing connects by itself",
        || origin.accepted() == 0,
    );
}

#[test]
fn a_recording_and_a_recorded_stream_are_the_file() {
    let origin = Origin::start();
    origin.put_recorded("clip.flv", &media::clip());
    let played = media::play_for(&origin.url("vod", "clip.flv"), 2);
    assert!(played.stdout_bytes > 50_000, "{played}");

    let publisher = media::publish_once(&origin.url("archive", "once"), 3);
    let published = publisher.wait(Duration::from_secs(30));
    assert!(published.status.success(), "{published}");
    let recording = origin.recording("once");
    let whole = media::packets(&media::clip(), Flow::Video);
    eventually(SOON, "the recording is the clip's first 3 s", || {
        let recorded = media::packets(&recording, Flow::Video);
        (recorded.len() >= 85 && whole.starts_with(&recorded)).then_some(())
    });
}

#[test]
fn requests_to_the_http_origin_are_counted() {
    let origin = Origin::start();
    origin.put("/media/a.ts", b"bytes");
    for _ in 0..2 {
        let answer = http::get(&origin.http_address(), "/media/a.ts").unwrap();
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("video/mp2t"))
        );
        assert_eq!(answer.header("cache-control"), Some("public, max-age=60"));
    }
    let url = format!("http://{}/private/none", origin.http_address());
    let refused = media::curl(
        &["--write-out", "%{http_code}", "--output", "/dev/null", &url],
        SOON,
    );
    assert_eq!(String::from_utf8_lossy(&refused.stdout), "404");
    eventually(SOON, "the log counts", || {
        let counts = ["/media/a.ts", "/private/none"].map(|path| origin.requests_for(path));
        (counts == [2, 1]).then_some(())
    });
    assert!(
        origin.logs().contains("/private/none 404"),
        "{}",
        origin.logs()
    );
}

#[test]
fn audio_cut_into_video_is_legal_to_a_real_origin() {
    let origin = Origin::start();
    let mut raw = Raw::greeted(&origin.rtmp_address());
    raw.publish(
        "live",
        &format!("rtmp://{}/live", origin.rtmp_address()),
        "cut",
    );
    let player = media::play(&origin.url("live", "cut"), 3);
    raw.send_interleaved(&media::clip(), 5);
    media::assert_played("ffmpeg", &player.wait(Duration::from_secs(30)));
}

#[test]
fn malformed_inputs_are_sent_and_their_end_is_seen() {
    let origin = Origin::start();
    // nginx-rtmp ends what its own bounds forbid; what it does not mind is the edge's to end.
    let huge = malformed::faults()
        .find(|input| input.name == "16 MiB before connect")
        .unwrap();
    let ended = huge.run(&origin.rtmp_address());
    assert!(ended.after.is_some(), "{ended:?}");
    let names: Vec<&str> = malformed::faults().map(|input| input.name).collect();
    let unlike: std::collections::BTreeSet<_> = names.iter().collect();
    assert!(
        unlike.len() == names.len() && names.len() >= 50,
        "{names:?}"
    );
}

#[test]
fn a_program_is_heard_frozen_and_ended() {
    let mut program =
        Running::start(Command::new("sh").args(["-c", "echo listening on port 9; exec sleep 60"]));
    let port: u16 = program.says(SOON, "its port", |line| {
        line.strip_prefix("listening on port ")?.parse().ok()
    });
    assert_eq!(port, 9);
    program.signal(Signal::Stop);
    program.signal(Signal::Terminate);
    stays(Duration::from_millis(100), "a frozen program lives", || {
        program.is_running()
    });
    program.signal(Signal::Continue);
    let ended = program.wait(SOON);
    assert!(
        !ended.timed_out && !ended.status.success() && ended.elapsed < SOON,
        "{ended}"
    );
    assert_eq!(ended.stdout_bytes, 20, "{ended}");
}

#[test]
fn a_browser_fills_in_a_form_and_follows_it() {
    let origin = Origin::start();
    origin.put("/media/there.html", b"<h1>Thank you</h1>");
    origin.put(
        "/media/form.html",
        b"<form action=/media/there.html><label for=n>Name</label><input id=n name=n value=old>\
          <label>Edge <select name=e><option value=1>one</option><option value=2>two</option></select></label>\
          <button>Save</button></form>",
    );
    let browser = Browser::open(390, 844);
    browser.goto(&format!("http://{}/media/form.html", origin.http_address()));
    assert!(browser.text().contains("Name") && browser.has("//select"));
    browser.fill("Name", "Ada");
    browser.choose("Edge", "two");
    browser.press("Save");
    browser.sees("Thank you");
    assert!(
        browser.url().ends_with("/media/there.html?n=Ada&e=2"),
        "{}",
        browser.url()
    );
}
