//! What the status address says of this edge, gathered from everything that runs.

use contract::snapshot::EdgeState;

use crate::context::Context;
use crate::control::LinkState;
use crate::journal::Journal;
use crate::status::Watched;
use crate::telemetry::Figures;
use crate::web::Web;

/// The running edge, as the status address asks for it.
#[derive(Debug)]
pub(super) struct EdgeWatched {
    pub(super) context: Context,
    pub(super) link: LinkState,
    pub(super) web: Web,
}

impl Watched for EdgeWatched {
    fn ready(&self) -> Result<(), &'static str> {
        let standing = self.link.now();
        if self.context.stop.has_begun() {
            return Err("the edge is stopping");
        }
        if standing.expelled {
            return Err("the server does not know this edge any more");
        }
        if standing.grace_is_over {
            return Err("the server has been silent for longer than the grace");
        }
        let settings = self.context.settings.borrow();
        let Some(snapshot) = &settings.snapshot else {
            return Err("the edge has no settings yet");
        };
        match snapshot.own().map(|own| own.state) {
            Some(EdgeState::Draining) => Err("the edge is draining"),
            Some(EdgeState::Retired) => Err("the edge is retired"),
            // It runs, whatever the server believes of it.
            Some(EdgeState::Pending | EdgeState::Active | EdgeState::Lost) | None => Ok(()),
        }
    }

    fn figures(&self) -> Figures {
        let standing = self.link.now();
        let streams = self.context.streams.states();
        let stored = self.web.stored();
        let recordings = self.context.recordings.held();
        Figures {
            totals: self.context.totals.counts(),
            sessions: self.context.sessions.count(),
            ended: self.context.totals.ended_by_reason(),
            turned_away: self.context.totals.turned_away_by_reason(),
            forgotten: self.context.sessions.forgotten(),
            unlogged: self.context.sessions.journal().map_or(0, Journal::lost),
            limits: self.context.limits.refused(),
            streams: streams.len(),
            viewers: streams.iter().map(|stream| stream.viewers).sum(),
            tunnels: self.context.streams.tunnels(),
            objects: stored.objects,
            stored_bytes: stored.bytes,
            recordings: recordings.objects,
            recording_bytes: recordings.bytes,
            store_faults: recordings.faults,
            generation: standing
                .settings
                .serving
                .map_or(0, |stamp| stamp.generation),
            directory: standing.directory,
            connected: standing.connected,
            webhooks: self.context.webhooks.counts(),
            clock_offset_ms: standing.clock_offset_ms,
        }
    }
}
