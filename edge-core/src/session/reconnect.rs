//! Asking a client to connect again (Enhanced RTMP, `NetConnection.Connect.ReconnectRequest`): one
//! that announced it is told where it belongs now, or that this edge stops. It goes by itself, and
//! what it does here goes on until it has gone. No other client is told anything.

use contract::admit;
use contract::assignment::{Elsewhere, Placement};
use contract::id::EdgeId;
use contract::reason::Reason;
use rtmp::amf::Properties;

use super::Session;
use crate::admission::{self, Door};

const RECONNECT: &str = "NetConnection.Connect.ReconnectRequest";

impl Session {
    /// Asks the client to connect again by the address that it used: another edge may answer there.
    /// False if it is none that would.
    pub fn ask_to_reconnect(&mut self, reason: Reason) -> bool {
        let asks = self.may_be_asked();
        if asks {
            self.request(reason.sentence(), Properties::new());
        }
        asks
    }

    /// Asks a client that belongs to another edge now, and is to be redirected there, to go.
    pub(super) fn ask_to_move(&mut self, door: &Door<'_>) {
        if !self.may_be_asked() {
            return;
        }
        let Some(edge) = self.belongs_to(door) else {
            self.asked_to = None;
            return;
        };
        if self.asked_to.as_deref() == Some(&edge) {
            return;
        }
        let Some(at) = self.address_of(door, edge) else {
            return;
        };
        let tc_url = format!("{at}/{}", self.app);
        self.asked_to = Some(Box::new(edge));
        let description = Reason::Moved.sentence();
        self.request(description, vec![("tcUrl".to_owned(), tc_url.into())]);
    }

    fn may_be_asked(&self) -> bool {
        self.reconnects && self.admitted && !self.closing
    }

    fn request(&mut self, description: &str, extra: Properties) {
        self.wire.status(0, "status", RECONNECT, description, extra);
        self.flush();
    }

    /// The other edge that the client is to be redirected to.
    fn belongs_to(&self, door: &Door<'_>) -> Option<EdgeId> {
        let snapshot = door.snapshot?;
        let mut facts = self.facts.as_deref()?.clone();
        // One that another edge carries here has been where it came to.
        if facts.hop.is_some() {
            return None;
        }
        facts.admitted_ms = facts.admitted_ms.or(Some(facts.at_ms));
        facts.at_ms = door.at_ms;
        let client = admission::judge(door, &facts).client;
        let known = client.and_then(|id| door.directory.client(id));
        facts.client = known.map(|client| client.id);
        facts.groups = known.map_or_else(Vec::new, |client| client.groups.clone());
        match admit::place(snapshot, door.directory, &facts) {
            Placement::Elsewhere {
                edge,
                policy: Elsewhere::Redirect,
                ..
            } => edge,
            Placement::Elsewhere {
                policy: Elsewhere::Relay | Elsewhere::Refuse,
                ..
            }
            | Placement::Here(_) => None,
        }
    }
}
