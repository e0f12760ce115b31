//! The one publisher of a run, on a thread of its own: 30 video frames a second with a keyframe
//! each second, 43 audio frames, stamped at the moment they are sent.
//!
//! In go an address and a bit rate, out come the moment at which it publishes, and how late it was
//! at worst: a publisher that cannot keep its time says that the load client is too slow. The
//! invariant: every frame is written whole, in order. It does not know who watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rtmp::amf::Value;
use rtmp::client::{ConnectOptions, Event, Output, PublishKind, Session};
use rtmp::{Limits, Message, MessageKind};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout};

use crate::clock::Clock;
use crate::frame::{AAC_HEADER, AVC_HEADER, Kind, LEAST, Stamp};
use crate::target::Place;

const FRAMES: u64 = 30;
/// A keyframe weighs as much as so many others. Chosen, because encoders of talks and games do
/// about that.
const KEYFRAME_WEIGHT: u64 = 5;
/// 1,024 samples of 44,100 a second, 128 kbit/s.
const AUDIO_BYTES: u32 = 372;
const AUDIO_SAMPLES: u64 = 1_024;
const SAMPLE_RATE: u64 = 44_100;

/// How long a server may take to let us publish.
const PATIENCE: Duration = Duration::from_secs(10);

/// A publisher at work.
pub(crate) struct Publisher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    publishes: AtomicBool,
    latest_us: AtomicU64,
}

impl Publisher {
    /// Starts to publish.
    ///
    /// # Errors
    /// When no thread can be had.
    pub(crate) fn start(place: Place, mbit: f64, clock: Clock) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("publisher".to_owned())
            .spawn(move || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?
                    .block_on(publish(&place, mbit, clock, &own))
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Whether its frames are on their way.
    pub(crate) fn publishes(&self) -> bool {
        self.shared.publishes.load(Relaxed)
    }

    /// Whether it has ended, which it should not.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// By how much a frame went out after its time at worst, since this was asked last.
    pub(crate) fn take_latest(&self) -> Duration {
        Duration::from_micros(self.shared.latest_us.swap(0, Relaxed))
    }

    /// Ends it.
    ///
    /// # Errors
    /// What went wrong while it published.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.shared.stop.store(true, Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => bail!("the publisher's thread panicked"),
            None => Ok(()),
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
    }
}

/// Bytes of the two sorts of video frames.
struct Sizes {
    keyframe: u32,
    interframe: u32,
}

impl Sizes {
    fn new(mbit: f64) -> Self {
        let all = (mbit * 1_000_000.0 / 8.0) as u64;
        let audio = u64::from(AUDIO_BYTES) * SAMPLE_RATE / AUDIO_SAMPLES;
        let unit = all.saturating_sub(audio) / (FRAMES - 1 + KEYFRAME_WEIGHT);
        let unit = u32::try_from(unit).unwrap_or(u32::MAX).max(LEAST as u32);
        Self {
            keyframe: unit.saturating_mul(KEYFRAME_WEIGHT as u32),
            interframe: unit,
        }
    }
}

/// What is to be sent next: the nth frame of its sort.
#[derive(Default)]
struct Next {
    order: u64,
    video: u64,
    audio: u64,
}

impl Next {
    /// Its kind and its time on the stream.
    fn take(&mut self) -> (Kind, Duration) {
        let video = Duration::from_nanos(self.video * 1_000_000_000 / FRAMES);
        let audio = Duration::from_nanos(self.audio * AUDIO_SAMPLES * 1_000_000_000 / SAMPLE_RATE);
        self.order += 1;
        if video <= audio {
            let key = self.video.is_multiple_of(FRAMES);
            self.video += 1;
            (
                if key {
                    Kind::Keyframe
                } else {
                    Kind::Interframe
                },
                video,
            )
        } else {
            self.audio += 1;
            (Kind::Audio, audio)
        }
    }
}

async fn publish(place: &Place, mbit: f64, clock: Clock, shared: &Shared) -> Result<()> {
    let socket = TcpStream::connect(place.address)
        .await
        .context("the publisher cannot connect")?;
    socket.set_nodelay(true)?;
    let options = ConnectOptions::new(&place.app, &place.tc_url);
    let mut line = Line {
        session: Session::new(options, Limits::default(), clock.now()),
        socket,
        clock,
        input: vec![0; 64 * 1024],
        granted: false,
    };
    line.session.publish(&place.stream, PublishKind::Live);
    timeout(PATIENCE, async {
        while !line.granted {
            line.settle().await?;
            line.hear().await?;
        }
        line.settle().await
    })
    .await
    .context("nobody lets the publisher publish")??;

    line.send(&metadata(mbit)).await?;
    for (kind, payload) in [
        (MessageKind::Video, AVC_HEADER),
        (MessageKind::Audio, AAC_HEADER),
    ] {
        line.send(&Message::new(kind, 0, 0, payload)).await?;
    }
    shared.publishes.store(true, Relaxed);

    let sizes = Sizes::new(mbit);
    let start = tokio::time::Instant::now();
    let mut next = Next::default();
    while !shared.stop.load(Relaxed) {
        let order = next.order;
        let (kind, at) = next.take();
        line.wait_until(start + at).await?;
        let late = (tokio::time::Instant::now() - start).saturating_sub(at);
        shared.latest_us.fetch_max(late.as_micros() as u64, Relaxed);
        let stamp = Stamp {
            kind,
            order,
            sent_ns: clock.now().as_nanos() as u64,
            length: match kind {
                Kind::Keyframe => sizes.keyframe,
                Kind::Interframe => sizes.interframe,
                Kind::Audio => AUDIO_BYTES,
            },
        };
        let message = match kind {
            Kind::Keyframe | Kind::Interframe => MessageKind::Video,
            Kind::Audio => MessageKind::Audio,
        };
        line.send(&Message::new(
            message,
            at.as_millis() as u32,
            0,
            stamp.payload(),
        ))
        .await?;
    }
    line.session.close();
    line.settle().await
}

/// The publisher's connection.
struct Line {
    session: Session,
    socket: TcpStream,
    clock: Clock,
    input: Vec<u8>,
    granted: bool,
}

impl Line {
    async fn send(&mut self, message: &Message) -> Result<()> {
        if !self.session.send_media(message) {
            bail!("the publisher has no message stream");
        }
        self.settle().await
    }

    /// Writes and hears what the session has.
    async fn settle(&mut self) -> Result<()> {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Send(bytes) => self
                    .socket
                    .write_all(&bytes)
                    .await
                    .context("the publisher's connection broke")?,
                Output::Event(event) => self.note(&event)?,
            }
        }
        Ok(())
    }

    fn note(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Rejected {
                code, description, ..
            } => bail!("publisher: `{code}` {description}"),
            Event::Status {
                level,
                code,
                description,
                ..
            } if level == "error" => {
                bail!("publisher: `{code}` {description}")
            }
            Event::Status { code, .. } => self.granted |= code == "NetStream.Publish.Start",
            Event::Connected { .. }
            | Event::StreamReady { .. }
            | Event::Media(_)
            | Event::Answer { .. }
            | Event::Command { .. }
            | Event::StreamBegin { .. }
            | Event::StreamEof { .. }
            | Event::StreamIsRecorded { .. }
            | Event::PingResponse { .. }
            | Event::Other(_) => {}
        }
        Ok(())
    }

    /// Reads once, waiting for it.
    async fn hear(&mut self) -> Result<()> {
        self.socket.readable().await?;
        let count = match self.socket.try_read(&mut self.input) {
            Ok(0) => bail!("the server closed the publisher's connection"),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.session
            .handle(&self.input[..count], self.clock.now())?;
        self.settle().await
    }

    /// Hears what comes until it is time.
    async fn wait_until(&mut self, time: tokio::time::Instant) -> Result<()> {
        loop {
            tokio::select! {
                biased;
                () = sleep_until(time) => return Ok(()),
                heard = self.hear() => heard?,
            }
        }
    }
}

/// What an encoder says first of its stream.
fn metadata(mbit: f64) -> Message {
    let values = [
        Value::from("@setDataFrame"),
        Value::from("onMetaData"),
        Value::EcmaArray(vec![
            ("width".to_owned(), 640.0.into()),
            ("height".to_owned(), 360.0.into()),
            ("framerate".to_owned(), (FRAMES as f64).into()),
            ("videodatarate".to_owned(), (mbit * 1_000.0).into()),
            ("videocodecid".to_owned(), 7.0.into()),
            ("audiocodecid".to_owned(), 10.0.into()),
        ]),
    ];
    rtmp::data::message(0, 0, &values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_the_frames_and_bits_that_were_asked_for() {
        for mbit in [0.5, 1.0, 4.0] {
            let sizes = Sizes::new(mbit);
            let mut next = Next::default();
            let (mut video, mut keys, mut audio, mut bytes) = (0, 0, 0, 0);
            let mut last = Duration::ZERO;
            loop {
                let (kind, at) = next.take();
                if at >= Duration::from_secs(10) {
                    break;
                }
                assert!(at >= last, "the timeline rises");
                last = at;
                match kind {
                    Kind::Keyframe => {
                        (video, keys, bytes) = (video + 1, keys + 1, bytes + sizes.keyframe)
                    }
                    Kind::Interframe => (video, bytes) = (video + 1, bytes + sizes.interframe),
                    Kind::Audio => (audio, bytes) = (audio + 1, bytes + AUDIO_BYTES),
                }
            }
            assert_eq!((video, keys, audio), (300, 10, 431));
            let measured = f64::from(bytes) * 8.0 / 10.0 / 1_000_000.0;
            assert!(
                (measured / mbit - 1.0).abs() < 0.01,
                "{measured} for {mbit}"
            );
        }
    }
}
