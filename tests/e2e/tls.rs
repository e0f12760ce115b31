//! RTMP inside TLS: real programs, several certificates, and what changes while streams go on.

use std::fs;
use std::io::Read as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::eventually::eventually;
use crate::harness::media::{self, Flow};
use crate::harness::tls::{TlsFront, certificate, shown_for};
use crate::harness::viewer::{self, Crowd, Viewer};
use crate::harness::world::World;

const SOON: Duration = Duration::from_secs(15);

/// A world whose only edge speaks TLS too, with the certificates in these files of the folder.
pub(crate) fn world(folder: &TempDir, files: &[&str]) -> World {
    let mut options = vec!["--rtmps".to_owned(), "127.0.0.1:0".to_owned()];
    for file in files {
        let file = folder.path().join(file);
        options.extend(["--certificate".to_owned(), file.display().to_string()]);
    }
    let mut world = World::start(0);
    world.add_edge_with("edge-1", options);
    world.settle();
    world
}

/// A folder with the certificate of `localhost` in it.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    certificate(&folder.path().join("a.pem"), "a", &["localhost"]);
    folder
}

#[test]
fn ffmpeg_publishes_and_plays_inside_tls() {
    let folder = folder();
    let mut world = world(&folder, &["a.pem"]);
    let at = world.edges[0].rtmps();
    let _publisher = media::publish_loop(&format!("rtmps://{at}/live/s"));
    eventually(SOON, "the origin has the stream", || {
        world.origin.is_published("live", "s").then_some(())
    });
    let url = format!("rtmps://{at}/live/s");
    media::assert_played("ffmpeg inside TLS", &media::play_for(&url, 3));
    // The same stream outside of TLS, from the same ring.
    let plain = world.edges[0].url("live/s");
    media::assert_played("ffmpeg outside", &media::play_for(&plain, 1));
    let ways = eventually(SOON, "three sessions are known", || {
        let sessions = world.sessions("");
        let ways: Vec<Value> = sessions.iter().map(|one| one["ingress"].clone()).collect();
        (ways.len() == 3).then_some(ways)
    });
    assert_eq!(ways.iter().filter(|way| **way == "rtmps").count(), 2);
    let shown = world.api.get(&format!("/edges/{}", world.edges[0].id));
    assert_eq!(shown["listeners"]["rtmps"], at, "{shown}");
    // Viewers are served from what is published here: the origin has the edge alone.
    assert_eq!(world.origin.clients_of("live", "s"), 1);
}

#[test]
fn each_name_has_its_certificate_and_new_files_are_used_while_streams_go_on() {
    let folder = folder();
    let file = |name: &str| -> PathBuf { folder.path().join(name) };
    certificate(&file("b.pem"), "b", &["b.example", "*.wild.example"]);
    certificate(&file("c.pem"), "c", &["own.wild.example"]);
    let mut world = world(&folder, &["a.pem", "b.pem", "c.pem"]);
    let at = world.edges[0].rtmps();
    for (name, version, expected) in [
        (Some("localhost"), "-tls1_3", "a"),
        (Some("b.example"), "-tls1_3", "b"),
        (Some("b.example"), "-tls1_2", "b"),
        (Some("any.wild.example"), "-tls1_3", "b"),
        (Some("own.wild.example"), "-tls1_3", "c"),
        (Some("far.any.wild.example"), "-tls1_3", "a"),
        (Some("unknown.example"), "-tls1_2", "a"),
        (None, "-tls1_3", "a"),
    ] {
        assert_eq!(
            shown_for(&at, name, version),
            expected,
            "{name:?} {version}"
        );
    }

    let _publisher = world.publish("live", "s");
    let front = TlsFront::into_tls(&at);
    let mut watching = Viewer::play(&front.address(), "live", "s");
    watching.watches(5);
    // Renewed: noticed by itself.
    replace(&file("b.pem"), |new| certificate(new, "b2", &["b.example"]));
    eventually(SOON, "the new certificate is shown", || {
        (shown_for(&at, Some("b.example"), "-tls1_3") == "b2").then_some(())
    });
    // Damaged: the one before stays, and the console says so.
    replace(&file("c.pem"), |new| {
        fs::write(new, "no certificate").unwrap()
    });
    world.edges[0].reload();
    let path = format!("/edges/{}", world.edges[0].id);
    let said = eventually(SOON, "the fault is reported", || {
        let shown = world.api.get(&path);
        let fault = shown["report"]["faults"][0]["message"].as_str()?;
        Some(fault.to_owned())
    });
    assert!(
        said.contains("c.pem") && said.contains("still used for `own.wild.example`"),
        "{said}"
    );
    assert_eq!(shown_for(&at, Some("own.wild.example"), "-tls1_3"), "c");
    let page = world.api.ask_whole("GET", &path, None).text();
    assert!(
        page.contains("holds no certificate"),
        "the page does not say it"
    );
    assert!(world.edges[0].logs().contains("certificate cannot be used"));
    // Repaired, and read when it is asked for.
    replace(&file("c.pem"), |new| {
        certificate(new, "c2", &["own.wild.example"])
    });
    world.edges[0].reload();
    eventually(SOON, "the fault is gone", || {
        let shown = world.api.get(&path);
        (shown["report"]["faults"] == serde_json::json!([])).then_some(())
    });
    assert_eq!(shown_for(&at, Some("own.wild.example"), "-tls1_3"), "c2");
    watching.watches(5);
    assert!(watching.closed.is_none() && watching.timestamps.is_sorted());
}

/// Puts a new file in place of another at once, as programs that renew certificates do.
fn replace(file: &Path, make: impl Fn(&Path)) {
    let new = file.with_extension("new");
    make(&new);
    fs::rename(&new, file).expect("a file can be renamed");
}

#[test]
fn a_hundred_viewers_inside_tls_miss_nothing_beside_silent_and_slow_ones() {
    let folder = folder();
    let mut world = world(&folder, &["a.pem"]);
    let at = world.edges[0].rtmps();
    let _publisher = world.publish("live", "s");
    let mut silent = TcpStream::connect(&at).unwrap();
    let begun = Instant::now();
    silent
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let front = TlsFront::into_tls(&at);
    let mut slow: Vec<Viewer> = (0..5)
        .map(|_| Viewer::play(&front.address(), "live", "s"))
        .collect();
    for viewer in &mut slow {
        viewer.watches(1);
    }
    let mut crowd = Crowd::of(100, &front.address(), "live", "s");
    crowd.watches(60);
    let clip = viewer::frames_of(&media::clip());
    for viewer in &crowd.0 {
        assert!(viewer.closed.is_none(), "{:?}", viewer.said);
        assert!(viewer.saw_only(&clip) && viewer.timestamps.is_sorted());
    }
    assert_eq!(world.origin.clients_of("live", "s"), 2);
    // Who begins no handshake is closed on at the deadline of 10 s.
    let mut byte = [0];
    let closed = silent.read(&mut byte);
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    let after = begun.elapsed();
    assert!(
        after >= Duration::from_secs(9) && after < Duration::from_secs(18),
        "{after:?}"
    );
}

#[test]
fn a_recorded_stream_is_whole_inside_tls() {
    let folder = folder();
    let mut world = world(&folder, &["a.pem"]);
    world.route(json!({"name": "recorded", "app": "vod", "order": 1, "mode": "recorded"}));
    world.settle();
    let made = folder.path().join("made.flv");
    media::make_recording(2, &made);
    world.origin.put_recorded("r.flv", &made);
    // Debian's rtmpdump speaks no TLS of its own.
    let front = TlsFront::into_tls(&world.edges[0].rtmps());
    let packets = |name: &str, address: &str| {
        let file = folder.path().join(name);
        let outcome = media::download(&format!("rtmp://{address}/vod/r.flv"), &[], &file);
        assert!(matches!(outcome.status.code(), Some(0 | 2)), "{outcome}");
        media::packets(&file, Flow::Video)
    };
    let plain = packets("plain.flv", world.edges[0].rtmp());
    assert!(plain.len() > 500, "{}", plain.len());
    assert_eq!(packets("tls.flv", &front.address()), plain);
}
