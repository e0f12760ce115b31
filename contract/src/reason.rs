//! Why a session was refused or ended: one list for logs, metrics, reports and pages.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident $code:literal $sentence:literal;)*) => {
        /// Why something was refused or ended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $code)] $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word for logs, metrics and JSON.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// What people read, the client included: it never names an origin.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => $sentence,)*
                }
            }
        }
    };
}

reasons! {
    /// The client closed the connection.
    ClientClosed "client_closed" "the client closed the connection";
    /// The publisher ended the stream.
    StreamEnded "stream_ended" "the stream ended";
    /// An operator ended the session.
    EndedByOperator "ended_by_operator" "an operator ended the session";
    /// A changed setting does not let the session go on.
    NoLongerAllowed "no_longer_allowed" "a changed rule or assignment does not allow this session";
    /// The session was moved to another edge.
    Moved "moved" "the client belongs to another edge now";
    /// The edge stops.
    EdgeStopping "edge_stopping" "the edge is stopping";
    /// The edge takes no new sessions.
    EdgeDraining "edge_draining" "the edge takes no new sessions";
    /// The edge has no settings yet.
    NoSettings "no_settings" "the edge has no settings yet";
    /// No route matches.
    NoRoute "no_route" "no route matches this address";
    /// The route rejects.
    RouteRejects "route_rejects" "the route rejects this address";
    /// The destination is not a listed origin, or cannot be reached: both look alike from outside.
    Destination "destination" "this destination is not available";
    /// The address cannot be read.
    BadAddress "bad_address" "the address cannot be read";
    /// A wrapped address without an application.
    NoApplication "no_application" "the wrapped address lacks an application: ?rtmp://origin/application/stream";
    /// The chain comes back to an edge it has passed.
    Loop "loop" "the chain of edges is a loop";
    /// Too many edges in a row.
    TooManyHops "too_many_hops" "the chain of edges is too long";
    /// The route asks who the client is, and it did not say.
    IdentityRequired "identity_required" "this address asks the client to prove who it is";
    /// Wrong stream password.
    WrongPassword "wrong_password" "the name or stream password is wrong";
    /// The play token is damaged, expired, or for something else.
    BadToken "bad_token" "the play token is not valid for this request";
    /// The client is switched off.
    ClientDisabled "client_disabled" "this client is switched off";
    /// A rule denies.
    DeniedByRule "denied_by_rule" "a rule denies this";
    /// No rule allows, and the route's default is to deny.
    DeniedByDefault "denied_by_default" "no rule allows this";
    /// The application that was asked denies.
    DeniedByWebhook "denied_by_webhook" "the application does not allow this";
    /// The application that is asked does not answer, and silence denies.
    WebhookSilent "webhook_silent" "the application that decides this does not answer";
    /// The client belongs to another edge.
    WrongEdge "wrong_edge" "this client belongs to another edge";
    /// The client was told to go to another edge.
    Redirected "redirected" "the client was redirected to its edge";
    /// No origin of the route answers.
    OriginUnreachable "origin_unreachable" "the application is not available at the moment";
    /// The origin refused the stream.
    OriginRefused "origin_refused" "the application refused the stream";
    /// Nobody publishes the stream.
    StreamNotFound "stream_not_found" "nobody publishes this stream";
    /// Somebody publishes the stream already.
    StreamBusy "stream_busy" "this stream is being published already";
    /// Another client publishes the stream now, as its route says.
    TakenOver "taken_over" "another client publishes this stream now";
    /// A limit is reached.
    LimitReached "limit_reached" "a limit is reached";
    /// The handshake was wrong.
    BadHandshake "bad_handshake" "the handshake is wrong";
    /// A message broke the protocol or a bound.
    ProtocolFault "protocol_fault" "the connection broke the protocol";
    /// Nothing came in time.
    TimedOut "timed_out" "the connection did not go on in time";
    /// A viewer read nothing for too long.
    TooSlow "too_slow" "the client read nothing for too long";
    /// A fault of ours.
    Internal "internal" "the edge failed; this is a fault of ours";
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_code_reads_back_as_its_reason() {
        for reason in Reason::ALL {
            let json = serde_json::to_string(reason).unwrap();
            assert_eq!(json, format!("\"{}\"", reason.code()));
            assert_eq!(serde_json::from_str::<Reason>(&json).unwrap(), *reason);
        }
    }
}
