//! Pushing a published stream to the server behind.
//!
//! It reads the hub's ring as a viewer does, with data as the publisher sent it. When the server
//! goes away the next one gets the stream from its last keyframe on, and the publisher stays.

use std::sync::Arc;
use std::time::Duration;

use contract::reason::Reason;
use edge_core::live::{Cursor, Flush, Form, Ring, Scratch, pace};
use edge_core::upstream::{ONE_TRY, Retry};
use rtmp::client::Event;
use rtmp::server::PublishKind;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::link::{Link, Progress};
use super::race::{self, No};
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
    way: &Way,
    published: Published,
    answer: oneshot::Sender<Result<(), Reason>>,
) {
    let Published {
        number,
        kind,
        ref over,
        ..
    } = published;
    let mut answer = Some(answer);
    let mut retry = Retry::default();
    let mut lost: Option<Instant> = None;
    loop {
        let now = plane.context.clock.now();
        let order = plane.upstreams().order(way.next(), now);
        let opened = tokio::select! {
            () = over.cancelled() => return,
            opened = race::first(order, No::IsNo, |next| open(plane, way, next, kind)) => opened,
        };
        match opened {
            Ok((next, (link, stream_id))) => {
                let first = answer.take();
                let form = Form {
                    stream_id,
                    upstream: true,
                };
                let cursor = match first {
                    Some(answer) => {
                        let from = hub.publish(number, target(next));
                        let told = answer.send(Ok(())).is_ok();
                        let Some(from) = from.filter(|_| told) else {
                            return link.close().await;
                        };
                        hub.head().join_at(from, form)
                    }
                    None => {
                        hub.publishes_through(number, target(next));
                        hub.head().join(form)
                    }
                };
                let opened_at = Instant::now();
                match forward(plane, hub, link, cursor, &published).await {
                    Left::Done => return,
                    Left::Lost => {
                        plane.upstreams().failed(next, plane.context.clock.now());
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
            }
        }
        if over.is_cancelled() {
            return;
        }
        if lost.is_some_and(|since| since.elapsed() >= HELD) {
            return plane
                .live
                .end_published(hub, number, Reason::OriginUnreachable);
        }
        let _ = timeout(retry.next_wait(), over.cancelled()).await;
    }
}

/// Connects to a server and has it take the stream.
async fn open(
    plane: &Plane,
    way: &Way,
    next: contract::routing::NextHop,
    kind: PublishKind,
) -> Result<(Link, u32), Failure> {
    let mut link = Link::open(plane, way, next).await?;
    link.session.publish(&way.publish_name(), kind);
    let work = async {
        loop {
            match link.event().await? {
                Event::Status { code, .. } if code == "NetStream.Publish.Start" => {
                    return link.session.publishing().ok_or(Failure::Refused);
                }
                Event::Status { level, .. } if level == "error" => return Err(Failure::Refused),
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

async fn forward(
    plane: &Plane,
    hub: &Arc<Hub>,
    mut link: Link,
    mut cursor: Cursor,
    published: &Published,
) -> Left {
    let Published { over, hurry, .. } = published;
    let clock = plane.context.clock;
    let mut changes = hub.head().watch();
    let mut ring = Ring::default();
    let mut flush = Flush::default();
    let mut writing = true;
    let mut ends: Option<Instant> = None;
    // Bytes of the session among those that are owed: it has counted them itself.
    let mut said = 0;
    loop {
        changes.mark_unchanged();
        let known = ring.head();
        hub.head().follow(&mut ring);
        let now = clock.now();
        for entry in ring.range(known) {
            flush.appended(entry.look.track, ring.has_video(), now);
        }
        writing |= flush.take(now);
        cursor.settle(&ring, now);
        pace::check(&mut cursor, &ring, now);
        // One that takes nothing any more is as good as gone: another may take the stream.
        if now.saturating_sub(cursor.progress()) >= STALLED {
            return Left::Lost;
        }
        if ends.is_none() && over.is_cancelled() {
            ends = Some(Instant::now() + LAST_MEDIA);
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
        let wait = flush
            .due()
            .map_or(LAST_MEDIA, |due| due.saturating_sub(now));
        let due = if writing { owed.slices() } else { &[] };
        let step = tokio::select! {
            step = link.write_or_hear(due) => step,
            _ = changes.changed(), if !writing => Ok(Progress::Wrote(0)),
            () = over.cancelled(), if ends.is_none() => Ok(Progress::Wrote(0)),
            () = hurry.cancelled() => {
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
            Ok(Progress::Event(_)) => {}
            Err(_) => return Left::Lost,
        }
    }
}
