//! An edge of ours as an administrator would set it up: a server, one cluster, one route to one
//! origin, all by the REST API, then an edge that joins. Only the edge is measured; server and
//! origin share the load's processor.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Place, Setting};
use crate::http::Caller;
use crate::process::Process;

/// For the one user of a server that lives for seconds, on loopback.
const NAME: &str = "bench";
const PASSWORD: &str = "measured for a moment";

/// Starts server and edge; the edge's process comes first.
///
/// # Errors
/// When one of them does not start, or the server refuses what is to be set up.
pub(crate) async fn start(
    setting: &Setting,
    gather: Duration,
    folder: &Path,
    origin: SocketAddr,
) -> Result<(Process, Process, Place)> {
    let weir = setting.weir.as_path();
    let data = |name: &str| folder.join(name).display().to_string();
    let (server_data, edge_data) = (data("server-data"), data("edge-data"));

    let arguments = ["server", "--data", &server_data, "--listen", "127.0.0.1:0"];
    let processors = &setting.load_processors;
    let mut server = Process::start("server", processors, folder, weir, &arguments)?;
    let listening = "server listening on http://";
    let address: SocketAddr = server
        .line(|line| line.strip_prefix(listening).map(str::to_owned))
        .await?
        .parse()?;
    let link = server
        .line(|line| line.strip_prefix("set-up link ").map(str::to_owned))
        .await?;
    let token = link.rsplit('/').next().unwrap_or_default();
    let secret = set_up(address, token, origin, gather).context("the server cannot be set up")?;

    let arguments = ["edge", "join", &secret, "--data", &edge_data];
    let join = Process::start("join", processors, folder, weir, &arguments)?;
    join.succeeds().await?;

    let listen = ["--rtmp", "127.0.0.1:0", "--http", "off", "--status", "off"];
    let arguments = [&["edge", "--data", &edge_data][..], &listen].concat();
    let processors = &setting.server_processors;
    let mut edge = Process::start("edge", processors, folder, weir, &arguments)?;
    let address = edge
        .line(|line| {
            let (_, url) = line.strip_prefix("edge ")?.split_once(" rtmp rtmp://")?;
            Some(url.to_owned())
        })
        .await?;
    edge.line(|line| (line == "ready").then_some(())).await?;
    Ok((edge, server, Place::at(address.parse()?)))
}

/// Makes the administrator and all that an edge needs; the secret by which one joins.
fn set_up(server: SocketAddr, token: &str, origin: SocketAddr, gather: Duration) -> Result<String> {
    let mut caller = Caller::new(server);
    let user = json!({"token": token, "name": NAME, "password": PASSWORD});
    caller.post("/api/v1/setup", &user)?;
    let user = json!({"name": NAME, "password": PASSWORD});
    caller.post("/api/v1/logins", &user)?;

    let cluster = id(&caller.post("/api/v1/clusters", &json!({"name": NAME}))?)?;
    let wanted = json!({
        "name": NAME,
        "address": format!("rtmp://{origin}"),
        "reach": {"loopback": true},
    });
    let origin = id(&caller.post("/api/v1/origins", &wanted)?)?;
    let wanted = json!({
        "name": NAME,
        "app": "live",
        "upstreams": [origin],
        "default_effect": "allow",
        "live": {"gather_ms": gather.as_millis() as u64},
    });
    caller.post("/api/v1/routes", &wanted)?;
    let made = caller.post(
        "/api/v1/join-tokens",
        &json!({"cluster": cluster, "name": NAME}),
    )?;
    text(&made, "secret")
}

fn id(made: &Value) -> Result<String> {
    text(made, "id")
}

fn text(made: &Value, field: &str) -> Result<String> {
    let text = made[field].as_str().map(str::to_owned);
    text.with_context(|| format!("the answer has no `{field}`: {made}"))
}
