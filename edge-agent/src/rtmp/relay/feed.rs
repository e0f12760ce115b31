//! One server that is asked for a stream, as a stream of what it says.
//!
//! A way and a server go in; what it says, as [`Sources`](edge_core::upstream::Sources) take it, comes
//! out until it fails or is left. What it says of a stream is read for its meaning: servers tell an end
//! in several ways. It decides nothing.

use std::pin::Pin;
use std::sync::Arc;

use contract::routing::NextHop;
use edge_core::upstream::{Said, Trouble};
use futures_util::Stream;
use futures_util::stream::unfold;
use rtmp::client::Event;
use rtmp::{Message, MessageKind, data};
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::link::Link;
use crate::rtmp::Plane;
use crate::rtmp::way::Way;

/// What `play` is asked for: the live stream only, in the milliseconds of the wire.
const LIVE_ONLY: f64 = -1_000.0;

/// What one server says.
pub(super) type Feed = Pin<Box<dyn Stream<Item = (NextHop, Said)> + Send>>;

/// Asks a server for the stream, until it is left.
pub(super) fn ask(plane: &Plane, way: &Arc<Way>, next: NextHop, left: CancellationToken) -> Feed {
    let asked = Asked {
        plane: plane.clone(),
        way: Arc::clone(way),
        next,
        left,
        link: None,
        media: false,
        over: false,
        failed: None,
    };
    Box::pin(unfold(asked, move |mut asked| async move {
        let said = asked.next().await?;
        Some(((next, said), asked))
    }))
}

struct Asked {
    plane: Plane,
    way: Arc<Way>,
    next: NextHop,
    left: CancellationToken,
    link: Option<Box<Link>>,
    /// It brought something.
    media: bool,
    /// It said that the stream is over.
    over: bool,
    failed: Option<Failed>,
}

/// What is left to say of a server that is out of the question.
enum Failed {
    Says(Trouble),
    Said,
}

impl Asked {
    async fn next(&mut self) -> Option<Said> {
        match self.failed.take() {
            Some(Failed::Says(trouble)) => return Some(self.fail(trouble)),
            Some(Failed::Said) => return None,
            None => {}
        }
        let Some(mut link) = self.link.take() else {
            return self.open().await;
        };
        loop {
            let left = self.left.clone();
            tokio::select! {
                biased;
                () = left.cancelled() => {
                    // Nobody waits for the goodbye.
                    tokio::spawn(link.close());
                    return None;
                }
                event = link.event() => match event {
                    Ok(event) => if let Some(said) = self.hear(event) {
                        self.link = Some(link);
                        return Some(said);
                    },
                    Err(_) => {
                        let lost = self.media && !self.over;
                        return Some(self.fail(if lost { Trouble::Lost } else { Trouble::Missing }));
                    }
                },
            }
        }
    }

    async fn open(&mut self) -> Option<Said> {
        let opened = tokio::select! {
            biased;
            () = self.left.cancelled() => return None,
            opened = Link::open(&self.plane, &self.way, self.next) => opened,
        };
        match opened {
            Ok(mut link) => {
                link.session.play(self.way.play_name(), LIVE_ONLY);
                self.link = Some(Box::new(link));
                Some(Said::Opened)
            }
            Err(Failure::Refused | Failure::HungUp) => Some(self.fail(Trouble::Refused)),
            Err(Failure::Unreachable) => Some(self.fail(Trouble::Unreachable)),
        }
    }

    fn fail(&mut self, trouble: Trouble) -> Said {
        self.failed = Some(Failed::Said);
        Said::Failed(trouble)
    }

    fn hear(&mut self, event: Event) -> Option<Said> {
        match event {
            Event::Media(message) if !self.media && is_greeting(&message) => None,
            Event::Media(message) => {
                self.media = true;
                self.over = false;
                Some(Said::Message(message))
            }
            Event::Status { code, level, .. } => match code.as_str() {
                "NetStream.Play.UnpublishNotify"
                | "NetStream.Play.Stop"
                | "NetStream.Play.Complete" => self.ends(),
                // What is told of a stream that was there is its end.
                _ if level == "error" && self.media => {
                    self.failed = Some(Failed::Says(Trouble::Missing));
                    self.ends()
                }
                "NetStream.Play.StreamNotFound" => Some(self.fail(Trouble::Missing)),
                _ if level == "error" => Some(self.fail(Trouble::Refused)),
                _ => None,
            },
            Event::StreamEof { .. } if self.media => self.ends(),
            Event::StreamEof { .. }
            | Event::Connected { .. }
            | Event::Rejected { .. }
            | Event::StreamReady { .. }
            | Event::Answer { .. }
            | Event::Command { .. }
            | Event::StreamBegin { .. }
            | Event::StreamIsRecorded { .. }
            | Event::PingResponse { .. }
            | Event::Other(_) => None,
        }
    }

    /// Said once, however often the server says it.
    fn ends(&mut self) -> Option<Said> {
        let news = self.media && !self.over;
        self.over = true;
        news.then_some(Said::Over)
    }
}

/// What a server says to a player before there is anything of the stream, and also where nobody
/// publishes it.
fn is_greeting(message: &Message) -> bool {
    matches!(message.kind, MessageKind::DataAmf0 | MessageKind::DataAmf3)
        && matches!(
            data::name(message).as_deref(),
            Some("|RtmpSampleAccess" | "onStatus")
        )
}
