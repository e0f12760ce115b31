//! `weir edge` and `weir edge join`.

use anyhow::Context;
use contract::name::Name;
use edge_agent::agent::{self, Agent};
use edge_agent::config::Written;

use crate::cli::{EdgeJoin, EdgeOptions, EdgeVerb};
use crate::say;
use crate::settings::{Reading, Wrong};
use crate::stop::{GRACE, Reloads, Signals};

/// Joins, or runs the edge until it is asked to stop.
pub(crate) async fn run(options: EdgeOptions) -> anyhow::Result<()> {
    match options.verb {
        Some(EdgeVerb::Join(join)) => enroll(join).await,
        None => serve(options).await,
    }
}

async fn enroll(options: EdgeJoin) -> anyhow::Result<()> {
    let mut reading = Reading::default();
    let name = match &options.name {
        None => Some(None),
        Some(text) => reading
            .value(
                "--name",
                text,
                "a name: letters, digits, spaces and `.-_`",
                |text| Name::parse(text).ok(),
            )
            .map(Some),
    };
    let name = reading.end(name)?;
    let joined = agent::join(&options.data, &options.token, name)
        .await
        .context("this edge did not join")?;
    say::line(format_args!("joined as {} {}", joined.edge, joined.name));
    Ok(())
}

async fn serve(options: EdgeOptions) -> anyhow::Result<()> {
    let below = Written::read(options.config.as_deref()).map_err(|faults| Wrong::of(faults.0))?;
    let given = Written {
        data: options.data,
        rtmp: options.rtmp,
        rtmps: options.rtmps,
        http: options.http,
        status: options.status,
        advertise_rtmp: options.advertise_rtmp,
        advertise_rtmps: options.advertise_rtmps,
        advertise_http: options.advertise_http,
        certificates: (!options.certificates.is_empty()).then_some(options.certificates),
        grace_days: options.grace_days,
        store_memory_mib: options.store_memory_mib,
        store_disk_mib: options.store_disk_mib,
        session_log: options.session_log,
        session_log_mib: options.session_log_mib,
        session_log_files: options.session_log_files,
        session_log_checkpoint_s: options.session_log_checkpoint_s,
    };
    let config = given
        .over(below)
        .meant()
        .map_err(|faults| Wrong::of(faults.0))?;
    let mut signals = Signals::catch()?;
    let mut reloads = Reloads::catch()?;
    let agent = Agent::start(config)
        .await
        .context("the edge does not start")?;
    tell(&agent);
    loop {
        tokio::select! {
            () = signals.asked() => break,
            () = reloads.asked() => agent.reload(),
        }
    }
    signals.unless_asked_again(agent.stop(GRACE)).await;
    Ok(())
}

fn tell(agent: &Agent) {
    let (id, at) = (agent.id(), agent.addresses());
    let listeners = [
        ("rtmp", "rtmp", at.rtmp),
        ("rtmps", "rtmps", at.rtmps),
        ("http", "http", at.http),
        ("status", "http", at.status),
    ];
    for (plane, scheme, address) in listeners {
        if let Some(address) = address {
            say::line(format_args!("edge {id} {plane} {scheme}://{address}"));
        }
    }
    say::line("ready");
}
