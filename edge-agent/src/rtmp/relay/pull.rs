//! Pulling a stream: one relay for all its viewers.
//!
//! It ends when nobody has watched for the route's time, when the stream is over, or when no server
//! has it. A server that goes away is replaced by the next one while viewers stay.

use std::sync::Arc;
use std::time::Duration;

use contract::reason::Reason;
use edge_core::upstream::Retry;
use rtmp::client::Event;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::link::Link;
use super::{Failure, race};
use crate::live::{Hub, HubState, REGAIN};
use crate::rtmp::Plane;
use crate::rtmp::way::{Way, target};

/// How long a server may say nothing in the middle of a stream before another is asked. Chosen,
/// because encoders send at least audio several times a second.
const SILENCE: Duration = Duration::from_secs(10);
/// How long a server may keep silent on a stream before one that may have it is asked too.
const TRY_NEXT: Duration = Duration::from_secs(1);

/// What `play` is asked for: the live stream only, in the milliseconds of the wire.
const LIVE_ONLY: f64 = -1_000.0;

/// Why a server was left.
enum Left {
    /// Nobody watches any more, and the hub is closed.
    Idle,
    /// The stream ended there, and did not come back.
    Ended,
    /// The server has not got the stream, as far as it says.
    Missing,
    /// The server does not give it.
    Refused,
    /// The server went away or fell silent.
    Lost,
}

struct Pull<'a> {
    plane: &'a Plane,
    hub: &'a Arc<Hub>,
    way: &'a Way,
}

pub(super) async fn run(plane: &Plane, hub: &Arc<Hub>, way: &Way) {
    Pull { plane, hub, way }.run().await;
}

impl Pull<'_> {
    async fn run(&self) {
        let mut retry = Retry::default();
        let mut gone_since: Option<Instant> = None;
        // Servers that kept silent on the stream come last.
        let mut order = self.way.next().to_vec();
        let several = order.len() > 1;
        loop {
            let now = self.plane.context.clock.now();
            let tries = self.plane.upstreams().order(&order, now);
            let opened = race::first(tries, |next| Link::open(self.plane, self.way, next)).await;
            let reason = match opened {
                Ok((next, link)) => {
                    self.hub.set_next_hop(target(next));
                    let opened_at = Instant::now();
                    let left = self.stream(link, gone_since).await;
                    order.sort_by_key(|known| *known == next);
                    match left {
                        Left::Idle => return,
                        Left::Ended => {
                            return self.plane.live.end(self.hub, Reason::StreamEnded);
                        }
                        Left::Refused if self.hub.state() != HubState::Live && !several => {
                            return self.plane.live.end(self.hub, Reason::OriginRefused);
                        }
                        Left::Refused => Reason::OriginRefused,
                        Left::Missing => Reason::StreamNotFound,
                        Left::Lost => {
                            self.hub.head().cut();
                            // It was there until now: what was lost before counts no more.
                            gone_since = None;
                            if opened_at.elapsed() >= REGAIN {
                                retry.reset();
                            }
                            Reason::OriginUnreachable
                        }
                    }
                }
                Err(Failure::Refused) if self.hub.state() != HubState::Live => {
                    return self.plane.live.end(self.hub, Reason::OriginRefused);
                }
                Err(failure) => failure.reason(),
            };
            if self.hub.state() == HubState::Live {
                let since = *gone_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= REGAIN {
                    return self.plane.live.end(self.hub, Reason::StreamEnded);
                }
            } else {
                self.hub.set_state(HubState::Waiting(Some(reason)));
            }
            if self.pause(retry.next_wait()).await {
                return;
            }
        }
    }

    /// Waits before the next try; true when nobody needs one any more.
    async fn pause(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        loop {
            if self.hub.viewers() == 0 && self.plane.live.close_if_idle(self.hub) {
                return true;
            }
            let changed = self.hub.viewers_changed();
            if timeout_at(until, changed).await.is_err() {
                return false;
            }
        }
    }

    /// Takes a stream from a server as long as it has it and anybody watches.
    async fn stream(&self, mut link: Link, gone_since: Option<Instant>) -> Left {
        link.session.play(self.way.play_name(), LIVE_ONLY);
        let several = self.way.next().len() > 1;
        let mut heard = Heard {
            // Until the first message counts from when the stream was lost.
            last: gone_since.unwrap_or_else(Instant::now),
            began: Instant::now(),
            media: false,
            over: None,
            idle: None,
        };
        let left = loop {
            heard.idle = match (self.hub.viewers(), heard.idle) {
                (0, None) => Some(Instant::now()),
                (0, since) => since,
                (_, _) => None,
            };
            let due = heard.due(self.linger(), several, self.hub.state() == HubState::Live);
            tokio::select! {
                event = link.event() => match event {
                    Ok(event) => {
                        if let Some(left) = self.hear(event, &mut heard) {
                            break left;
                        }
                    }
                    Err(_) if heard.over.is_some() => break Left::Ended,
                    Err(_) if heard.media => break Left::Lost,
                    Err(_) => break Left::Missing,
                },
                () = self.hub.viewers_changed() => {}
                () = sleep_until(due.at) => match due.left {
                    Left::Idle if !self.plane.live.close_if_idle(self.hub) => {}
                    left @ (Left::Idle | Left::Ended | Left::Missing | Left::Refused | Left::Lost) => break left,
                },
            }
        };
        // Nobody waits for the goodbye.
        if matches!(left, Left::Idle | Left::Missing) {
            link.close().await;
        }
        left
    }

    fn linger(&self) -> Duration {
        match self.hub.state() {
            HubState::Live => Duration::from_millis(self.way.live.linger_ms.into()),
            HubState::Waiting(_) | HubState::Ended(_) => Duration::ZERO,
        }
    }

    fn hear(&self, event: Event, heard: &mut Heard) -> Option<Left> {
        match event {
            Event::Media(message) => {
                if heard.over.take().is_some() {
                    self.hub.head().cut();
                }
                heard.media = true;
                heard.last = Instant::now();
                self.hub.append(message);
            }
            Event::Status { code, level, .. } => match code.as_str() {
                "NetStream.Play.UnpublishNotify"
                | "NetStream.Play.Stop"
                | "NetStream.Play.Complete" => {
                    heard.over.get_or_insert_with(Instant::now);
                }
                // What is told of a stream that was there is its end.
                _ if level == "error" && heard.media => return Some(Left::Ended),
                "NetStream.Play.StreamNotFound" => return Some(Left::Missing),
                _ if level == "error" => return Some(Left::Refused),
                _ => {}
            },
            Event::StreamEof { .. } if heard.media => {
                heard.over.get_or_insert_with(Instant::now);
            }
            Event::StreamEof { .. }
            | Event::Connected { .. }
            | Event::Rejected { .. }
            | Event::StreamReady { .. }
            | Event::Answer { .. }
            | Event::Command { .. }
            | Event::StreamBegin { .. }
            | Event::StreamIsRecorded { .. }
            | Event::PingResponse { .. }
            | Event::Other(_) => {}
        }
        None
    }
}

/// What was heard of a stream, and when.
struct Heard {
    began: Instant,
    last: Instant,
    media: bool,
    /// Since when the server says that it is over.
    over: Option<Instant>,
    /// Since when nobody watches.
    idle: Option<Instant>,
}

/// What happens next, unless something else does.
struct Due {
    at: Instant,
    left: Left,
}

impl Heard {
    fn due(&self, linger: Duration, several: bool, live: bool) -> Due {
        let mut due = if let Some(over) = self.over {
            (over + REGAIN, Left::Ended)
        } else if self.media {
            (self.last + SILENCE, Left::Lost)
        } else if live {
            (self.last + REGAIN, Left::Ended)
        } else if several {
            (self.began + TRY_NEXT, Left::Missing)
        } else {
            // One server alone: it may get its publisher while viewers wait.
            (self.began + SILENCE, Left::Missing)
        };
        if let Some(idle) = self.idle
            && idle + linger <= due.0
        {
            due = (idle + linger, Left::Idle);
        }
        Due {
            at: due.0,
            left: due.1,
        }
    }
}
