//! `connect`: from what the client says to the first ruling, and the answers to it.

use std::sync::Arc;

use contract::address::{Requested, tc_url_host};
use contract::facts::Facts;
use contract::hop::{HOP_PROPERTY, Hop};
use contract::id::EdgeId;
use contract::protocol::Ingress;
use contract::reason::Reason;
use contract::snapshot::{EdgeState, Snapshot};
use contract::token::proof_in;
use rtmp::amf::{Properties, Value, property};
use rtmp::server::{Connect, OFFERS};

use super::asking::Asked;
use super::{Ending, Output, Session};
use crate::admission::webhook::inquiry;
use crate::admission::{self, Door, Outcome, Ruling, adobe};

/// The bit of `capsEx` by which a client says that it connects again when it is asked to.
const RECONNECTS: u32 = 1;
/// The code of every rejection of `connect`.
pub(super) const REJECTED: &str = "NetConnection.Connect.Rejected";

impl Session {
    pub(super) fn connect(&mut self, connect: Box<Connect>, door: &Door<'_>) {
        let (app, offer) = adobe::cut(&connect.app);
        self.app = app.to_owned();
        self.encoder = property(&connect.object, "type").is_some();
        self.offers = offers(&connect.object);
        self.reconnects = connect.caps_ex.unwrap_or_default() & RECONNECTS != 0;
        let (requested, unreadable) = match Requested::parse(app, None) {
            Ok(requested) => (requested, None),
            Err(error) => (Requested::default(), Some(error.to_string())),
        };
        let at = connect.tc_url.as_deref().and_then(tc_url_host);
        let (host, port) =
            at.map_or_else(|| (String::new(), self.peer.port), |at| (at.host, at.port));
        let mut facts = Facts {
            at_ms: door.at_ms,
            addr: self.peer.addr,
            ingress: self.peer.ingress,
            host,
            port,
            action: None,
            proof: proof_in(&requested),
            requested,
            page_url: connect.page_url.clone(),
            swf_url: connect.swf_url.clone(),
            user_agent: connect.flash_version.clone(),
            admitted_ms: None,
            hop: None,
            client: None,
            groups: Vec::new(),
        };
        let hop = property(&connect.object, HOP_PROPERTY).and_then(Value::as_str);
        let arrived = hop.map(|text| verified(text, door));
        if let Some(Ok(hop)) = &arrived {
            facts.addr = hop.addr;
            facts.hop = Some(hop.clone());
        }
        let mut asks = None;
        if let Some(offer) = offer {
            match adobe::step(door, facts.addr, &offer) {
                adobe::Step::Ask(description) => asks = Some(description),
                adobe::Step::Proven(proof) => facts.proof = proof,
            }
        }
        let facts = Arc::new(facts);
        self.connected = Some(Arc::clone(&facts));
        self.facts = Some(Arc::clone(&facts));
        self.outputs.push_back(Output::Changed);
        let transaction = connect.transaction;
        if let Some(description) = asks {
            self.ruling = Some(admission::refused(Reason::IdentityRequired).into());
            self.challenge(transaction, &description);
            return;
        }
        if unreadable.is_some() || matches!(arrived, Some(Err(()))) {
            let reason = if unreadable.is_some() {
                Reason::BadAddress
            } else {
                Reason::BadToken
            };
            self.refuse_connect(transaction, admission::refused(reason), reason);
            return;
        }
        self.said = Some(connect);
        self.rule_on_connect(transaction, door, &facts);
    }

    fn rule_on_connect(&mut self, transaction: f64, door: &Door<'_>, facts: &Facts) {
        let ruling = admission::judge(door, facts);
        match ruling.outcome.clone() {
            Outcome::Admit(_)
            | Outcome::Relay(_)
            | Outcome::Challenge { .. }
            | Outcome::Postpone
                if facts.hop.is_none() && is_draining(door) =>
            {
                self.refuse_connect(transaction, ruling, Reason::EdgeDraining);
            }
            Outcome::Admit(_) | Outcome::Relay(_) => {
                if let Err(refused) = self.take_connection(door, facts, &ruling) {
                    self.refuse_connect(transaction, *refused, Reason::LimitReached);
                    return;
                }
                self.accept_or_ask((transaction, true), facts, ruling, door);
            }
            Outcome::Challenge { or_token: true } if !self.encoder => {
                self.accept((transaction, false), ruling, door);
            }
            Outcome::Postpone => self.accept_or_ask((transaction, false), facts, ruling, door),
            Outcome::Challenge { .. } => {
                let reason = Reason::IdentityRequired;
                let description = format!("{}[ {} ]", adobe::NEED_AUTH, ruling.says(reason));
                self.ruling = Some(ruling.into());
                self.challenge(transaction, &description);
            }
            Outcome::Redirect(edge) => self.redirect(transaction, door, ruling, edge),
            Outcome::Refuse(reason) => self.refuse_connect(transaction, ruling, reason),
        }
    }

    fn accept_or_ask(
        &mut self,
        (transaction, admits): (f64, bool),
        facts: &Facts,
        ruling: Ruling,
        door: &Door<'_>,
    ) {
        match inquiry(door, facts, &ruling, false) {
            Some(inquiry) => {
                let asked = Asked::Connect {
                    transaction,
                    ruling: Box::new(ruling),
                    admits,
                };
                self.ask(inquiry, asked);
            }
            None => self.accept((transaction, admits), ruling, door),
        }
    }

    pub(super) fn accept(
        &mut self,
        (transaction, admits): (f64, bool),
        ruling: Ruling,
        door: &Door<'_>,
    ) {
        let tunnels = admits && self.enter_tunnel(&ruling, door);
        self.said = None;
        self.ruling = Some(ruling.into());
        if admits {
            self.admit();
        }
        if tunnels {
            return;
        }
        self.wire.accept_connect(transaction, Vec::new());
        self.flush();
    }

    pub(super) fn refuse_connect(&mut self, transaction: f64, ruling: Ruling, reason: Reason) {
        let says = ruling.says(reason);
        let description = if reason == Reason::WrongPassword {
            format!("{}[ {says} ]", adobe::AUTH_FAILED)
        } else {
            says
        };
        let detail = ruling.detail.clone();
        self.ruling = Some(ruling.into());
        self.reject_for(transaction, &description, Vec::new(), (reason, detail));
    }

    /// Only a client that is known to follow is redirected; the judgment has seen to that.
    fn redirect(&mut self, transaction: f64, door: &Door<'_>, ruling: Ruling, edge: EdgeId) {
        let Some(to) = self.address_of(door, edge) else {
            self.refuse_connect(transaction, ruling, Reason::WrongEdge);
            return;
        };
        let ex = Value::object([
            ("code", Value::Number(302.0)),
            ("redirect", format!("{to}/{}", self.app).into()),
        ]);
        let description = ruling.says(Reason::Redirected);
        self.ruling = Some(ruling.into());
        let extra = vec![("ex".to_owned(), ex)];
        self.reject(transaction, &description, extra, Reason::Redirected);
    }

    /// Asks the client to sign in: it comes again on another connection.
    fn challenge(&mut self, transaction: f64, description: &str) {
        self.wire
            .reject_connect(transaction, REJECTED, description, Vec::new());
        self.outputs.push_back(Output::Changed);
        self.close(Ending::Challenged, Reason::IdentityRequired, None);
    }

    fn reject(&mut self, transaction: f64, description: &str, extra: Properties, reason: Reason) {
        self.reject_for(transaction, description, extra, (reason, None));
    }

    fn reject_for(
        &mut self,
        transaction: f64,
        description: &str,
        extra: Properties,
        (reason, detail): (Reason, Option<String>),
    ) {
        self.wire
            .reject_connect(transaction, REJECTED, description, extra);
        self.outputs.push_back(Output::Changed);
        self.close(Ending::Refused, reason, detail);
    }

    /// Where this client reaches another edge: one that came inside TLS is not sent out of it.
    pub(super) fn address_of(&self, door: &Door<'_>, edge: EdgeId) -> Option<String> {
        let neighbor = door.snapshot?.neighbor(edge)?;
        let at = match self.peer.ingress {
            Ingress::Rtmps => &neighbor.rtmps,
            Ingress::Rtmp | Ingress::Http | Ingress::Https => &neighbor.rtmp,
        };
        let at = at.as_ref()?;
        Some(format!("{}://{at}", self.peer.ingress.scheme()))
    }

    pub(super) fn admit(&mut self) {
        self.admitted = true;
        self.wire.set_admitted(true);
        self.outputs.push_back(Output::Changed);
    }
}

/// What a client can do beyond the old format, as a server behind is told. Going to another server
/// when told so (bit 0) is not for the client to promise: this edge is who would have to.
pub(super) fn offers(object: &Properties) -> Properties {
    let mut offers = Properties::new();
    for key in OFFERS {
        match property(object, key) {
            Some(Value::Number(flags)) => {
                let flags = f64::from(*flags as u32 & !RECONNECTS);
                offers.push((key.to_owned(), flags.into()));
            }
            Some(other) => offers.push((key.to_owned(), other.clone())),
            None => {}
        }
    }
    offers
}

fn verified(text: &str, door: &Door<'_>) -> Result<Hop, ()> {
    let keys = door.snapshot.map(|snapshot| snapshot.keys.as_slice());
    Hop::verify(text, keys.unwrap_or_default(), door.at_ms).map_err(|_| ())
}

/// Whether this edge takes no new sessions. One that another edge carries here was admitted there.
fn is_draining(door: &Door<'_>) -> bool {
    let own = door.snapshot.and_then(Snapshot::own);
    own.is_some_and(|own| own.state == EdgeState::Draining)
}
