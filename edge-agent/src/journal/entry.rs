//! One line of the session log: what a session did, when, and how its record stood then.

use contract::reason::Reason;
use contract::report::SessionRecord;
use serde::Serialize;

/// What a session did, in the words of Flash Media Server's access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Event {
    /// It asked to be let in, and more must be known first.
    ConnectPending,
    /// It was let in, or refused.
    Connect,
    /// It goes on.
    ConnectContinue,
    /// It is over.
    Disconnect,
    /// A stream is played, or was refused.
    Play,
    /// It goes on being played.
    PlayContinue,
    /// It is not played any more.
    Stop,
    /// A stream is published, or was refused.
    Publish,
    /// It goes on being published.
    PublishContinue,
    /// It is not published any more.
    Unpublish,
}

impl Event {
    /// The word for it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ConnectPending => "connect-pending",
            Self::Connect => "connect",
            Self::ConnectContinue => "connect-continue",
            Self::Disconnect => "disconnect",
            Self::Play => "play",
            Self::PlayContinue => "play-continue",
            Self::Stop => "stop",
            Self::Publish => "publish",
            Self::PublishContinue => "publish-continue",
            Self::Unpublish => "unpublish",
        }
    }

    /// Whether it is one of a stream, not of the connection.
    pub(super) const fn is_of_stream(self) -> bool {
        match self {
            Self::ConnectPending | Self::Connect | Self::ConnectContinue | Self::Disconnect => {
                false
            }
            Self::Play
            | Self::PlayContinue
            | Self::Stop
            | Self::Publish
            | Self::PublishContinue
            | Self::Unpublish => true,
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    /// What was done.
    pub(super) event: Event,
    /// How it went: 100 waits, 200 is well, 400 and above was refused.
    pub(super) status: u16,
    /// When, in Unix milliseconds.
    pub(super) at_ms: u64,
    /// How long the stream, or for events of the connection the session, has lasted.
    pub(super) duration_ms: u64,
    /// Bytes received since the stream began.
    pub(super) stream_received_bytes: u64,
    /// Bytes sent since the stream began.
    pub(super) stream_sent_bytes: u64,
    /// The record as it stood.
    pub(super) session: SessionRecord,
}

/// The status of what was refused for this reason, by the numbers that Flash Media Server uses.
pub(super) const fn status(reason: Reason) -> u16 {
    match reason {
        Reason::BadAddress
        | Reason::NoApplication
        | Reason::BadHandshake
        | Reason::ProtocolFault
        | Reason::TimedOut
        | Reason::TooSlow
        | Reason::ClientClosed => 400,
        Reason::IdentityRequired
        | Reason::WrongPassword
        | Reason::BadToken
        | Reason::DeniedByWebhook => 401,
        Reason::RouteRejects
        | Reason::ClientDisabled
        | Reason::DeniedByRule
        | Reason::DeniedByDefault
        | Reason::WrongEdge
        | Reason::NoLongerAllowed
        | Reason::EndedByOperator
        | Reason::Moved => 403,
        Reason::NoRoute | Reason::StreamNotFound | Reason::StreamEnded => 404,
        Reason::LimitReached | Reason::StreamBusy | Reason::TakenOver => 409,
        Reason::Redirected => 302,
        Reason::Destination
        | Reason::OriginUnreachable
        | Reason::OriginRefused
        | Reason::Loop
        | Reason::TooManyHops => 502,
        Reason::NoSettings
        | Reason::EdgeStopping
        | Reason::EdgeDraining
        | Reason::WebhookSilent => 503,
        Reason::Internal => 500,
    }
}
