//! `weir demo`: a whole small fleet in one process, on this machine only.
//!
//! A server, one cluster of two edges, an origin that is not Weir's, clients that come and go: all set up
//! through the REST API behind the set-up link, as a person would. It ends when it is asked to, or after the
//! time it was given, and takes its temporary data with it.

mod api;
mod arrangement;
mod clip;
mod crowd;
mod dial;
mod encoder;
mod fetch;
mod fleet;
mod origin;
mod place;
mod player;
mod ports;
mod tour;

use std::time::Duration;

use anyhow::Context;
use tokio::time::sleep;

use crate::cli::DemoOptions;
use crate::stop::Signals;
use fleet::Fleet;
use place::Place;

/// Runs the demo until it is asked to stop, or its time is over.
pub(crate) async fn run(options: DemoOptions) -> anyhow::Result<()> {
    let mut signals = Signals::catch()?;
    let place = Place::open(options.data).context("cannot make the data directory")?;
    let fleet = tokio::select! {
        started = Fleet::start(&place) => started?,
        () = signals.asked() => return Ok(()),
    };
    tour::tell(&fleet);
    let over = options.seconds.map(Duration::from_secs);
    tokio::select! {
        () = signals.asked() => {}
        () = sleep(over.unwrap_or_default()), if over.is_some() => {}
    }
    signals.unless_asked_again(fleet.stop()).await;
    Ok(())
}
