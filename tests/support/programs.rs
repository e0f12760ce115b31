//! Real programs other than ffmpeg as players and publishers: GStreamer's RTMP elements (`rtmpsrc` and `rtmpsink` are
//! librtmp, `rtmp2src` and `rtmp2sink` an implementation of their own) and curl, which is librtmp too. URLs in, running
//! programs and outcomes out.

use std::process::Command;
use std::time::Duration;

use super::eventually::comes_true;
use super::media;
use super::process::{Outcome, Running, Signal};

/// Bytes after which a player has seen enough: about two seconds of the clip.
const ENOUGH: u64 = 120_000;

/// A pipeline of GStreamer's, in its own words.
fn pipeline(words: &[&str]) -> Running {
    let mut command = Command::new("gst-launch-1.0");
    command.arg("--quiet").args(words);
    // Its list of plug-ins need not be written where the user keeps his own.
    Running::start(command.env("GST_REGISTRY_FORK", "no"))
}

/// Plays with one of GStreamer's sources until enough came, or it has ended by itself, or the deadline.
pub(crate) fn gstreamer_plays(source: &str, url: &str, deadline: Duration) -> Outcome {
    let location = format!("location={url}");
    stop_when_enough(
        pipeline(&[source, &location, "!", "fdsink", "fd=1"]),
        deadline,
    )
}

/// Publishes the clip in real time with one of GStreamer's sinks, once.
pub(crate) fn gstreamer_publishes(sink: &str, url: &str) -> Running {
    let file = format!("location={}", media::clip().display());
    let location = format!("location={url}");
    let video = ["demux.video", "!", "queue", "!", "mux.video"];
    let audio = ["demux.audio", "!", "queue", "!", "mux.audio"];
    let front = ["filesrc", &file, "!", "flvdemux", "name=demux"];
    let back = [
        "flvmux",
        "name=mux",
        "streamable=true",
        "!",
        "clocksync",
        "!",
        sink,
        &location,
    ];
    pipeline(&[&front[..], &back, &video, &audio].concat())
}

/// Plays with curl until enough came, or it has ended by itself, or the deadline.
pub(crate) fn curl_plays(url: &str, deadline: Duration) -> Outcome {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--output", "-", url]);
    stop_when_enough(Running::start(&mut command), deadline)
}

fn stop_when_enough(mut running: Running, deadline: Duration) -> Outcome {
    let enough = comes_true(deadline, || {
        running.stdout_bytes() > ENOUGH || !running.is_running()
    });
    if enough && running.is_running() {
        running.signal(Signal::Terminate);
    }
    running.wait(deadline)
}
