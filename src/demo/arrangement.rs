//! What the demo's administrator has set up: one cluster of two edges, the origin, routes, clients, rules
//! and assignments. All of it goes through the REST API, as anyone's would.

use std::net::SocketAddr;

use anyhow::Context;
use serde_json::{Value, json};

use super::api::{Api, text};

/// The edges' names.
pub(crate) const EDGES: [&str; 2] = ["edge-1", "edge-2"];

/// Addresses of the machine from which the demo's own clients come.
pub(crate) mod from {
    use std::net::{IpAddr, Ipv4Addr};

    const fn local(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
    }

    pub(crate) const NEWSROOM: IpAddr = local(2);
    pub(crate) const LOBBY: IpAddr = local(3);
    pub(crate) const BRANCH: IpAddr = local(4);
    pub(crate) const GUESTS: IpAddr = local(5);
    pub(crate) const ENCODER: IpAddr = local(6);
}

/// Where the origin listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OriginAt {
    pub(crate) rtmp: SocketAddr,
    pub(crate) http: SocketAddr,
}

/// The cluster and its ways to the origin: what edges need before they join.
pub(crate) async fn lay_ground(api: &Api, origin: OriginAt) -> anyhow::Result<String> {
    let cluster = made(api, "clusters", json!({"name": "demo"})).await?;
    let reach = json!({"private": false, "loopback": true});
    let application = made(
        api,
        "origins",
        json!({"name": "application", "address": format!("rtmp://{}", origin.rtmp), "reach": reach}),
    )
    .await?;
    let files = made(
        api,
        "origins",
        json!({"name": "files", "address": format!("http://{}", origin.http), "reach": reach}),
    )
    .await?;
    let route = |fields: Value| {
        let usual = json!({
            "cluster": cluster, "enabled": true, "order": 100, "plane": "rtmp", "kind": "implicit",
            "host": "*", "port": null, "action": "serve", "upstreams": [application],
            "rewrite": null, "identity": [], "default_effect": "allow",
        });
        made(api, "routes", over(usual, fields))
    };
    route(json!({"name": "live", "app": "live"})).await?;
    route(json!({
        "name": "studio", "app": "studio", "identity": ["network", "stream_password"], "default_effect": "deny",
    }))
    .await?;
    // Nothing but the password opens this one, so that who tries the tour from this machine is asked.
    route(json!({
        "name": "stage", "app": "stage", "identity": ["stream_password"], "default_effect": "deny",
    }))
    .await?;
    route(json!({"name": "wrapped addresses", "kind": "explicit", "app": "*", "order": 200}))
        .await?;
    route(json!({"name": "files", "plane": "http", "app": "vod/*", "upstreams": [files]})).await?;
    Ok(cluster)
}

/// A join token for one edge.
pub(crate) async fn join_token(api: &Api, cluster: &str, name: &str) -> anyhow::Result<String> {
    let made = api
        .post("join-tokens", &json!({"cluster": cluster, "name": name}))
        .await?;
    Ok(text(&made, "secret")?.to_owned())
}

/// Clients, rules and assignments, once the edges are there. Returns the encoder's stream password.
pub(crate) async fn invite(api: &Api, cluster: &str) -> anyhow::Result<String> {
    let newsrooms = made(api, "groups", json!({"name": "newsrooms"})).await?;
    let screens = made(api, "groups", json!({"name": "screens"})).await?;
    let encoders = made(api, "groups", json!({"name": "encoders"})).await?;
    let client = |name: &str, groups: Vec<&String>, networks: Vec<String>| {
        let new = json!({"name": name, "enabled": true, "groups": groups, "networks": networks});
        made(api, "clients", new)
    };
    let network = |addr| vec![format!("{addr}/32")];
    let newsroom = client("newsroom", vec![&newsrooms], network(from::NEWSROOM)).await?;
    let lobby = client("lobby-screen", vec![&screens], network(from::LOBBY)).await?;
    let branch = client("branch-office", vec![&screens], network(from::BRANCH)).await?;
    let guests = client("guest-wifi", vec![], network(from::GUESTS)).await?;
    client("this-machine", vec![], vec!["127.0.0.1/32".to_owned()]).await?;
    let encoder = client("studio-encoder", vec![&encoders], network(from::ENCODER)).await?;

    let rule = |order: u32, name: &str, effect: &str, conditions: Value| {
        let new = json!({
            "cluster": cluster, "enabled": true, "order": order, "name": name, "effect": effect,
            "conditions": conditions,
        });
        made(api, "rules", new)
    };
    let backstage = json!({"kind": "stream", "patterns": ["backstage*"]});
    let publish = json!({"kind": "action", "actions": ["publish"]});
    let newsrooms_only = json!([{"kind": "group", "groups": [newsrooms]}, backstage]);
    rule(10, "newsrooms see backstage", "allow", newsrooms_only).await?;
    rule(20, "nobody else sees backstage", "deny", json!([backstage])).await?;
    let no_files = json!([{"kind": "client", "clients": [guests]}, {"kind": "ingress", "ingresses": ["http"]}]);
    rule(30, "guests get no files", "deny", no_files).await?;
    let encoders_only = json!([{"kind": "group", "groups": [encoders]}]);
    rule(40, "encoders publish and play", "allow", encoders_only).await?;
    rule(50, "nobody else publishes", "deny", json!([publish])).await?;

    let edges = edges_by_name(api).await?;
    for (client, edge, elsewhere) in [
        (&newsroom, 0, "relay"),
        (&lobby, 1, "relay"),
        (&branch, 1, "refuse"),
    ] {
        let assignment = json!({
            "subject": {"kind": "client", "client": client},
            "target": {"kind": "edge", "edge": edges[edge]},
            "elsewhere": elsewhere, "order": 100, "enabled": true,
        });
        made(api, "assignments", assignment).await?;
    }
    let secret = api
        .post(&format!("clients/{encoder}/stream-password"), &json!({}))
        .await?;
    Ok(text(&secret, "password")?.to_owned())
}

/// Tells the server where the origin listens this time.
pub(crate) async fn move_origin(api: &Api, origin: OriginAt) -> anyhow::Result<()> {
    let list = api.get("origins").await?;
    for known in list["items"].as_array().into_iter().flatten() {
        let address = match text(known, "name")? {
            "application" => format!("rtmp://{}", origin.rtmp),
            "files" => format!("http://{}", origin.http),
            _ => continue,
        };
        if known["address"] != address {
            let path = format!("origins/{}", text(known, "id")?);
            api.patch(&path, &json!({"address": address})).await?;
        }
    }
    Ok(())
}

/// Whether both edges are active and serve what was published last.
pub(crate) async fn is_served(api: &Api) -> anyhow::Result<bool> {
    let list = api.get("edges").await?;
    let edges = list["items"].as_array().context("edges are a list")?;
    let serves = |edge: &Value| {
        let report = &edge["report"];
        edge["state"] == "active"
            && report["settings"]["serving"]["hash"] == edge["wanted"]["hash"]
            && report["directory"].as_u64() >= edge["wanted_directory"].as_u64()
    };
    Ok(edges.len() == EDGES.len() && edges.iter().all(serves))
}

/// The ids of [`EDGES`], in that order.
async fn edges_by_name(api: &Api) -> anyhow::Result<Vec<String>> {
    let list = api.get("edges").await?;
    let items = list["items"].as_array().context("edges are a list")?;
    let id_of = |name: &&str| {
        let edge = items.iter().find(|edge| edge["name"] == **name);
        Ok(text(edge.context("both edges have joined")?, "id")?.to_owned())
    };
    EDGES.iter().map(id_of).collect()
}

async fn made(api: &Api, noun: &str, new: Value) -> anyhow::Result<String> {
    let made = api.post(noun, &new).await?;
    Ok(text(&made, "id")?.to_owned())
}

/// The first object with the second's fields in place of its own.
fn over(mut usual: Value, fields: Value) -> Value {
    if let (Some(all), Value::Object(fields)) = (usual.as_object_mut(), fields) {
        all.extend(fields);
    }
    usual
}
