//! Real media programs: ffmpeg and rtmpdump as publishers and players, and hashes of what they carried. URLs
//! and files in, running programs, outcomes and packets out.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::eventually::comes_true;
use super::process::{Outcome, Running, Signal, run};

/// Added to the media time that is asked for before a player is given up.
const SLACK: Duration = Duration::from_secs(20);

/// The demo's clip: 12 s of H.264 and AAC with a keyframe each second.
pub(crate) fn clip() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo/clip.flv")
}

fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-loglevel", "warning"]);
    command
}

/// A newer ffmpeg than Debian's, which speaks Enhanced RTMP.
///
/// # Panics
/// When it is not there: `tests/programs` fetches it.
fn newer_ffmpeg() -> Command {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("it lies in the build folder");
    let program = folder.join("test-programs/ffmpeg");
    assert!(
        program.exists(),
        "{} is not there: `tests/programs` fetches it",
        program.display()
    );
    let mut command = Command::new(program);
    command.args(["-hide_banner", "-nostdin", "-loglevel", "error"]);
    command
}

/// Codecs that Enhanced RTMP carries: what the newer ffmpeg calls their encoders, and their FourCCs.
pub(crate) struct Codecs {
    pub(crate) video: &'static [&'static str],
    pub(crate) audio: &'static str,
    pub(crate) four_ccs: [&'static str; 2],
}

/// HEVC, AV1 and VP9 with Opus, FLAC and AC-3.
pub(crate) const ENHANCED: [Codecs; 3] = [
    Codecs {
        video: &["libx265", "-x265-params", "log-level=none:pools=1"],
        audio: "libopus",
        four_ccs: ["hvc1", "Opus"],
    },
    Codecs {
        video: &["libaom-av1", "-usage", "realtime", "-cpu-used", "8"],
        audio: "flac",
        four_ccs: ["av01", "fLaC"],
    },
    Codecs {
        video: &["libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
        audio: "ac3",
        four_ccs: ["vp09", "ac-3"],
    },
];

/// Makes an FLV file of so many seconds in these codecs, with 25 pictures and a keyframe each second; the
/// sound is noise, so that no frame of it comes twice.
pub(crate) fn make(codecs: &Codecs, seconds: u32, file: &Path) {
    let made = run(
        newer_ffmpeg()
            .args([
                "-f",
                "lavfi",
                "-i",
                &format!("testsrc2=s=160x120:r=25:d={seconds}"),
            ])
            .args([
                "-f",
                "lavfi",
                "-i",
                &format!("anoisesrc=r=48000:a=0.2:seed=1:d={seconds}"),
            ])
            .arg("-c:v")
            .args(codecs.video)
            .args(["-g", "25", "-c:a", codecs.audio, "-f", "flv"])
            .arg(file),
        SLACK * 3,
    );
    assert!(
        made.status.success(),
        "no {:?} can be made: {made}",
        codecs.four_ccs
    );
}

/// Publishes a file with the newer ffmpeg, in real time, once.
pub(crate) fn publish_enhanced(file: &Path, url: &str) -> Running {
    let mut command = newer_ffmpeg();
    command
        .arg("-re")
        .arg("-i")
        .arg(file)
        .args(["-c", "copy", "-f", "flv"]);
    Running::start(command.args([
        "-rtmp_enhanced_codecs",
        "hvc1,av01,vp09,Opus,fLaC,ac-3",
        url,
    ]))
}

/// Plays with the newer ffmpeg as [`play`] does.
pub(crate) fn play_enhanced(url: &str, seconds: u32) -> Running {
    let seconds = seconds.to_string();
    let mut command = newer_ffmpeg();
    command.args(["-i", url, "-t", &seconds, "-c", "copy", "-f", "flv", "-"]);
    Running::start(&mut command)
}

/// Publishes the clip in real time, over and over, until it is dropped.
pub(crate) fn publish_loop(url: &str) -> Running {
    publish_with(&[], url)
}

/// The same with options of ffmpeg's RTMP output before the URL.
pub(crate) fn publish_with(options: &[&str], url: &str) -> Running {
    let mut command = ffmpeg();
    command
        .args(["-re", "-stream_loop", "-1", "-i"])
        .arg(clip())
        .args(["-c", "copy"]);
    Running::start(command.args(options).args(["-f", "flv", url]))
}

/// Publishes the clip's first seconds over and over in real time, with a keyframe each ten pictures.
pub(crate) fn publish_with_many_keyframes(url: &str, folder: &Path) -> Running {
    let file = folder.join("many-keyframes.flv");
    let mut command = ffmpeg();
    command.arg("-t").arg("4").arg("-i").arg(clip()).args([
        "-c:a",
        "copy",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-g",
        "10",
        "-bf",
        "0",
        "-s",
        "320x180",
    ]);
    let made = run(command.arg(&file), SLACK);
    assert!(made.status.success(), "{made}");
    let mut command = ffmpeg();
    command
        .args(["-re", "-stream_loop", "-1", "-i"])
        .arg(&file)
        .args(["-c", "copy", "-f", "flv", url]);
    Running::start(&mut command)
}

/// One encoder that publishes the clip to several servers at once, over and over; one that is gone or takes
/// nothing holds up none of the others, and is tried again each second.
pub(crate) fn publish_to_all(urls: &[String]) -> Running {
    let mut command = ffmpeg();
    command
        .args(["-re", "-stream_loop", "-1", "-i"])
        .arg(clip())
        .args(["-c", "copy", "-map", "0", "-f", "tee", "-use_fifo", "1"])
        .args([
            "-fifo_options",
            "drop_pkts_on_overflow=1:attempt_recovery=1:recovery_wait_time=1",
        ]);
    let slaves: Vec<String> = urls
        .iter()
        .map(|url| format!("[f=flv:onfail=ignore]{}", url.replace(':', "\\:")))
        .collect();
    Running::start(command.arg(slaves.join("|")))
}

/// Publishes the clip's first seconds, in real time.
pub(crate) fn publish_once(url: &str, seconds: u32) -> Running {
    let mut command = ffmpeg();
    command
        .args(["-re", "-t", &seconds.to_string(), "-i"])
        .arg(clip());
    Running::start(command.args(["-c", "copy", "-f", "flv", url]))
}

/// Plays with ffmpeg, writing FLV to its standard output, until so many seconds of media came.
pub(crate) fn play(url: &str, seconds: u32) -> Running {
    play_with(&[], url, seconds)
}

/// The same with options of ffmpeg's RTMP input before the URL.
pub(crate) fn play_with(options: &[&str], url: &str, seconds: u32) -> Running {
    let mut command = ffmpeg();
    command.args(options).args([
        "-i",
        url,
        "-t",
        &seconds.to_string(),
        "-c",
        "copy",
        "-f",
        "flv",
        "-",
    ]);
    Running::start(&mut command)
}

/// Plays so many seconds of media and says how that went.
pub(crate) fn play_for(url: &str, seconds: u32) -> Outcome {
    play(url, seconds).wait(Duration::from_secs(u64::from(seconds)) + SLACK)
}

/// Plays with rtmpdump, live, with arguments as given, until it is dropped: it does not stop by itself.
pub(crate) fn rtmpdump(arguments: &[&str]) -> Running {
    Running::start(
        Command::new("rtmpdump")
            .args(arguments)
            .args(["--live", "-o", "-"]),
    )
}

/// Plays with rtmpdump until about two seconds of the clip came, or it has ended by itself, or the deadline.
pub(crate) fn rtmpdump_for_a_while(arguments: &[&str], deadline: Duration) -> Outcome {
    let mut running = rtmpdump(arguments);
    let enough = comes_true(deadline, || {
        running.stdout_bytes() > 120_000 || !running.is_running()
    });
    if enough && running.is_running() {
        running.signal(Signal::Terminate);
    }
    running.wait(deadline)
}

/// Runs curl, silent but for errors, with the status in its output's last line.
pub(crate) fn curl(arguments: &[&str], deadline: Duration) -> Outcome {
    run(
        Command::new("curl")
            .args(["--silent", "--show-error"])
            .args(arguments),
        deadline,
    )
}

/// Makes a recording of the clip: so many times over, with an index of its keyframes, by which a server can
/// seek.
pub(crate) fn make_recording(times: u32, file: &Path) {
    let mut command = ffmpeg();
    command
        .args(["-y", "-stream_loop", &(times - 1).to_string(), "-i"])
        .arg(clip())
        .args(["-c", "copy", "-f", "flv", "-flvflags", "add_keyframe_index"])
        .arg(file);
    let outcome = run(&mut command, SLACK);
    assert!(outcome.status.success(), "no recording is made: {outcome}");
}

/// Fetches a recorded stream with rtmpdump into a file, as fast as it comes.
pub(crate) fn download(url: &str, arguments: &[&str], file: &Path) -> Outcome {
    let mut command = Command::new("rtmpdump");
    command.args(["--quiet", "--rtmp", url]).args(arguments);
    run(command.arg("--flv").arg(file), SLACK * 2)
}

/// Which of a stream's flows is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Audio,
    Video,
}

/// The hashes of a file's packets, in order, as they lie in it, undecoded.
pub(crate) fn packets(file: &Path, flow: Flow) -> Vec<String> {
    let map = match flow {
        Flow::Audio => "0:a",
        Flow::Video => "0:v",
    };
    let mut command = ffmpeg();
    command.arg("-i").arg(file).args([
        "-map",
        map,
        "-c",
        "copy",
        "-f",
        "framehash",
        "-hash",
        "sha256",
        "-",
    ]);
    let outcome = run(&mut command, SLACK);
    assert!(
        outcome.status.success(),
        "ffmpeg cannot read {}: {outcome}",
        file.display()
    );
    let listing = String::from_utf8_lossy(&outcome.stdout).into_owned();
    // Stream, dts, pts, duration, size, hash; side data, which a container may add, comes after.
    let packet = |line: &str| line.split(',').nth(5).map(|hash| hash.trim().to_owned());
    listing
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(packet)
        .collect()
}

/// The packets of a file of newer codecs: the times at which they are due, in the file's own unit, and their hashes.
fn enhanced_packets(file: &Path, flow: Flow) -> Vec<(i64, String)> {
    let map = match flow {
        Flow::Audio => "0:a",
        Flow::Video => "0:v",
    };
    let mut command = newer_ffmpeg();
    command.arg("-i").arg(file).args([
        "-map",
        map,
        "-c",
        "copy",
        "-copyts",
        "-f",
        "framehash",
        "-",
    ]);
    let outcome = run(&mut command, SLACK);
    assert!(
        outcome.status.success(),
        "{} cannot be read: {outcome}",
        file.display()
    );
    let listing = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let packet = |line: &str| {
        let mut fields = line.split(',').map(str::trim);
        let due = fields.nth(1)?.parse().ok()?;
        Some((due, fields.nth(3)?.to_owned()))
    };
    listing
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(packet)
        .collect()
}

/// Asserts that the newer ffmpeg got a part of a file without a gap, timestamps by the same steps, by its FLV
/// output.
#[track_caller]
pub(crate) fn assert_played_enhanced(what: &str, outcome: &Outcome, source: &Path) {
    assert!(outcome.status.success(), "{what} did not play: {outcome}");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("played.flv");
    std::fs::write(&file, &outcome.stdout).expect("a file can be written");
    for flow in [Flow::Audio, Flow::Video] {
        let (part, whole) = (
            enhanced_packets(&file, flow),
            enhanced_packets(source, flow),
        );
        let (first, _) = part
            .first()
            .unwrap_or_else(|| panic!("{what}: no {flow:?}: {outcome}"));
        let matches = |from: usize| {
            let steps = |(got, sent): (&(i64, String), &(i64, String))| {
                got.1 == sent.1 && got.0 - first == sent.0 - whole[from].0
            };
            from + part.len() <= whole.len() && part.iter().zip(&whole[from..]).all(steps)
        };
        assert!(
            (0..whole.len()).any(matches),
            "{what}: {flow:?} is not the publisher's"
        );
        assert!(
            part.len() > 20,
            "{what}: {} packets of {flow:?}",
            part.len()
        );
    }
}

/// The times in seconds at which a file's packets of one flow are due, in order.
pub(crate) fn timestamps(file: &Path, flow: Flow) -> Vec<f64> {
    let stream = match flow {
        Flow::Audio => "a",
        Flow::Video => "v",
    };
    let mut command = Command::new("ffprobe");
    command.args([
        "-v",
        "error",
        "-select_streams",
        stream,
        "-show_entries",
        "packet=dts_time",
        "-of",
        "csv=p=0",
    ]);
    let outcome = run(command.arg(file), SLACK);
    assert!(
        outcome.status.success(),
        "ffprobe cannot read {}: {outcome}",
        file.display()
    );
    let listing = String::from_utf8_lossy(&outcome.stdout).into_owned();
    listing
        .lines()
        .filter_map(|line| line.trim_end_matches(',').parse().ok())
        .collect()
}

/// Asserts that a player got the clip, whole packets in order without a gap, by its FLV output.
#[track_caller]
pub(crate) fn assert_played(what: &str, outcome: &Outcome) {
    assert!(
        outcome.stdout_bytes > 5_000,
        "{what} did not play: {outcome}"
    );
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("played.flv");
    std::fs::write(&file, &outcome.stdout).expect("a file can be written");
    for flow in [Flow::Audio, Flow::Video] {
        let mut played = packets(&file, flow);
        // A program that was stopped has cut its last packet off.
        played.pop();
        assert!(
            is_run_of(&played, &packets(&clip(), flow)),
            "{what}: {flow:?} is not the clip's"
        );
    }
}

/// Whether `part` lies in `whole`, played over and over, without a gap.
pub(crate) fn is_run_of(part: &[String], whole: &[String]) -> bool {
    let matches = |from: usize| {
        part.iter()
            .zip(whole.iter().cycle().skip(from))
            .all(|(a, b)| a == b)
    };
    !part.is_empty() && (0..whole.len()).any(matches)
}

#[test]
fn a_run_is_told_from_a_gap() {
    let words = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
    for (part, expected) in [
        ("bcd", true),
        ("deab", true),
        ("abcdeabc", true),
        ("bd", false),
        ("", false),
        ("x", false),
    ] {
        assert_eq!(is_run_of(&words(part), &words("abcde")), expected, "{part}");
    }
}
