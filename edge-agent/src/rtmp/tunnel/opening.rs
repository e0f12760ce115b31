//! Finding the server behind for a tunnel: those of the route are raced up to the handshake, each
//! within one try's time. Only the one that is taken hears of the client.

use std::pin::Pin;

use contract::address::HostPort;
use contract::hop::{HOP_LIFETIME_MS, Hop};
use contract::protocol::Plane as Side;
use contract::reason::Reason;
use contract::routing::NextHop;
use contract::snapshot::Snapshot;
use edge_core::session::{Far, Opening, Session};
use edge_core::upstream::ONE_TRY;
use rtmp::{Limits, client};
use tokio::time::timeout;

use super::super::Plane;
use super::super::relay::Failure;
use super::super::relay::race::{self, No};
use super::super::way::hop_of;
use super::line::Line;
use crate::clock::now_ms;
use crate::dial::Dialed;
use crate::sessions;

/// Messages without media that a server may send a client each second. Chosen, because a shared
/// object that many write to comes in many small ones, and servers of ours are trusted with more than
/// clients.
const MESSAGES: u32 = 100_000;

/// Finding a server, under way.
pub(in crate::rtmp) type Work = Pin<Box<dyn Future<Output = Result<Opened, Reason>> + Send>>;

/// A server that was found.
pub(in crate::rtmp) struct Opened {
    pub(super) next: NextHop,
    pub(super) line: Line,
    pub(super) far: Far,
}

/// Whom to ask, and what another edge of ours hears of the client.
struct Going {
    opening: Opening,
    /// The host and port that the client used, where the next edge routes by them.
    host: Option<HostPort>,
    hop: Hop,
}

/// Begins to look for a server; `None` where the settings do not say how.
pub(super) fn begin(
    plane: &Plane,
    session: &Session,
    record: &sessions::Session,
    opening: Opening,
) -> Option<Work> {
    let settings = plane.settings();
    let hop = hop_of(session, record, settings.snapshot.as_deref()?)?;
    let facts = session.facts()?;
    let host = opening.relayed.then(|| HostPort {
        host: facts.host.clone(),
        port: facts.port,
    });
    let going = Going { opening, host, hop };
    let plane = plane.clone();
    Some(Box::pin(async move {
        let now = plane.context.clock.now();
        let order = plane.upstreams().order(&going.opening.passage.next, now);
        let reached = race::first(order, No::AskOn, |next| reach(&plane, &going, next)).await;
        match reached {
            Ok((next, (line, far))) => {
                plane.context.totals.relay_opened();
                Ok(Opened { next, line, far })
            }
            Err(failure) => Err(failure.reason()),
        }
    }))
}

/// Connects to one server, up to the end of the handshake.
async fn reach(plane: &Plane, going: &Going, next: NextHop) -> Result<(Line, Far), Failure> {
    let settings = plane.settings();
    let snapshot = settings.snapshot.as_deref().ok_or(Failure::Unreachable)?;
    let work = async {
        let (Dialed { conn, addr }, far) = dial(plane, going, next, snapshot).await?;
        let clock = plane.context.clock;
        let limits = Limits {
            commands: MESSAGES,
            ..Limits::default()
        };
        let session = client::Session::tunnel(limits, clock.now());
        let line = Line::open(conn, session, clock).await?;
        Ok((line, hiding(far, addr.ip().to_string())))
    };
    let reached = timeout(ONE_TRY, work)
        .await
        .unwrap_or(Err(Failure::Unreachable));
    let now = plane.context.clock.now();
    match &reached {
        Ok(_) => plane.upstreams().succeeded(next),
        Err(_) => plane.upstreams().failed(next, now),
    }
    reached
}

async fn dial(
    plane: &Plane,
    going: &Going,
    next: NextHop,
    snapshot: &Snapshot,
) -> Result<(Dialed, Far), Failure> {
    let dialer = &plane.context.dialer;
    let (dialed, far) = match next {
        NextHop::Origin(id) => {
            let origin = snapshot.origin(id).ok_or(Failure::Unreachable)?;
            let far = Far {
                at: origin.address.to_string(),
                hop: None,
                hidden: vec![origin.address.at.host.clone()],
            };
            (dialer.dial(origin, ONE_TRY).await, far)
        }
        NextHop::Edge(id) => {
            let edge = snapshot.neighbor(id).ok_or(Failure::Unreachable)?;
            let at = edge.rtmp.as_ref().ok_or(Failure::Unreachable)?;
            let key = snapshot.keys.first().ok_or(Failure::Unreachable)?;
            let hop = Hop {
                until_ms: now_ms() + HOP_LIFETIME_MS,
                ..going.hop.clone()
            };
            let far = Far {
                at: format!("rtmp://{}", going.host.as_ref().unwrap_or(at)),
                hop: Some(hop.sign(key)),
                // Clients know our edges.
                hidden: Vec::new(),
            };
            (dialer.dial_edge(edge, Side::Rtmp, ONE_TRY).await, far)
        }
    };
    let dialed = dialed.map_err(|error| {
        tracing::debug!(upstream = ?next, %error, "upstream was not reached");
        Failure::Unreachable
    })?;
    Ok((dialed, far))
}

/// The address of an origin is hidden as its name is.
fn hiding(mut far: Far, addr: String) -> Far {
    if !far.hidden.is_empty() {
        far.hidden.push(addr);
    }
    far
}
