//! When to stop: SIGTERM or SIGINT asks for a clean end; a second one ends the wait for it. SIGHUP asks
//! an edge to read its certificates again.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long a clean end may take.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// The signals that end the program, caught from the moment this is made.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches them from now on.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        tracing::info!("asked to stop");
    }

    /// Lets the end take its course, unless it is asked for again.
    pub(crate) async fn unless_asked_again(&mut self, ending: impl Future<Output = ()>) {
        tokio::select! {
            () = ending => {}
            () = self.asked() => tracing::warn!("asked again: ending at once"),
        }
    }
}

/// SIGHUP, caught from the moment this is made.
pub(crate) struct Reloads {
    hangup: Signal,
}

impl Reloads {
    /// Catches it from now on.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one.
    pub(crate) async fn asked(&mut self) {
        // One that cannot come any more is waited for in vain, as it should.
        if self.hangup.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        tracing::info!("asked to read files again");
    }
}
