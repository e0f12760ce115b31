//! How far a session has come, of either end: handshake, `connect`, and what follows.
//!
//! The time goes in, a fault comes out where a phase lasts too long. The invariant: each of the first
//! two phases has a deadline, no other has. It does not know what is said in them.

use std::time::Duration;

use crate::{Fault, Limits};

/// A phase; `H` is the end's handshake.
pub(crate) enum Phase<H> {
    /// The handshake goes on.
    Handshake {
        /// What is known of it.
        handshake: Box<H>,
        /// When it must be over.
        deadline: Duration,
    },
    /// `connect`, or its answer, is awaited.
    Connect {
        /// When it must be there.
        deadline: Duration,
    },
    /// It was said, or answered with yes.
    Connected,
    /// It was answered with no.
    Rejected,
}

impl<H> Phase<H> {
    /// The first phase, begun at `now`.
    pub(crate) fn new(handshake: H, limits: &Limits, now: Duration) -> Self {
        Self::Handshake {
            handshake: Box::new(handshake),
            deadline: now + limits.handshake,
        }
    }

    /// When the phase must be over.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        match self {
            Self::Handshake { deadline, .. } | Self::Connect { deadline } => Some(*deadline),
            Self::Connected | Self::Rejected => None,
        }
    }

    /// Judges the phase by the time.
    ///
    /// # Errors
    /// [`Fault::HandshakeTimeout`], [`Fault::ConnectTimeout`].
    pub(crate) fn check(&self, limits: &Limits, now: Duration) -> Result<(), Fault> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        Err(match self {
            Self::Handshake { .. } => Fault::HandshakeTimeout(limits.handshake),
            Self::Connect { .. } | Self::Connected | Self::Rejected => {
                Fault::ConnectTimeout(limits.connect)
            }
        })
    }
}
