//! Fetching a recorded stream: one connection that brings what its viewers need next.
//!
//! A [`Fill`] goes in, and gets what a server sends from where it wants to begin. Where a server
//! begins too late, it is asked for an earlier place; where it goes away, the next one is asked for
//! what follows the last whole piece. What a server says of the recording's begin is compared with
//! what is stored.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contract::reason::Reason;
use contract::routing::NextHop;
use edge_core::recorded::{Goal, Head, Intake, Taken};
use edge_core::upstream::{ALL_TRIES, Retry};
use rtmp::amf::Value;
use rtmp::client::Event;
use rtmp::command::Command;
use rtmp::control::UserControl;
use rtmp::{Limits, Message, MessageKind, data};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Failure;
use super::link::Link;
use super::race::{self, No};
use crate::clock::now_ms;
use crate::recorded::{Comparison, Fetch, Fill, Wanted};
use crate::rtmp::Plane;
use crate::rtmp::way::Way;
use crate::sessions::RouteCounts;

/// How long a server may take to begin, in which it may have to ask another.
const BEGIN: Duration = Duration::from_secs(4);
/// How long a server may say nothing while more is wanted.
const SILENCE: Duration = Duration::from_secs(10);
/// How long a connection is kept that nobody needs more from for now. Chosen, because nginx ends one
/// that is not read from after a minute.
const HOLD: Duration = Duration::from_secs(20);
/// How often a fetch begins anew after its server went away.
const TRIES: usize = 3;
/// What we say that we buffer once a server sends what is wanted: it sends as fast as it is read
/// then, as servers do to rtmpdump. Before that it is sent little that is thrown away.
const BUFFER_MS: u32 = 36_000_000;
/// What a server is asked for before a place that has to be met exactly. Measured with nginx-rtmp
/// 1.2.2: its index of an FLV file has other times than the messages, by less than a frame.
const LEAD_MS: u32 = 500;
/// How often a server that begins too late is asked for an earlier place, each time twice as far
/// back; at last for the begin. Chosen: 32 s are more than lie between any two keyframes.
const EARLIER: u32 = 6;
/// The largest data message of a recording: an index of keyframes in its metadata takes 18 bytes for
/// each (laws.md, 6, has 64 KiB for clients).
const DATA_BYTES: usize = 1 << 20;

/// Brings what recordings need, by the way of the viewer that needs it.
pub(in crate::rtmp) struct Fetcher {
    pub(in crate::rtmp) plane: Plane,
    pub(in crate::rtmp) way: Way,
}

impl Fetcher {
    fn work(&self) -> Work {
        Work {
            plane: self.plane.clone(),
            way: self.way.clone(),
            counts: self.plane.context.totals.route(self.way.route()),
            missing: AtomicBool::new(false),
        }
    }
}

impl Fetch for Fetcher {
    fn fetch(&self, fill: Fill) {
        let work = self.work();
        let cut = self.plane.context.stop.hard();
        tokio::spawn(async move {
            tokio::select! {
                () = cut.cancelled() => {}
                () = work.fetch(fill) => {}
            }
        });
    }

    fn compare(&self, comparison: Comparison) {
        let work = self.work();
        let cut = self.plane.context.stop.hard();
        tokio::spawn(async move {
            tokio::select! {
                () = cut.cancelled() => {}
                () = work.compare(comparison) => {}
            }
        });
    }
}

struct Work {
    plane: Plane,
    way: Way,
    counts: RouteCounts,
    /// A server said that it has no such stream.
    missing: AtomicBool,
}

/// A server that began to send.
struct Opened {
    link: Link,
    stream_id: u32,
    /// What it sent before it was clear that it began.
    first: Option<Message>,
}

/// Why a server was left.
enum Left {
    /// It has sent all that is needed.
    Done,
    /// It went away, or does not do what is asked of it.
    Lost,
}

impl Work {
    async fn fetch(self, fill: Fill) {
        let mut retry = Retry::default();
        for _ in 0..TRIES {
            let goal = fill.needs();
            let order = {
                let now = self.plane.context.clock.now();
                self.plane.upstreams().order(self.way.next(), now)
            };
            let start = ask(goal, 0);
            let opened = race::first(order, No::AskOn, |next| self.open(next, start)).await;
            let left = match opened {
                Err(failure) => {
                    fill.store(true).await;
                    return fill.failed(self.reason(failure));
                }
                Ok((next, opened)) => (next, self.follow(&fill, opened, goal).await),
            };
            fill.store(true).await;
            match left {
                (_, Left::Done) => return fill.done(),
                (next, Left::Lost) => {
                    let now = self.plane.context.clock.now();
                    self.plane.upstreams().failed(next, now);
                }
            }
            sleep(retry.next_wait()).await;
        }
        fill.failed(Reason::OriginUnreachable);
    }

    async fn compare(self, comparison: Comparison) {
        let now = self.plane.context.clock.now();
        let order = self.plane.upstreams().order(self.way.next(), now);
        let opened = race::first(order, No::AskOn, |next| self.open(next, 0)).await;
        match opened {
            Ok((_, opened)) => {
                if let Ok(Some(head)) = timeout(BEGIN, self.begin(opened)).await {
                    comparison.seen(&head, now_ms()).await;
                }
            }
            Err(_) if self.missing.load(Ordering::Relaxed) => {
                comparison.refused(Reason::StreamNotFound);
            }
            // What is stored is served as long as nobody says otherwise.
            Err(Failure::Unreachable | Failure::HungUp | Failure::Refused) => {}
        }
    }

    /// The begin of a recording.
    async fn begin(&self, opened: Opened) -> Option<Head> {
        let Opened {
            mut link, first, ..
        } = opened;
        let mut intake = Intake::new(Goal::Begin);
        let mut head = Head::default();
        let mut next = first;
        while !head.is_whole() {
            let message = match next.take() {
                Some(message) => message,
                None => {
                    let event = link.event().await.ok()?;
                    if is_end(&event) {
                        head.end();
                        break;
                    }
                    let Event::Media(message) = event else {
                        continue;
                    };
                    message
                }
            };
            self.counts.fetched(message.payload.len() as u64);
            if is_complete(&message) {
                head.end();
            } else {
                intake.take(&message, &mut head);
            }
        }
        link.close().await;
        Some(head)
    }

    fn reason(&self, failure: Failure) -> Reason {
        if self.missing.load(Ordering::Relaxed) {
            Reason::StreamNotFound
        } else {
            failure.reason()
        }
    }

    /// Asks a server for the recording from a place on.
    async fn open(&self, next: NextHop, start: u32) -> Result<Opened, Failure> {
        let limits = Limits {
            command_size: DATA_BYTES,
            // Sound comes in small messages, and hours of it within a second: what bounds a fetch is
            // how fast it is read.
            tiny_chunks: u32::MAX,
            ..Limits::default()
        };
        let mut link = Link::open_within(&self.plane, &self.way, next, limits).await?;
        link.session.play(self.way.play_name(), f64::from(start));
        let work = async {
            let mut stream_id = 0;
            loop {
                let first = match link.event().await? {
                    Event::StreamReady { stream_id: ready } => {
                        stream_id = ready;
                        continue;
                    }
                    Event::Status { level, code, .. } if level == "error" => {
                        if code == "NetStream.Play.StreamNotFound" {
                            self.missing.store(true, Ordering::Relaxed);
                        }
                        return Err(Failure::Refused);
                    }
                    Event::Status { code, .. } if code == "NetStream.Play.Start" => None,
                    Event::Media(message) => Some(message),
                    Event::Connected { .. }
                    | Event::Rejected { .. }
                    | Event::Status { .. }
                    | Event::Answer { .. }
                    | Event::Command { .. }
                    | Event::StreamBegin { .. }
                    | Event::StreamEof { .. }
                    | Event::StreamIsRecorded { .. }
                    | Event::PingResponse { .. }
                    | Event::Other(_) => continue,
                };
                return Ok((stream_id, first));
            }
        };
        let begun = timeout(BEGIN.min(ALL_TRIES), work).await;
        let (stream_id, first) = begun.unwrap_or(Err(Failure::Unreachable))?;
        Ok(Opened {
            link,
            stream_id,
            first,
        })
    }

    async fn follow(&self, fill: &Fill, opened: Opened, goal: Goal) -> Left {
        let Opened {
            link,
            stream_id,
            first,
        } = opened;
        let mut asking = Asking {
            link,
            stream_id,
            goal,
            earlier: 0,
            seeks: false,
            begins: goal == Goal::Begin,
            hurries: false,
        };
        if let Some(message) = first {
            self.take(fill, &mut asking, &message).await;
        }
        let mut changes = fill.recording().changes();
        let mut heard = Instant::now();
        let mut held: Option<Instant> = None;
        loop {
            changes.mark_unchanged();
            let reads = match fill.wanted() {
                Wanted::More => true,
                Wanted::Later => false,
                Wanted::Nothing => {
                    asking.link.close().await;
                    return Left::Done;
                }
            };
            if !reads {
                held = held.or_else(|| Some(Instant::now()));
                heard = Instant::now();
            } else if held.take().is_some() {
                heard = Instant::now();
            }
            let until = held.map_or(heard + SILENCE, |since| since + HOLD);
            let event = tokio::select! {
                event = asking.link.event(), if reads => event,
                // The sender lives as long as the recording, which the fetch holds.
                _ = changes.changed() => continue,
                () = sleep_until(until) => {
                    asking.link.close().await;
                    return if reads { Left::Lost } else { Left::Done };
                }
            };
            heard = Instant::now();
            match event {
                Err(_) => return Left::Lost,
                Ok(Event::Media(message)) => {
                    if is_complete(&message) && !asking.seeks {
                        return self.end(fill, asking).await;
                    }
                    self.take(fill, &mut asking, &message).await;
                }
                Ok(Event::Status { level, .. }) if level == "error" => return Left::Lost,
                Ok(Event::Status { code, .. }) if code == "NetStream.Seek.Notify" => {
                    asking.seeks = false;
                }
                // What was under way when it was asked to go elsewhere may end with a word of it.
                Ok(event) if is_end(&event) && !asking.seeks => {
                    return self.end(fill, asking).await;
                }
                Ok(_other) => {}
            }
        }
    }

    async fn end(&self, fill: &Fill, asking: Asking) -> Left {
        fill.end();
        if asking.begins {
            fill.checked(now_ms()).await;
        }
        asking.link.close().await;
        Left::Done
    }

    async fn take(&self, fill: &Fill, asking: &mut Asking, message: &Message) {
        self.counts.fetched(message.payload.len() as u64);
        if asking.seeks {
            return;
        }
        match fill.take(message) {
            Taken::Nothing => {}
            Taken::Item => asking.hurry(fill),
            Taken::Piece(_) => fill.store(false).await,
            Taken::Late(began) => asking.ask_earlier(fill, began),
        }
        if asking.begins && fill.has_begin() {
            asking.begins = false;
            fill.checked(now_ms()).await;
            if fill.goal() != Goal::Begin {
                asking.goal = fill.needs();
                asking.seek();
            }
        }
    }
}

/// What a server has been asked for.
struct Asking {
    link: Link,
    stream_id: u32,
    goal: Goal,
    /// How often it was asked for an earlier place.
    earlier: u32,
    /// It has not answered yet that it goes on elsewhere.
    seeks: bool,
    /// The recording's begin is being looked at.
    begins: bool,
    /// It was told to send all it can.
    hurries: bool,
}

impl Asking {
    /// What comes now is what is wanted.
    fn hurry(&mut self, fill: &Fill) {
        let wanted = !self.begins || fill.goal() == Goal::Begin;
        if wanted && !self.hurries {
            self.hurries = true;
            let buffer = UserControl::SetBufferLength {
                stream_id: self.stream_id,
                length_ms: BUFFER_MS,
            };
            self.link.session.send_message(&buffer.message());
        }
    }

    fn seek(&mut self) {
        let position = f64::from(ask(self.goal, self.earlier));
        let arguments = vec![Value::Null, Value::Number(position)];
        let command = Command::new("seek", 0.0, arguments);
        self.link.session.send_command(self.stream_id, &command);
        self.seeks = true;
    }

    fn ask_earlier(&mut self, fill: &Fill, began: u32) {
        if ask(self.goal, self.earlier) > 0 {
            self.earlier += 1;
        } else {
            // There is nothing earlier: what comes after the place is what there is.
            self.earlier = 0;
            fill.take_late(began);
        }
        self.seek();
    }
}

/// What a server is asked for to get what is wanted.
fn ask(goal: Goal, earlier: u32) -> u32 {
    let back = match earlier {
        0 => 0,
        1..=EARLIER => 1_000 << (earlier - 1),
        _ => u32::MAX,
    };
    match goal {
        Goal::Begin => 0,
        Goal::Exact(at) => at.saturating_sub(LEAD_MS).saturating_sub(back),
        Goal::Seek(at) => at.saturating_sub(back),
    }
}

/// Whether a server says that a stream is over.
fn is_end(event: &Event) -> bool {
    match event {
        Event::StreamEof { .. } => true,
        Event::Status { code, .. } => matches!(
            code.as_str(),
            "NetStream.Play.Stop" | "NetStream.Play.Complete" | "NetStream.Play.UnpublishNotify"
        ),
        Event::Connected { .. }
        | Event::Rejected { .. }
        | Event::StreamReady { .. }
        | Event::Media(_)
        | Event::Answer { .. }
        | Event::Command { .. }
        | Event::StreamBegin { .. }
        | Event::StreamIsRecorded { .. }
        | Event::PingResponse { .. }
        | Event::Other(_) => false,
    }
}

/// Whether a message is a server's word that all has been sent. Of what it says, only the code has
/// this form.
fn is_complete(message: &Message) -> bool {
    const COMPLETE: &[u8] = b"NetStream.Play.Complete";
    message.kind == MessageKind::DataAmf0
        && data::name(message).as_deref() == Some("onPlayStatus")
        && message
            .payload
            .windows(COMPLETE.len())
            .any(|window| window == COMPLETE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_begins_too_late_is_asked_further_and_further_back() {
        let asked = |goal| (0..8).map(|n| ask(goal, n)).collect::<Vec<u32>>();
        let expected = [60_000, 59_000, 58_000, 56_000, 52_000, 44_000, 28_000, 0];
        assert_eq!(asked(Goal::Seek(60_000)), expected);
        assert_eq!(ask(Goal::Exact(60_000), 0), 59_500);
        assert_eq!(ask(Goal::Exact(60_000), 1), 58_500);
        assert_eq!(asked(Goal::Begin), [0; 8]);
        assert_eq!(ask(Goal::Exact(300), 0), 0);
    }
}
