//! The closed list of ways in and out of an edge.

use serde::{Deserialize, Serialize};

/// How a client came to the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ingress {
    /// RTMP on TCP.
    Rtmp,
    /// RTMP inside TLS.
    Rtmps,
    /// HTTP.
    Http,
    /// HTTP inside TLS.
    Https,
}

impl Ingress {
    /// Every variant, for forms.
    pub const ALL: [Self; 4] = [Self::Rtmp, Self::Rtmps, Self::Http, Self::Https];

    /// The scheme that a URL of this kind begins with.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Rtmp => "rtmp",
            Self::Rtmps => "rtmps",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that stands for no port in such a URL.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Rtmp => 1935,
            Self::Rtmps | Self::Https => 443,
            Self::Http => 80,
        }
    }

    /// Which of the edge's two sides serves it.
    #[must_use]
    pub const fn plane(self) -> Plane {
        match self {
            Self::Rtmp | Self::Rtmps => Plane::Rtmp,
            Self::Http | Self::Https => Plane::Http,
        }
    }
}

/// By which protocol viewers receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Egress {
    /// RTMP messages, as the publisher sent them.
    Rtmp,
    /// HTTP answers, as the origin gave them.
    Http,
}

/// The edge's two sides: a route belongs to one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plane {
    /// RTMP and RTMPS.
    Rtmp,
    /// HTTP and HTTPS.
    Http,
}

impl Plane {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rtmp => "rtmp",
            Self::Http => "http",
        }
    }
}
