//! What both planes are given: the settings to judge by, the registries to tell, the way out, and
//! the stop to heed. The agent makes it once; every part is a handle that may be cloned.

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::control::Settings;
use crate::dial::Dialer;
use crate::limits::Limits;
use crate::recorded::Recordings;
use crate::sessions::{Sessions, Totals};
use crate::stop::Stop;
use crate::streams::Streams;
use crate::webhook::Webhooks;

/// What a plane needs to serve.
#[derive(Debug, Clone)]
pub struct Context {
    /// The settings in force; each change is a new value.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// Every client connection of both planes.
    pub sessions: Sessions,
    /// What is counted.
    pub totals: Totals,
    /// Every live stream.
    pub streams: Streams,
    /// The recorded streams that are stored.
    pub recordings: Recordings,
    /// The only way to origins and other edges.
    pub dialer: Dialer,
    /// The only way to applications that are asked who may come in.
    pub webhooks: Webhooks,
    /// What is counted for limits.
    pub limits: Limits,
    /// Time for the machines of `edge-core`.
    pub clock: Clock,
    /// When to come to an end.
    pub stop: Stop,
}
