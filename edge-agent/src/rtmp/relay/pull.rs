//! Pulling a stream: one relay for all its viewers.
//!
//! It carries out what [`Sources`] want: servers are asked and left, their media go to the hub. It ends
//! when nobody has watched for the route's time, or when the stream is over for good.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use contract::routing::NextHop;
use edge_core::upstream::{Output, Said, Sources};
use futures_util::stream::SelectAll;
use futures_util::{Stream, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::feed;
use crate::control::Settings;
use crate::live::{Hub, HubState, Pulling};
use crate::rtmp::Plane;
use crate::rtmp::way::{Way, target};

/// How often it looks up when nothing happens.
const IDLE: Duration = Duration::from_secs(10);

/// What a server says to a question of this number.
type Answers = Pin<Box<dyn Stream<Item = (u64, NextHop, Said)> + Send>>;

struct Pull<'a> {
    plane: &'a Plane,
    pulling: &'a Pulling,
    hub: &'a Arc<Hub>,
    way: Arc<Way>,
    sources: Sources,
    feeds: SelectAll<Answers>,
    /// Who is asked: by the number of the question, because a server may be asked anew before it has
    /// ended what it said.
    asked: HashMap<NextHop, (u64, CancellationToken)>,
    questions: u64,
    settings: watch::Receiver<Arc<Settings>>,
    /// Since when nobody watches.
    idle: Option<Duration>,
}

pub(super) async fn run(plane: &Plane, pulling: &Pulling, way: Way) {
    let hub = pulling.hub();
    if let Some(push) = hub.push_end().filter(|_| pulling.left().is_some()) {
        // What it says last would come back as news.
        let _ = timeout(way.hold(), push.ended.cancelled()).await;
    }
    let now = plane.context.clock.now();
    let order = plane.upstreams().order(way.next(), now);
    let sources = match pulling.left() {
        Some(left) => Sources::resumed(&order, way.hold(), left),
        None => {
            let from = plane.absent().may_be_asked(&hub.key(), now);
            Sources::new(&order, way.hold(), from)
        }
    };
    let mut pull = Pull {
        sources,
        settings: plane.context.settings.clone(),
        plane,
        pulling,
        hub,
        way: Arc::new(way),
        feeds: SelectAll::new(),
        asked: HashMap::new(),
        questions: 0,
        idle: None,
    };
    pull.run().await;
    let now = plane.context.clock.now();
    if pull.sources.is_live() {
        plane.absent().found(&hub.key());
    } else if pull.sources.asked_in_vain(now) {
        plane.absent().missing(&hub.key(), now);
    }
    // A feed that is dropped hangs up without a word; one that is left says goodbye.
    pull.leave_all().await;
}

impl Pull<'_> {
    async fn run(&mut self) {
        loop {
            let now = self.plane.context.clock.now();
            if self.is_over(now) {
                return;
            }
            let due = self.due(now);
            tokio::select! {
                Some((question, hop, said)) = self.feeds.next(), if !self.feeds.is_empty() => {
                    self.hear(question, hop, said);
                }
                Ok(()) = self.settings.changed() => self.renew(),
                () = self.hub.viewers_changed() => {}
                () = sleep_until(due) => {}
            }
            let now = self.plane.context.clock.now();
            if self.sources.next_deadline().is_some_and(|due| due <= now) {
                self.sources.handle_timeout(now);
            }
            if self.obey() {
                return;
            }
        }
    }

    /// Goes by the route as it is now.
    fn renew(&mut self) {
        let settings = self.settings.borrow_and_update().clone();
        let Some(way) = self.way.renewed(settings.snapshot.as_deref()) else {
            return;
        };
        let now = self.plane.context.clock.now();
        let (order, hold) = (self.plane.upstreams().order(way.next(), now), way.hold());
        if way.asks_as(&self.way) {
            self.sources.follow(&order, hold, now);
        } else {
            self.sources.renew(&order, hold, now);
        }
        self.plane.live.rename(self.hub, way.key());
        self.way = Arc::new(way);
    }

    fn hear(&mut self, question: u64, hop: NextHop, said: Said) {
        if self
            .asked
            .get(&hop)
            .is_none_or(|(asked, _)| *asked != question)
        {
            return;
        }
        if matches!(said, Said::Failed(_)) {
            self.asked.remove(&hop);
        }
        let now = self.plane.context.clock.now();
        self.sources.handle(hop, said, now);
    }

    /// Does what the sources want; true when the stream is over.
    fn obey(&mut self) -> bool {
        while let Some(output) = self.sources.poll_output() {
            match output {
                Output::Ask(hop) => {
                    self.questions += 1;
                    let (question, left) = (self.questions, CancellationToken::new());
                    self.asked.insert(hop, (question, left.clone()));
                    let answers = feed::ask(self.plane, &self.way, hop, left);
                    let answers = answers.map(move |(hop, said)| (question, hop, said));
                    self.feeds.push(Box::pin(answers));
                }
                Output::Leave(hop) => {
                    if let Some((_, left)) = self.asked.remove(&hop) {
                        left.cancel();
                    }
                }
                Output::Through(hop) => {
                    tracing::debug!(upstream = ?hop, "stream is taken from this server");
                    self.pulling.goes_through(target(hop));
                }
                Output::Pass(message) => self.pulling.append(message),
                Output::Waits(reason) => self.pulling.waits(reason),
                Output::End(reason) => {
                    self.pulling.end(reason);
                    return true;
                }
            }
        }
        false
    }

    /// Whether nobody has watched for long enough, and the hub is closed.
    fn is_over(&mut self, now: Duration) -> bool {
        if self.hub.viewers() > 0 {
            self.idle = None;
            return false;
        }
        let idle = *self.idle.get_or_insert(now);
        idle + self.linger() <= now && self.pulling.leave_if_idle()
    }

    fn linger(&self) -> Duration {
        match self.hub.state() {
            HubState::Live => Duration::from_millis(self.way.live.linger_ms.into()),
            HubState::Waiting(_) | HubState::Ended(_) => Duration::ZERO,
        }
    }

    fn due(&self, now: Duration) -> Instant {
        let idle = self.idle.map(|idle| idle + self.linger());
        let next = self.sources.next_deadline().into_iter().chain(idle);
        let wait = next
            .map(|due| due.saturating_sub(now))
            .fold(IDLE, Duration::min);
        Instant::now() + wait
    }

    async fn leave_all(&mut self) {
        for (_, (_, left)) in self.asked.drain() {
            left.cancel();
        }
        // Each feed ends at its next look, and hands its goodbye to a task.
        while self.feeds.next().await.is_some() {}
    }
}
