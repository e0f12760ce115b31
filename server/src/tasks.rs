//! Reconcilers: what is done again and again, without input, safe to repeat, until the server
//! stops.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;

mod live;
mod lost;
mod publish;
mod sweep;

/// Starts all tasks; they end when `stop` is cancelled.
pub(crate) fn start(app: &App, stop: &CancellationToken) {
    every(Duration::from_secs(1), app, stop, live::tell);
    every(Duration::from_secs(1), app, stop, lost::mark);
    every(Duration::from_secs(1), app, stop, publish::owed);
    every(Duration::from_secs(60), app, stop, sweep::run);
}

/// Runs `work` now and after each pause, one run at a time.
fn every<F, W>(pause: Duration, app: &App, stop: &CancellationToken, work: W)
where
    W: Fn(App) -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let app = app.clone();
    let stop = stop.clone();
    tokio::spawn(async move {
        let mut turn = tokio::time::interval(pause);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = turn.tick() => work(app.clone()).await,
            }
        }
    });
}
