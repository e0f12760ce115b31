//! One client's session on its socket.
//!
//! What the socket, the settings, the stream and the clock bring goes into `edge-core`'s session;
//! what that wants is done. The invariants: all that one input brings forth goes out in one write;
//! while a worker writes media to the socket, everything goes through it; the record ends once,
//! with the reason.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use contract::reason::Reason;
use edge_core::admission::webhook::Word;
use edge_core::session::{Closing, Ending, Output, Peer, Refused, Session};
use rtmp::Limits;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::reading;
use super::roles::{RoleEvent, Roles};
use super::tunnel::{self, Tunnel, TunnelEvent};
use super::{Gate, Plane, door};
use crate::control::Settings;
use crate::sessions;
use crate::socket::Socket;

/// How long a client may take to read an answer. Chosen, because answers are small.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a last word may take, and how long the client may take to hang up after it.
const LAST_WORD: Duration = Duration::from_secs(1);
/// How often rules are asked again when nothing changed but the time. Chosen, because time windows
/// begin and end at minutes.
const REJUDGE: Duration = Duration::from_secs(20);
/// A client that was silent for so long is asked whether it is still there, each [`REJUDGE`].
const QUIET: Duration = Duration::from_secs(15);
/// One that says nothing to that either is gone: a network that was cut says nothing by itself.
/// As long may a client take after `connect` to ask for what it can be admitted to.
const SILENT: Duration = Duration::from_secs(50);

/// How long a client that connects again when it is asked to has for that when the edge stops: less
/// than a stop may take.
const LEAVING: Duration = Duration::from_secs(3);

/// What happened.
enum Event {
    Readable,
    Settings,
    Asked(Reason),
    Due,
    Role(u32, RoleEvent),
    Tunnel(TunnelEvent),
    Answered(Word),
}

pub(super) struct Driver {
    pub(super) plane: Plane,
    pub(super) socket: Arc<Socket>,
    pub(super) session: Session,
    pub(super) record: sessions::Session,
    pub(super) roles: Roles,
    settings: watch::Receiver<Arc<Settings>>,
    gate: Option<Box<dyn Gate>>,
    pub(super) out: Vec<Bytes>,
    /// What the session wants after what is being done now.
    pub(super) later: VecDeque<Output>,
    /// An application is asked about the client.
    asking: Option<Pin<Box<dyn Future<Output = Word> + Send>>>,
    closing: Option<Closing>,
    pub(super) tunnel: Option<Tunnel>,
    /// When a client that was asked to connect again must have gone.
    leaves: Option<Duration>,
    /// When streams that the session writes itself are to be looked at again.
    pub(super) look: Option<Duration>,
    /// Whether their socket took no more.
    pub(super) full: bool,
    rejudge: Duration,
    began: Duration,
    /// When something came from the client last.
    heard: Duration,
    kicked: CancellationToken,
    stop: CancellationToken,
}

/// Serves one client until its session ends. Each session keeps this future for as long as it lasts:
/// the driver is made outside of it and lent to all that it does, so that it is in there once.
pub(super) fn drive(
    plane: Plane,
    socket: Socket,
    peer: Peer,
    record: sessions::Session,
    gate: Box<dyn Gate>,
) -> impl Future<Output = ()> + Send {
    let now = plane.context.clock.now();
    let mut driver = Driver {
        session: Session::new(peer, Limits::default(), now),
        socket: Arc::new(socket),
        settings: plane.context.settings.clone(),
        kicked: record.ended(),
        stop: plane.context.stop.soft(),
        roles: Roles::default(),
        gate: Some(gate),
        out: Vec::new(),
        later: VecDeque::new(),
        asking: None,
        closing: None,
        tunnel: None,
        leaves: None,
        look: None,
        full: false,
        rejudge: now + REJUDGE,
        began: now,
        heard: now,
        record,
        plane,
    };
    async move { driver.run().await }
}

impl Driver {
    async fn run(&mut self) {
        while self.closing.is_none() {
            let event = self.next().await;
            self.hear(event).await;
            self.obey().await;
        }
        self.close().await;
    }

    async fn next(&mut self) -> Event {
        let now = self.plane.context.clock.now();
        let due = self
            .roles
            .deadline()
            .into_iter()
            .chain(self.session.next_deadline())
            .chain(self.look)
            .chain(self.leaves)
            .fold(self.rejudge, Duration::min);
        let due = Instant::now() + due.saturating_sub(now);
        // While a stream is being claimed the publisher's first messages wait in the socket.
        // While an application is asked, all that the client says does.
        let reads = !self.roles.are_claiming()
            && self.asking.is_none()
            && self.tunnel.as_ref().is_none_or(Tunnel::takes);
        let stays = self.leaves.is_none();
        tokio::select! {
            () = self.kicked.cancelled(), if stays => {
                Event::Asked(self.record.end_reason().unwrap_or(Reason::EndedByOperator))
            }
            () = self.stop.cancelled(), if stays => Event::Asked(Reason::EdgeStopping),
            Ok(()) = self.settings.changed() => Event::Settings,
            // An error is seen by the read that follows.
            _ = self.socket.readable(), if reads => Event::Readable,
            // What can be written now is written after each event.
            _ = self.socket.writable(), if self.full => Event::Due,
            word = answer(&mut self.asking) => {
                self.asking = None;
                Event::Answered(word)
            }
            (stream_id, event) = self.roles.next() => Event::Role(stream_id, event),
            event = tunnel::next(&mut self.tunnel) => Event::Tunnel(event),
            () = tokio::time::sleep_until(due) => Event::Due,
        }
    }

    async fn hear(&mut self, event: Event) {
        match event {
            Event::Readable => self.read(),
            Event::Settings => {
                let settings = self.settings.borrow_and_update().clone();
                let limits = &self.plane.context.limits;
                self.session.rejudge(&door(&settings, limits));
                self.gather_anew(&settings);
            }
            Event::Asked(reason) => self.asked_to_end(reason),
            Event::Due => self.due().await,
            Event::Answered(word) => {
                let settings = self.plane.settings();
                let limits = &self.plane.context.limits;
                self.session.answered(word, &door(&settings, limits));
            }
            Event::Tunnel(event) => self.tunnel_happened(event),
            Event::Role(stream_id, event) => match event {
                RoleEvent::State(state) => self.stream_is(stream_id, state).await,
                RoleEvent::Over(over) => self.ended_by_worker(stream_id, over.reason, over.sent),
                // It is written after each event.
                RoleEvent::Newer => {}
                RoleEvent::Opened(opened) => {
                    Box::pin(self.opened(stream_id, *opened)).await;
                }
                RoleEvent::Told(told) => self.recorded_told(stream_id, told).await,
                RoleEvent::Publishing(happened) => self.publishing_happened(stream_id, happened),
            },
        }
    }

    /// A client that goes elsewhere when it is asked to has a little time for it when the edge stops.
    fn asked_to_end(&mut self, reason: Reason) {
        if reason == Reason::EdgeStopping && self.session.ask_to_reconnect(reason) {
            self.leaves = Some(self.plane.context.clock.now() + LEAVING);
        } else {
            self.session.end(reason);
        }
    }

    /// A viewer was ended by whoever writes to its socket: there is no use in another word.
    pub(super) fn ended_by_worker(&mut self, stream_id: u32, why: Option<Reason>, sent: u64) {
        self.roles.take(stream_id);
        self.session.sent_past(sent);
        self.lost(why.unwrap_or(Reason::Internal));
    }

    /// The client cannot be written to any more.
    pub(super) fn lost(&mut self, reason: Reason) {
        self.closing = Some(Closing {
            ending: Ending::Ended,
            reason,
            detail: None,
        });
    }

    fn read(&mut self) {
        let settings = self.plane.settings();
        let now = self.plane.context.clock.now();
        let session = &mut self.session;
        let limits = &self.plane.context.limits;
        let read = reading::read(&self.socket, |bytes| {
            session.handle(bytes, &door(&settings, limits), now);
        });
        match read {
            Ok(Some(0)) => {}
            Ok(Some(count)) => {
                self.heard = now;
                self.record.add_received(count as u64);
            }
            Ok(None) | Err(_) => {
                self.closing.get_or_insert(Closing {
                    ending: Ending::Ended,
                    reason: Reason::ClientClosed,
                    detail: None,
                });
            }
        }
    }

    async fn due(&mut self) {
        let now = self.plane.context.clock.now();
        self.session.handle_timeout(now);
        if self.leaves.is_some_and(|leaves| leaves <= now) {
            self.session.end(Reason::EdgeStopping);
        }
        self.tunnel_is_due(now);
        if self.rejudge <= now {
            self.rejudge = now + REJUDGE;
            let settings = self.plane.settings();
            let limits = &self.plane.context.limits;
            self.session.rejudge(&door(&settings, limits));
            match presence(
                self.session.is_admitted(),
                now - self.began,
                now - self.heard,
            ) {
                Presence::There => {}
                Presence::Quiet => self.session.ping(now),
                Presence::Gone => self.session.end(Reason::TimedOut),
            }
        }
        while let Some(stream_id) = self.roles.due(now) {
            self.time_is_up(stream_id).await;
        }
    }

    /// Does what the session wants.
    pub(super) async fn obey(&mut self) {
        while let Some(output) = self.wanted() {
            match output {
                Output::Send(bytes) => self.out.push(bytes),
                Output::Changed => self.describe(),
                Output::Refused(refused) => self.refused_beside(&refused),
                Output::Subscribe(wanted, part) => self.subscribe(wanted, part).await,
                Output::Unsubscribe { stream_id } => self.leave(stream_id, None).await,
                Output::Player { stream_id, wish } => self.wish(stream_id, wish).await,
                Output::Publish(wanted, kind) => self.publish(*wanted, kind),
                Output::Media(message) => self.media(message),
                Output::Unpublish { stream_id } => {
                    self.roles.take(stream_id);
                }
                Output::Ask(inquiry) => {
                    let webhooks = self.plane.context.webhooks.clone();
                    self.asking = Some(Box::pin(async move { webhooks.ask(*inquiry).await }));
                }
                Output::Length {
                    transaction,
                    wanted,
                } => Box::pin(self.length(transaction, *wanted)).await,
                Output::Tunnel(opening) => self.open_tunnel(*opening),
                Output::Forward(message) => self.forward(&message),
                Output::Alive => self.alive(),
                Output::Close(closing) => {
                    self.closing.get_or_insert(closing);
                }
            }
        }
        if self.closing.is_none() {
            self.send().await;
        }
        if self.closing.is_none() {
            self.pump();
            self.pump_tunnel();
        }
    }

    fn wanted(&mut self) -> Option<Output> {
        self.later
            .pop_front()
            .or_else(|| self.session.poll_output())
    }

    fn describe(&mut self) {
        let session = &self.session;
        self.record.update(|record| session.describe(record));
        if self.session.is_admitted() {
            self.gate = None;
        }
    }

    /// A stream was refused while others go on: one more session in the log, which the decision's id
    /// leads to.
    fn refused_beside(&self, refused: &Refused) {
        let own = self.record.record();
        let Some(record) = self.plane.context.sessions.begin(own.addr, own.ingress) else {
            return;
        };
        record.update(|record| self.session.describe_refused(refused, record));
        record.refuse(refused.reason, refused.detail());
    }

    async fn send(&mut self) {
        if self.out.is_empty() {
            return;
        }
        let out = std::mem::take(&mut self.out);
        let out = self.behind_tunnel(out);
        if out.is_empty() {
            return;
        }
        if let Some((_, seat)) = self.roles.seated() {
            seat.command(joined(out)).await;
            return;
        }
        if let Some((_, seat)) = self.roles.watching() {
            seat.command(joined(out)).await;
            return;
        }
        let out = if self.roles.playing().is_some() {
            let behind = self.behind_message(joined(out));
            behind.into_iter().collect()
        } else {
            out
        };
        match reading::write(&self.socket, &out, ANSWER).await {
            Ok(()) => self
                .record
                .add_sent(out.iter().map(|one| one.len() as u64).sum()),
            Err(error) => {
                self.lost(if error.kind() == std::io::ErrorKind::TimedOut {
                    Reason::TooSlow
                } else {
                    Reason::ClientClosed
                });
            }
        }
    }

    /// Says the last word, ends the record, hangs up.
    async fn close(&mut self) {
        while let Some(stream_id) = self.roles.playing() {
            self.leave(stream_id, None).await;
        }
        if let Some((stream_id, _)) = self.roles.watching() {
            self.leave(stream_id, None).await;
        }
        self.leave_tunnel();
        let Some(closing) = self.closing.take() else {
            return;
        };
        self.roles.clear();
        let gone = matches!(closing.reason, Reason::ClientClosed | Reason::TooSlow);
        if closing.reason == Reason::TooSlow {
            reading::reset(&self.socket);
        }
        if !gone
            && reading::write(&self.socket, &self.out, LAST_WORD)
                .await
                .is_ok()
        {
            let sent = self.out.iter().map(|one| one.len() as u64).sum();
            self.record.add_sent(sent);
        }
        self.describe();
        match (closing.ending, closing.detail) {
            (Ending::Refused, detail) => self.record.refuse(closing.reason, detail),
            (Ending::Challenged, _) => self.record.challenge(closing.reason),
            (Ending::Ended, Some(detail)) => self.record.end_with(closing.reason, detail),
            (Ending::Ended, None) => self.record.end(closing.reason),
        }
        if !gone {
            reading::close(&self.socket, LAST_WORD).await;
        }
    }
}

/// The application's word, when one is asked.
async fn answer(asking: &mut Option<Pin<Box<dyn Future<Output = Word> + Send>>>) -> Word {
    match asking {
        Some(asked) => asked.await,
        None => std::future::pending().await,
    }
}

/// Whether a client is still there, as far as its silence tells.
#[derive(Debug, PartialEq, Eq)]
enum Presence {
    There,
    Quiet,
    Gone,
}

fn presence(admitted: bool, age: Duration, silence: Duration) -> Presence {
    if silence >= SILENT || (!admitted && age >= SILENT) {
        Presence::Gone
    } else if silence >= QUIET {
        Presence::Quiet
    } else {
        Presence::There
    }
}

/// Several pieces as one.
pub(super) fn joined(pieces: Vec<Bytes>) -> Bytes {
    let mut pieces = pieces.into_iter();
    let Some(first) = pieces.next() else {
        return Bytes::new();
    };
    let mut whole = BytesMut::from(first);
    for piece in pieces {
        whole.extend_from_slice(&piece);
    }
    whole.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What grows it is boxed where few clients do it, or does not stay over an `await`.
    #[test]
    fn a_session_waits_in_less_than_4_kib() {
        fn size<A, B, C, D, E, F>(_: impl FnOnce(A, B, C, D, E) -> F) -> usize {
            size_of::<F>()
        }
        let size = size(drive);
        assert!(size <= 4_096, "{size}");
    }

    #[test]
    fn a_client_that_says_nothing_is_asked_and_then_gone() {
        let check = |admitted, age_s, silence_s, expected| {
            let (age, silence) = (Duration::from_secs(age_s), Duration::from_secs(silence_s));
            assert_eq!(
                presence(admitted, age, silence),
                expected,
                "{age_s} {silence_s}"
            );
        };
        check(true, 3_600, 1, Presence::There);
        check(true, 3_600, 20, Presence::Quiet);
        check(true, 3_600, 60, Presence::Gone);
        // Who was never let in may not stay by answering pings.
        check(false, 20, 1, Presence::There);
        check(false, 60, 1, Presence::Gone);
    }
}
