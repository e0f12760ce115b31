//! Measuring for limits each second, whatever the server does meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Settings;
use crate::limits::Limits;
use crate::sessions::Sessions;

/// How often is measured; chosen, because limits are by the second.
const EVERY: Duration = Duration::from_secs(1);

/// Measures until `done`.
pub(super) async fn run(
    limits: Limits,
    settings: watch::Receiver<Arc<Settings>>,
    sessions: Sessions,
    done: CancellationToken,
) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = done.cancelled() => return,
        }
        let now = Arc::clone(&settings.borrow());
        limits.measure(now.snapshot.as_deref(), &now.directory, &sessions);
    }
}
