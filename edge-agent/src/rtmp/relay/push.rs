//! Pushing a published stream to the server behind.
//!
//! It reads the hub's ring as a viewer does, with data as the publisher sent it. When the server
//! goes away, freezes, or is no longer the one that the route names, the next one gets the stream
//! from its last keyframe on, and the publisher stays.

use std::sync::Arc;
use std::time::Duration;

use contract::reason::Reason;
use contract::routing::NextHop;
use edge_core::live::{Cursor, Flush, Form, Ring, Scratch, pace};
use edge_core::upstream::{ONE_TRY, Pulse, Retry};
use rtmp::client::Event;
use rtmp::server::PublishKind;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::link::{Link, Progress};
use super::race::{self, No};
use crate::control::Settings;
use crate::live::Hub;
use crate::rtmp::Plane;
use crate::rtmp::way::{Way, target};

/// How long a publisher is held while no server takes its stream. Chosen, because an origin that
/// restarts is back in some seconds, and an encoder need not notice.
const HELD: Duration = Duration::from_secs(10);
/// How long a server may take nothing of what it is owed. Chosen, because an origin that is well
/// takes each message at once, and a publisher is held for as long.
const STALLED: Duration = Duration::from_secs(10);
/// How long the last messages of a stream may take.
const LAST_MEDIA: Duration = Duration::from_secs(5);

/// Why a server was left.
enum Left {
    /// The publisher ended, and everything went out.
    Done,
    /// The server went away.
    Lost,
    /// The route says otherwise now.
    Moved,
}

/// What is forwarded.
pub(super) struct Published {
    /// The number by which the hub knows the publisher.
    pub(super) number: u64,
    /// Live, record or append.
    pub(super) kind: PublishKind,
    /// Fires when the publisher is done.
    pub(super) over: CancellationToken,
    /// Fires when another publisher waits for the end of this one.
    pub(super) hurry: CancellationToken,
}

pub(super) async fn run(
    plane: &Plane,
    hub: &Arc<Hub>,
    way: Way,
    published: Published,
    answer: oneshot::Sender<Result<(), Reason>>,
) {
    let push = Push {
        settings: plane.context.settings.clone(),
        plane,
        hub,
        way,
        published,
    };
    push.run(answer).await;
}

struct Push<'a> {
    plane: &'a Plane,
    hub: &'a Arc<Hub>,
    way: Way,
    published: Published,
    settings: watch::Receiver<Arc<Settings>>,
}

impl Push<'_> {
    async fn run(mut self, answer: oneshot::Sender<Result<(), Reason>>) {
        let mut answer = Some(answer);
        let mut retry = Retry::default();
        let mut lost: Option<Instant> = None;
        loop {
            let now = self.plane.context.clock.now();
            let order = self.plane.upstreams().order(self.way.next(), now);
            let number = self.published.number;
            let opened = tokio::select! {
                () = self.published.over.cancelled() => return,
                opened = race::first(order, No::IsNo, |next| self.open(next)) => opened,
            };
            match opened {
                Ok((next, (link, stream_id))) => {
                    let form = Form {
                        stream_id,
                        upstream: true,
                    };
                    let cursor = match answer.take() {
                        Some(answer) => {
                            let from = self.hub.publish(number, target(next));
                            let told = answer.send(Ok(())).is_ok();
                            let Some(from) = from.filter(|_| told) else {
                                return link.close().await;
                            };
                            self.hub.head().join_at(from, form)
                        }
                        None => {
                            self.hub.publishes_through(number, target(next));
                            self.hub.head().join(form)
                        }
                    };
                    let opened_at = Instant::now();
                    match self.forward(next, link, cursor).await {
                        Left::Done => return,
                        Left::Moved => {
                            lost = None;
                            continue;
                        }
                        Left::Lost => {
                            let now = self.plane.context.clock.now();
                            self.plane.upstreams().failed(next, now);
                            // One that takes the stream and drops it at once is asked less and less.
                            if opened_at.elapsed() >= HELD {
                                retry.reset();
                            }
                            lost = Some(Instant::now());
                        }
                    }
                }
                Err(failure) => {
                    if let Some(answer) = answer.take() {
                        // A publisher that left meanwhile needs no answer.
                        let _ = answer.send(Err(failure.reason()));
                        return;
                    }
                    lost.get_or_insert_with(Instant::now);
                }
            }
            if self.published.over.is_cancelled() {
                return;
            }
            if lost.is_some_and(|since| since.elapsed() >= HELD) {
                let reason = Reason::OriginUnreachable;
                return self.plane.live.end_published(self.hub, number, reason);
            }
            let _ = timeout(retry.next_wait(), self.published.over.cancelled()).await;
            self.renew();
        }
    }

    /// Connects to a server and has it take the stream.
    async fn open(&self, next: NextHop) -> Result<(Link, u32), Failure> {
        let mut link = Link::open(self.plane, &self.way, next).await?;
        let name = self.way.publish_name();
        link.session.publish(&name, self.published.kind);
        let work = async {
            loop {
                match link.event().await? {
                    Event::Status { code, .. } if code == "NetStream.Publish.Start" => {
                        return link.session.publishing().ok_or(Failure::Refused);
                    }
                    Event::Status { level, .. } if level == "error" => {
                        return Err(Failure::Refused);
                    }
                    Event::Status { .. }
                    | Event::Connected { .. }
                    | Event::Rejected { .. }
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
            }
        };
        let stream_id = timeout(ONE_TRY, work)
            .await
            .map_or(Err(Failure::Unreachable), |made| {
                made.map_err(|failure| match failure {
                    Failure::Unreachable | Failure::HungUp => Failure::HungUp,
                    Failure::Refused => Failure::Refused,
                })
            })?;
        Ok((link, stream_id))
    }

    /// Goes by the route as it is now; says whether it asks for another stream than before.
    fn renew(&mut self) -> bool {
        let settings = self.settings.borrow_and_update().clone();
        let Some(way) = self.way.renewed(settings.snapshot.as_deref()) else {
            return false;
        };
        let moved = !way.asks_as(&self.way);
        self.plane.live.rename(self.hub, way.key());
        self.way = way;
        moved
    }

    async fn forward(&mut self, next: NextHop, mut link: Link, mut cursor: Cursor) -> Left {
        let clock = self.plane.context.clock;
        let mut changes = self.hub.head().watch();
        let mut ring = Ring::default();
        let mut flush = Flush::default();
        let mut pulse = Pulse::default();
        let mut writing = true;
        let mut ends: Option<Instant> = None;
        // Bytes of the session among those that are owed: it has counted them itself.
        let mut said = 0;
        loop {
            changes.mark_unchanged();
            let known = ring.head();
            self.hub.head().follow(&mut ring);
            let now = clock.now();
            for entry in ring.range(known) {
                flush.appended(entry.look.track, ring.has_video(), now);
            }
            writing |= flush.take(now);
            cursor.settle(&ring, now);
            pace::check(&mut cursor, &ring, now);
            // One that takes nothing any more is as good as gone: another may take the stream.
            let others = self.way.next().len() > 1;
            if now.saturating_sub(cursor.progress()) >= STALLED || pulse.is_frozen(now) && others {
                return Left::Lost;
            }
            if ends.is_none() && self.published.over.is_cancelled() {
                ends = Some(Instant::now() + LAST_MEDIA);
            }
            if others && pulse.due() <= now {
                link.session.ping(now);
                pulse.asked(now);
            }
            let mut scratch = Scratch::default();
            let owed = cursor.owed(&ring, &mut scratch);
            writing &= owed.bytes() > 0;
            writing |= ends.is_some();
            if ends.is_some_and(|until| owed.bytes() == 0 || until <= Instant::now()) {
                // A goodbye in the middle of a message would be read as a part of it.
                if !cursor.is_amid() {
                    link.close().await;
                }
                return Left::Done;
            }
            let asks = others.then(|| pulse.due());
            let wait = [flush.due(), asks].into_iter().flatten();
            let wait = wait
                .map(|due| due.saturating_sub(now))
                .fold(LAST_MEDIA, Duration::min);
            let due = if writing { owed.slices() } else { &[] };
            let mut renewed = false;
            let step = tokio::select! {
                step = link.write_or_hear(due) => step,
                _ = changes.changed(), if !writing => Ok(Progress::Wrote(0)),
                Ok(()) = self.settings.changed() => {
                    renewed = true;
                    Ok(Progress::Wrote(0))
                }
                () = self.published.over.cancelled(), if ends.is_none() => Ok(Progress::Wrote(0)),
                () = self.published.hurry.cancelled() => {
                    link.reset();
                    return Left::Done;
                }
                () = sleep(wait) => Ok(Progress::Wrote(0)),
            };
            match step {
                Ok(Progress::Wrote(count)) => {
                    let own = count.min(said);
                    said -= own;
                    link.session.acknowledge_sent((count - own) as u64);
                    cursor.wrote(count, &ring, clock.now());
                }
                Ok(Progress::Says(bytes)) => {
                    said += bytes.len();
                    writing = true;
                    // One that says more than it reads answers to is as good as gone.
                    if cursor.command(bytes).is_err() {
                        return Left::Lost;
                    }
                }
                Ok(Progress::Event(Event::Status { level, .. })) if level == "error" => {
                    return Left::Lost;
                }
                Ok(Progress::Event(Event::PingResponse { .. })) => pulse.answered(clock.now()),
                Ok(Progress::Event(_)) => {}
                Err(_) => return Left::Lost,
            }
            if renewed && (self.renew() || !self.way.next().contains(&next)) {
                if !cursor.is_amid() {
                    // It is told that the stream ends there, and nobody waits for that.
                    tokio::spawn(link.close());
                }
                return Left::Moved;
            }
        }
    }
}
