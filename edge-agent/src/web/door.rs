//! A client's connection at the door: each request is judged, recorded in the connection's
//! session, and refused or let in. Nothing is dialed before it is let in.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contract::facts::Facts;
use contract::id::EdgeId;
use contract::name::{AppName, StreamName};
use contract::protocol::Ingress;
use contract::reason::Reason;
use contract::report::{HopTarget, SessionState};
use contract::route::IdentityKind;
use contract::routing::NextHop;
use contract::snapshot::{EdgeState, Snapshot};
use edge_core::admission::{self, Door, Outcome, Ruling, limits, webhook};
use edge_core::limit::{Held, Place};
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::watch;

use super::Web;
use super::answer;
use super::asked::{Asked, Unreadable};
use super::body::{AnyBody, Counted, Received};
use super::forward::Asker;
use super::guard::Ambiguity;
use super::job::Job;
use super::proxy;
use crate::addresses::Permit;
use crate::clock::now_ms;
use crate::control::Settings;
use crate::sessions::{RouteCounts, Session};
use crate::stop::Stop;

/// One connection.
#[derive(Debug)]
pub(super) struct Visit {
    web: Web,
    peer: IpAddr,
    /// Told when what it sends can be understood in two ways.
    ambiguity: Ambiguity,
    state: Mutex<State>,
    /// Told when there is a session whose end may be waited for.
    begun: watch::Sender<Option<Session>>,
}

#[derive(Debug, Default)]
struct State {
    /// The last request that was let in, to judge it again.
    facts: Option<Facts>,
    /// It was asked who it is, and has not said.
    challenged: bool,
    /// It counts against its address until a request is let in.
    before_admission: Option<Permit>,
}

/// Why a request is not let in.
struct Refused {
    reason: Reason,
    detail: Option<String>,
    ruling: Option<Box<Ruling>>,
    password_would_do: bool,
}

impl Refused {
    fn new(reason: Reason) -> Self {
        Self {
            reason,
            detail: None,
            ruling: None,
            password_would_do: false,
        }
    }
}

impl From<Unreadable> for Refused {
    fn from(unreadable: Unreadable) -> Self {
        Self {
            detail: Some(unreadable.0.to_owned()),
            ..Self::new(Reason::BadAddress)
        }
    }
}

impl Visit {
    pub(super) fn new(
        web: Web,
        peer: IpAddr,
        before_admission: Permit,
        ambiguity: Ambiguity,
    ) -> Self {
        Self {
            web,
            peer,
            ambiguity,
            state: Mutex::new(State {
                before_admission: Some(before_admission),
                ..State::default()
            }),
            begun: watch::Sender::new(None),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stop(&self) -> Stop {
        self.web.shared.context.stop.clone()
    }

    pub(super) fn settings(&self) -> watch::Receiver<Arc<Settings>> {
        let mut settings = self.web.shared.context.settings.clone();
        settings.mark_unchanged();
        settings
    }

    /// Comes when the session is asked to end. At a stop what is under way is let go on.
    pub(super) async fn asked_to_end(&self) {
        let mut begun = self.begun.subscribe();
        let session = loop {
            let session = begun.borrow_and_update().clone();
            let asked = async {
                match &session {
                    Some(session) => session.ended().cancelled().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = asked => {}
                // The sender is this visit's own. After a refusal another session may begin.
                _ = begun.changed() => continue,
            }
            if let Some(session) = session {
                break session;
            }
        };
        match session.end_reason() {
            Some(Reason::EdgeStopping) => std::future::pending().await,
            Some(reason) => session.end(reason),
            None => session.end(Reason::EndedByOperator),
        }
    }

    /// Ends the session for this reason.
    pub(super) fn end(&self, reason: Reason) {
        if let Some(session) = self.begun.borrow().as_ref() {
            session.end(reason);
        }
    }

    /// The connection is over.
    pub(super) fn over(&self) {
        let reason = if self.state().challenged {
            Reason::IdentityRequired
        } else if self.web.shared.context.stop.has_begun() {
            Reason::EdgeStopping
        } else {
            Reason::ClientClosed
        };
        self.end(reason);
    }

    /// Whether changed settings end what is under way; a client that belongs elsewhere now is moved when it can follow.
    pub(super) fn no_longer(&self, settings: &Settings) -> Option<Reason> {
        let facts = self.state().facts.clone()?;
        let facts = Facts {
            at_ms: now_ms(),
            admitted_ms: facts.admitted_ms.or(Some(facts.at_ms)),
            ..facts
        };
        match judge(settings, &facts).outcome {
            Outcome::Admit(_) | Outcome::Relay(_) => None,
            Outcome::Redirect(_) => Some(Reason::Moved),
            Outcome::Challenge { .. } | Outcome::Postpone | Outcome::Refuse(_) => {
                Some(Reason::NoLongerAllowed)
            }
        }
    }

    /// Answers a request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<AnyBody> {
        let settings = Arc::clone(&self.web.shared.context.settings.borrow());
        let (parts, body) = request.into_parts();
        let admitted = match self.ambiguity.get() {
            Some(why) => Err(Unreadable(why)),
            None => Asked::read(&parts, Ingress::Http),
        };
        let admitted = admitted.map_err(Refused::from);
        let admitted = match admitted {
            Ok(asked) => self.admit(asked, &settings).await,
            Err(refused) => Err(refused),
        };
        let (job, session, held) = match admitted {
            Ok(Admitted::In(job, session, held)) => (job, session, held),
            Ok(Admitted::Sent(response)) => return response,
            Err(refused) => return self.refuse(refused),
        };
        let body = received(body, &session);
        match proxy::answer(&job, body).await {
            Ok(response) => counted(response, session, Some(job.counts), held),
            Err(reason) => {
                let decision = session.record().decision;
                let mut response = answer::refusal(reason, None, decision, false);
                // The client was let in; its next request may succeed.
                response.headers_mut().remove(CONNECTION);
                counted(response, session, None, held)
            }
        }
    }

    async fn admit(&self, mut asked: Asked, settings: &Settings) -> Result<Admitted, Refused> {
        let facts = asked.facts(self.peer, settings)?;
        let mut ruling = judge(settings, &facts);
        if ruling.token.is_some() {
            asked.token_was_ours();
        }
        let Some(snapshot) = &settings.snapshot else {
            return Err(Refused::new(Reason::NoSettings));
        };
        let is_new = self.begun.borrow().is_none();
        let session = self
            .session(facts.addr)
            .ok_or(Refused::new(Reason::LimitReached))?;
        describe(&session, &facts, &ruling);
        let draining = snapshot
            .own()
            .is_some_and(|own| own.state == EdgeState::Draining);
        if is_new && draining && facts.hop.is_none() && is_let_in(&ruling) {
            return Err(with(ruling, Reason::EdgeDraining, snapshot));
        }
        let mut held = Vec::new();
        self.place(settings, &facts, &ruling, &mut held)?;
        ruling = self.asked_about(ruling, &facts, settings).await;
        describe(&session, &facts, &ruling);
        // The application may have said who the client is.
        self.place(settings, &facts, &ruling, &mut held)?;
        let (passage, is_relayed) = match ruling.outcome.clone() {
            Outcome::Admit(passage) => (passage, false),
            Outcome::Relay(passage) => (passage, true),
            Outcome::Redirect(edge) => {
                return self.redirect(edge, &asked, &session, snapshot, ruling);
            }
            Outcome::Challenge { .. } | Outcome::Postpone => {
                return Err(with(ruling, Reason::IdentityRequired, snapshot));
            }
            Outcome::Refuse(reason) => return Err(with(ruling, reason, snapshot)),
        };
        let route_at = snapshot
            .routes
            .iter()
            .position(|route| route.id == passage.route)
            .ok_or(Refused::new(Reason::NoRoute))?;
        asked.count_query(&snapshot.routes[route_at].query);
        session.update(|record| {
            record.state = SessionState::Live;
            record.next_hop = passage.next.first().map(|hop| hop_target(*hop));
        });
        let asker = Asker {
            addr: facts.addr,
            client: ruling.client,
            session: session.id(),
            through: facts
                .hop
                .as_ref()
                .map_or(Vec::new(), |hop| hop.edges.clone()),
        };
        {
            let mut state = self.state();
            state.challenged = false;
            state.before_admission = None;
            state.facts = Some(facts);
        }
        let job = Job {
            web: self.web.clone(),
            asked: Arc::new(asked),
            snapshot: Arc::clone(snapshot),
            route_at,
            counts: self.web.shared.context.totals.route(passage.route),
            passage: Arc::new(passage),
            asker,
            is_relayed,
        };
        Ok(Admitted::In(Box::new(job), session, held))
    }

    /// Takes the place of one more connection under each limit where the request has none yet, if it
    /// is let in; for as long as it is answered.
    fn place(
        &self,
        settings: &Settings,
        facts: &Facts,
        ruling: &Ruling,
        held: &mut Vec<Held>,
    ) -> Result<(), Refused> {
        if !is_let_in(ruling) {
            return Ok(());
        }
        let door = Door {
            limits: Some(self.web.shared.context.limits.gate()),
            ..door(settings, facts)
        };
        let place = Place::Connection(facts.addr);
        let taken = limits::take(&door, facts, ruling, place, held);
        held.extend(taken.map_err(|refused| Refused {
            ruling: Some(refused),
            ..Refused::new(Reason::LimitReached)
        })?);
        Ok(())
    }

    /// The ruling with the word of the application that its route asks. The connection waits for it;
    /// no other does.
    async fn asked_about(&self, ruling: Ruling, facts: &Facts, settings: &Settings) -> Ruling {
        let door = door(settings, facts);
        match webhook::inquiry(&door, facts, &ruling, true) {
            Some(inquiry) => {
                let word = self.web.shared.context.webhooks.ask(inquiry).await;
                word.in_ruling(ruling, &door)
            }
            None => ruling,
        }
    }

    /// The connection's session; it begins with the first request.
    fn session(&self, addr: IpAddr) -> Option<Session> {
        if let Some(session) = self.begun.borrow().as_ref() {
            return Some(session.clone());
        }
        let session = self
            .web
            .shared
            .context
            .sessions
            .begin(addr, Ingress::Http)?;
        self.begun.send_replace(Some(session.clone()));
        Some(session)
    }

    fn redirect(
        &self,
        edge: EdgeId,
        asked: &Asked,
        session: &Session,
        snapshot: &Arc<Snapshot>,
        ruling: Ruling,
    ) -> Result<Admitted, Refused> {
        let at = snapshot.neighbor(edge).and_then(|edge| edge.http.as_ref());
        let Some(at) = at else {
            return Err(with(ruling, Reason::WrongEdge, snapshot));
        };
        let location = format!("{}://{at}{}", asked.ingress.scheme(), asked.target);
        let Some(mut response) = answer::redirect(&location) else {
            return Err(with(ruling, Reason::WrongEdge, snapshot));
        };
        session.update(|record| record.next_hop = Some(HopTarget::Edge { edge }));
        session.refuse(Reason::Redirected, None);
        self.begun.send_replace(None);
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
        Ok(Admitted::Sent(response))
    }

    /// Refuses a request. The connection's session is refused with it, unless it was let in
    /// before: then the refusal is a session of its own, so that it can be looked up.
    fn refuse(&self, refused: Refused) -> Response<AnyBody> {
        let ruling = refused.ruling.as_ref();
        let told = ruling.and_then(|ruling| ruling.told.as_deref());
        let response = answer::refusal(
            refused.reason,
            told.or(refused.detail.as_deref()),
            ruling.map(|ruling| ruling.id),
            refused.password_would_do,
        );
        if refused.reason == Reason::IdentityRequired && refused.password_would_do {
            self.state().challenged = true;
            return response;
        }
        let was_let_in = self.state().facts.is_some();
        let session = if was_let_in {
            let before = self.begun.borrow().as_ref().map(Session::record);
            let apart = self
                .web
                .shared
                .context
                .sessions
                .begin(self.peer, Ingress::Http);
            if let (Some(apart), Some(before)) = (&apart, before) {
                apart.update(|record| {
                    record.host = before.host;
                    record.app = before.app;
                    record.stream = before.stream;
                    record.user_agent = before.user_agent;
                });
            }
            apart
        } else {
            self.session(self.peer)
        };
        if let Some(session) = session {
            if let Some(ruling) = &refused.ruling {
                session.update(|record| ruling.describe(record));
            }
            // What the ruling knows beyond its reason may name rules: it is for the record only.
            let known = refused.ruling.and_then(|ruling| ruling.detail);
            session.refuse(refused.reason, refused.detail.or(known));
        }
        if !was_let_in {
            // A client that comes again on this connection, and is let in, is a session anew.
            self.begun.send_replace(None);
        }
        response
    }
}

enum Admitted {
    /// The request goes on.
    In(Box<Job>, Session, Vec<Held>),
    /// It was answered already.
    Sent(Response<AnyBody>),
}

fn is_let_in(ruling: &Ruling) -> bool {
    match ruling.outcome {
        Outcome::Admit(_) | Outcome::Relay(_) => true,
        Outcome::Redirect(_)
        | Outcome::Challenge { .. }
        | Outcome::Postpone
        | Outcome::Refuse(_) => false,
    }
}

fn judge(settings: &Settings, facts: &Facts) -> Ruling {
    admission::judge(&door(settings, facts), facts)
}

fn door<'s>(settings: &'s Settings, facts: &Facts) -> Door<'s> {
    Door {
        snapshot: settings.snapshot.as_deref(),
        directory: &settings.directory,
        at_ms: facts.at_ms,
        limits: None,
    }
}

fn with(ruling: Ruling, reason: Reason, snapshot: &Snapshot) -> Refused {
    let route = snapshot
        .routes
        .iter()
        .find(|route| Some(route.id) == ruling.route);
    Refused {
        password_would_do: route
            .is_some_and(|route| route.identity.contains(&IdentityKind::StreamPassword)),
        ruling: Some(Box::new(ruling)),
        ..Refused::new(reason)
    }
}

fn describe(session: &Session, facts: &Facts, ruling: &Ruling) {
    session.update(|record| {
        let requested = &facts.requested;
        record.user_agent.clone_from(&facts.user_agent);
        record.host.clone_from(&facts.host);
        record.app = requested
            .app
            .as_ref()
            .map_or(String::new(), AppName::to_string);
        record.stream = requested.stream.as_ref().map(StreamName::to_string);
        record.action = facts.action;
        record.through = facts
            .hop
            .as_ref()
            .map_or(Vec::new(), |hop| hop.edges.clone());
        ruling.describe(record);
    });
}

const fn hop_target(hop: NextHop) -> HopTarget {
    match hop {
        NextHop::Origin(origin) => HopTarget::Origin { origin },
        NextHop::Edge(edge) => HopTarget::Edge { edge },
    }
}

fn received(body: Incoming, session: &Session) -> AnyBody {
    let received = Received {
        body,
        session: session.clone(),
    };
    received.boxed_unsync()
}

fn counted(
    response: Response<AnyBody>,
    session: Session,
    counts: Option<RouteCounts>,
    held: Vec<Held>,
) -> Response<AnyBody> {
    response.map(|body| {
        let counted = Counted {
            body,
            session,
            counts,
            _held: held,
        };
        counted.boxed_unsync()
    })
}
