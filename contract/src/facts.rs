//! Facts: all that a rule may ask about a connection.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::address::Requested;
use crate::hop::Hop;
use crate::id::{ClientId, GroupId};
use crate::protocol::Ingress;
use crate::secret::Secret;

/// What a client wants to do with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Receive it; for HTTP: GET and HEAD.
    Play,
    /// Send it; for HTTP: every other method.
    Publish,
}

impl Action {
    /// Every variant, for forms.
    pub const ALL: [Self; 2] = [Self::Play, Self::Publish];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Play => "play",
            Self::Publish => "publish",
        }
    }
}

/// All that is known of a connection when it is judged.
///
/// For HTTP, `requested.app` is the path up to its last slash and `requested.stream` what follows,
/// both without leading slashes, so that one rule speaks of both planes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// When, in Unix milliseconds.
    pub at_ms: u64,
    /// The client's address, as a trusted balancer forwarded it or as the socket says.
    pub addr: IpAddr,
    /// How it came.
    pub ingress: Ingress,
    /// The host name that the client used.
    pub host: String,
    /// The port that the client used.
    pub port: u16,
    /// What it wants to do; `None` at `connect`.
    pub action: Option<Action>,
    /// What it asked for.
    pub requested: Requested,
    /// The page that the player stands on, or the `Referer`.
    #[serde(default)]
    pub page_url: Option<String>,
    /// The player's own address.
    #[serde(default)]
    pub swf_url: Option<String>,
    /// `flashVer` or `User-Agent`.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// How it proved who it is.
    #[serde(default)]
    pub proof: Proof,
    /// When the session was let in, in Unix milliseconds, if it is judged again: a play token is a
    /// right to begin, so it may expire while what it began goes on.
    #[serde(default)]
    pub admitted_ms: Option<u64>,
    /// Which of our edges it came through, already verified.
    #[serde(default)]
    pub hop: Option<Hop>,
    /// Who it is: filled in by `admit::judge` before rules are read.
    #[serde(default)]
    pub client: Option<ClientId>,
    /// The groups it belongs to: filled in by `admit::judge`.
    #[serde(default)]
    pub groups: Vec<GroupId>,
}

/// How a client proved who it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Proof {
    /// Not at all, beyond its address.
    #[default]
    None,
    /// The edge checked its stream password.
    StreamPassword {
        /// Whose it is.
        client: ClientId,
    },
    /// It tried a stream password that is wrong, or a name that is not registered.
    WrongStreamPassword,
    /// It brought a play token, not checked yet.
    PlayToken {
        /// The token's text.
        token: Secret,
    },
}

/// What an RTMP client calls itself when it is a Flash player: these follow a redirect.
const FLASH_PLATFORMS: [&str; 4] = ["WIN ", "MAC ", "LNX ", "AND "];

impl Facts {
    /// Whether the client is known to follow a redirect: HTTP clients do; of RTMP clients those
    /// that call themselves a Flash player and stand in a page (clients.md: no live client of
    /// today follows one).
    #[must_use]
    pub fn follows_redirect(&self) -> bool {
        match self.ingress {
            Ingress::Http | Ingress::Https => true,
            Ingress::Rtmp | Ingress::Rtmps => {
                let flash = self.user_agent.as_deref().is_some_and(|agent| {
                    FLASH_PLATFORMS
                        .iter()
                        .any(|platform| agent.starts_with(platform))
                });
                flash
                    && self
                        .page_url
                        .as_deref()
                        .is_some_and(|page| !page.is_empty())
            }
        }
    }
}
