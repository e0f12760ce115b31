//! A client that publishes: the server behind is asked to take its stream before it is told that it may
//! go on, and before any viewer gets it.
//!
//! An encoder that comes back while its old connection still looks alive takes over, if the route
//! does not say otherwise: the old one is asked first, and has 2 s to answer (clients.md).

use std::pin::Pin;
use std::time::Duration;

use contract::reason::Reason;
use contract::route::SecondPublisher;
use edge_core::session::Wanted;
use rtmp::Message;
use rtmp::server::PublishKind;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::driver::Driver;
use super::relay;
use super::roles::Role;
use super::way::{Way, target};
use crate::live::{Busy, HubState, Publication, Publisher};
use crate::sessions;

/// How long a publisher may take to answer whether it is still there.
const STILL_THERE: Duration = Duration::from_secs(2);
/// How long an old session may take to go when another takes over.
const GONE: Duration = Duration::from_secs(1);
/// Probes that may wait for a publisher; chosen, because each waits for 2 s only.
const PROBES: usize = 4;
/// Those who may wait for one answer of a publisher, beside the probes that wait for room.
const ASKING: usize = 64;
/// What is read at most of a publisher that waits for the server's answer. Chosen, because encoders wait
/// for it too, and so much is held of any client before it is let in.
const HELD_BYTES: usize = 64 << 10;

/// A client that publishes.
pub(super) struct Publishing {
    pub(super) publication: Publication,
    state: watch::Receiver<HubState>,
    /// The server's answer, until it came.
    answer: Option<oneshot::Receiver<Result<(), Reason>>>,
    /// What the client sent meanwhile.
    held: Vec<Message>,
    probes: mpsc::Receiver<oneshot::Sender<()>>,
    /// Those who asked whether it is still there.
    asking: Vec<oneshot::Sender<()>>,
}

/// A stream that is being taken from another client.
pub(super) struct Claim {
    work: Pin<Box<dyn Future<Output = Result<Publication, Reason>> + Send>>,
    probes: Option<mpsc::Receiver<oneshot::Sender<()>>>,
    rest: Option<(Way, PublishKind)>,
    /// What the client sent already. Nothing more is read from it until the claim is settled, so
    /// this is what one read brought to its end.
    held: Vec<Message>,
}

/// What happened to a publisher.
pub(super) enum Happened {
    /// The other publisher gave way, or did not.
    Claimed(Result<Publication, Reason>),
    /// The server behind took the stream, or did not.
    Answered(Result<(), Reason>),
    /// Somebody asks whether the client is still there.
    Probe(oneshot::Sender<()>),
    /// The stream ended.
    Ended(Reason),
}

impl Claim {
    pub(super) async fn next(&mut self) -> Happened {
        Happened::Claimed((&mut self.work).await)
    }
}

impl Publishing {
    pub(super) async fn next(&mut self) -> Happened {
        tokio::select! {
            answer = answered(&mut self.answer) => {
                self.answer = None;
                Happened::Answered(answer)
            }
            Some(probe) = self.probes.recv(), if self.asking.len() < ASKING => Happened::Probe(probe),
            reason = ended(&mut self.state) => Happened::Ended(reason),
        }
    }

    /// Whether enough is held of what it sent before a server took its stream.
    pub(super) fn is_full(&self) -> bool {
        let held: usize = self.held.iter().map(|one| one.payload.len()).sum();
        held >= HELD_BYTES
    }

    fn media(&mut self, message: Message) {
        if self.answer.is_some() {
            self.held.push(message);
        } else {
            self.publication.append(message);
        }
    }

    /// A server took the stream.
    fn started(&mut self) {
        for message in std::mem::take(&mut self.held) {
            self.publication.append(message);
        }
    }
}

async fn answered(
    answer: &mut Option<oneshot::Receiver<Result<(), Reason>>>,
) -> Result<(), Reason> {
    match answer {
        Some(answer) => answer.await.unwrap_or(Err(Reason::OriginUnreachable)),
        None => std::future::pending().await,
    }
}

async fn ended(state: &mut watch::Receiver<HubState>) -> Reason {
    loop {
        if let HubState::Ended(reason) = *state.borrow_and_update() {
            return reason;
        }
        if state.changed().await.is_err() {
            return Reason::StreamEnded;
        }
    }
}

impl Driver {
    pub(super) fn publish(&mut self, wanted: Wanted, kind: PublishKind) {
        let stream_id = wanted.stream_id;
        let settings = self.plane.settings();
        let snapshot = settings.snapshot.as_deref();
        let way =
            snapshot.and_then(|snapshot| Way::new(wanted, &self.session, &self.record, snapshot));
        let Some((way, key)) = way.and_then(|way| Some((way.clone(), way.key()?))) else {
            self.session.publish_failed(stream_id, Reason::Destination);
            return;
        };
        self.record
            .update(|record| record.next_hop = Some(target(key.next)));
        let (probe, probes) = mpsc::channel(PROBES);
        let publisher = Publisher {
            session: self.record.clone(),
            probe,
        };
        let rule = way.live.second_publisher;
        match self.plane.live.publish(key.clone(), publisher.clone()) {
            Ok(publication) => self.begin(stream_id, publication, way, kind, probes),
            Err(Busy::Publisher(other)) => {
                let live = self.plane.live.clone();
                let work = async move {
                    give_way(rule, other).await?;
                    live.publish(key, publisher)
                        .map_err(|Busy::Publisher(_)| Reason::StreamBusy)
                };
                let claim = Claim {
                    work: Box::pin(work),
                    probes: Some(probes),
                    rest: Some((way, kind)),
                    held: Vec::new(),
                };
                self.roles.put(stream_id, Role::Claiming(Box::new(claim)));
            }
        }
    }

    fn begin(
        &mut self,
        stream_id: u32,
        publication: Publication,
        way: Way,
        kind: PublishKind,
        probes: mpsc::Receiver<oneshot::Sender<()>>,
    ) {
        let answer = relay::push(&self.plane, &publication, way, kind);
        let publishing = Publishing {
            state: publication.hub().watch(),
            publication,
            answer: Some(answer),
            probes,
            asking: Vec::new(),
            held: Vec::new(),
        };
        let role = Role::Publishing(Box::new(publishing));
        self.roles.put(stream_id, role);
    }

    /// A message of a stream that the client publishes.
    pub(super) fn media(&mut self, message: Message) {
        match self.roles.get_mut(message.stream_id) {
            Some(Role::Publishing(publishing)) => publishing.media(message),
            Some(Role::Claiming(claim)) => claim.held.push(message),
            Some(Role::Waiting(_) | Role::Playing(_) | Role::Opening(_) | Role::Watching(_))
            | None => {}
        }
    }

    pub(super) fn publishing_happened(&mut self, stream_id: u32, happened: Happened) {
        match happened {
            Happened::Claimed(claimed) => self.claimed(stream_id, claimed),
            Happened::Answered(Ok(())) => {
                if let Some(Role::Publishing(publishing)) = self.roles.get_mut(stream_id) {
                    publishing.started();
                    if let Some(hop) = publishing.publication.hub().next_hop() {
                        self.record.update(|record| record.next_hop = Some(hop));
                    }
                }
                self.session.publish_started(stream_id);
            }
            Happened::Answered(Err(reason)) => {
                self.roles.take(stream_id);
                self.session.publish_failed(stream_id, reason);
            }
            Happened::Probe(asker) => {
                if let Some(Role::Publishing(publishing)) = self.roles.get_mut(stream_id) {
                    publishing.asking.retain(|one| !one.is_closed());
                    // One answer is enough for all who wait.
                    if publishing.asking.is_empty() {
                        self.session.ping(self.plane.context.clock.now());
                    }
                    publishing.asking.push(asker);
                }
            }
            Happened::Ended(reason) => {
                self.roles.take(stream_id);
                self.session.stream_ended(stream_id, reason);
            }
        }
    }

    fn claimed(&mut self, stream_id: u32, claimed: Result<Publication, Reason>) {
        let Some(Role::Claiming(mut claim)) = self.roles.take(stream_id) else {
            return;
        };
        match (claimed, claim.rest.take(), claim.probes.take()) {
            (Ok(publication), Some((way, kind)), Some(probes)) => {
                self.begin(stream_id, publication, way, kind, probes);
                for message in claim.held {
                    self.media(message);
                }
            }
            (Ok(_), _, _) => self.session.publish_failed(stream_id, Reason::Internal),
            (Err(reason), _, _) => self.session.publish_failed(stream_id, reason),
        }
    }

    /// The client answered a ping: who asked whether it is there hears it.
    pub(super) fn alive(&mut self) {
        for role in self.roles.iter_mut() {
            if let Role::Publishing(publishing) = role {
                for asker in publishing.asking.drain(..) {
                    // Who asked may have given up.
                    let _ = asker.send(());
                }
            }
        }
    }
}

/// Makes the client that publishes give its stream up to another one, as the route says.
async fn give_way(rule: SecondPublisher, other: Publisher) -> Result<(), Reason> {
    let reason = match rule {
        SecondPublisher::Refuse => return Err(Reason::StreamBusy),
        SecondPublisher::Ping if is_there(&other).await => return Err(Reason::StreamBusy),
        SecondPublisher::Ping => Reason::TimedOut,
        SecondPublisher::TakeOver => Reason::TakenOver,
    };
    other.session.kick(reason);
    let gone = timeout(GONE, other.probe.closed()).await;
    drop::<sessions::Session>(other.session);
    gone.map_err(|_| Reason::StreamBusy)
}

/// Whether a publisher answers. Several may ask at once: each waits for room, so that a publisher
/// that is well is never taken for gone.
async fn is_there(other: &Publisher) -> bool {
    let asked = async {
        let (asker, answer) = oneshot::channel();
        other.probe.send(asker).await.is_ok() && answer.await.is_ok()
    };
    timeout(STILL_THERE, asked).await.unwrap_or(false)
}
