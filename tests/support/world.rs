//! A whole small fleet: a real origin, a server, one cluster, its edges, the origin's records, and routes that
//! tests can rely on. What a test adds goes through the REST API; [`World::settle`] waits until every edge
//! serves it.
//!
//! | route | what |
//! |---|---|
//! | explicit | any application of the origin, RTMP, by wrapped address |
//! | `live`, `studio`, `archive`, `vod` | the origin's application of that name, RTMP |
//! | `/media/*`, `/brief/*`, `/private/*`, `/slow/*` | the same path of the origin, HTTP |
//!
//! They allow what no rule denies and ask nobody who they are.

use std::time::Duration;

use serde_json::{Value, json};

use super::api::{Api, id, text};
use super::edge::Edge;
use super::eventually::eventually;
use super::media;
use super::origin::Origin;
use super::process::Running;
use super::server::Server;

const SETTLE: Duration = Duration::from_secs(15);

pub(crate) struct World {
    pub(crate) origin: Origin,
    pub(crate) server: Server,
    pub(crate) api: Api,
    pub(crate) edges: Vec<Edge>,
    pub(crate) cluster: String,
    /// The record of the origin's RTMP side.
    pub(crate) rtmp_origin: String,
    /// The record of its HTTP side.
    pub(crate) http_origin: String,
}

impl World {
    /// Starts all of it, with so many edges.
    pub(crate) fn start(edges: usize) -> Self {
        let mut server = Server::start();
        let api = server.set_up();
        World::around(server, api, edges)
    }

    /// Starts the rest around a server that is set up, of which `api` is an administrator.
    pub(crate) fn around(server: Server, api: Api, edges: usize) -> Self {
        let origin = Origin::start();
        let cluster = id(&api.post("/clusters", &json!({"name": "main"})));
        let record = |name: &str, address: String| {
            let reach = json!({"private": false, "loopback": true});
            id(&api.post(
                "/origins",
                &json!({"name": name, "address": address, "reach": reach}),
            ))
        };
        let rtmp_origin = record("rtmp origin", format!("rtmp://{}", origin.rtmp_address()));
        let http_origin = record("http origin", format!("http://{}", origin.http_address()));
        let mut world = World {
            origin,
            server,
            api,
            edges: Vec::new(),
            cluster,
            rtmp_origin,
            http_origin,
        };
        world.route(json!({"name": "explicit", "kind": "explicit", "app": "*"}));
        for app in ["live", "studio", "archive", "vod"] {
            world.route(json!({"name": app, "app": app}));
        }
        for path in ["media/*", "brief/*", "private/*", "slow/*"] {
            let upstreams = json!([world.http_origin]);
            world
                .route(json!({"name": path, "plane": "http", "app": path, "upstreams": upstreams}));
        }
        for number in 0..edges {
            world.add_edge(&format!("edge-{}", number + 1));
        }
        world.settle();
        world
    }

    /// Records an origin at this host and port, and routes that lead to it: its application, and wrapped
    /// addresses.
    #[track_caller]
    pub(crate) fn add_rtmp_origin(&self, address: &str, app: &str) -> String {
        let reach = json!({"private": false, "loopback": true});
        let record = json!({"name": app, "address": format!("rtmp://{address}"), "reach": reach});
        let origin = id(&self.api.post("/origins", &record));
        self.route(json!({"name": app, "app": app, "order": 50, "upstreams": [origin]}));
        self.route(json!({
            "name": format!("explicit {app}"), "kind": "explicit", "app": "*", "order": 50, "upstreams": [origin],
        }));
        self.settle();
        origin
    }

    /// Records an HTTP origin at this host and port, and makes a route to it for this path, of these fields.
    #[track_caller]
    pub(crate) fn add_http_origin(&self, address: &str, path: &str, fields: Value) -> String {
        let reach = json!({"private": false, "loopback": true});
        let record = json!({"name": path, "address": format!("http://{address}"), "reach": reach});
        let origin = id(&self.api.post("/origins", &record));
        let usual = json!({"name": path, "plane": "http", "app": path, "upstreams": [origin]});
        self.route(over(usual, fields));
        self.settle();
        origin
    }

    /// Adds an edge by a join token.
    pub(crate) fn add_edge(&mut self, name: &str) {
        let made = self.api.post(
            "/join-tokens",
            &json!({"cluster": self.cluster, "name": name}),
        );
        self.edges.push(Edge::join(text(&made, "secret"), name));
    }

    /// Adds an edge that trusts the certificate authority in this file.
    pub(crate) fn add_edge_trusting(&mut self, name: &str, authority: std::path::PathBuf) {
        let made = self.api.post(
            "/join-tokens",
            &json!({"cluster": self.cluster, "name": name}),
        );
        self.edges.push(Edge::join_trusting(
            text(&made, "secret"),
            name,
            Some(authority),
        ));
    }

    /// Adds an edge that is started with these options.
    pub(crate) fn add_edge_with(&mut self, name: &str, options: Vec<String>) {
        let made = self.api.post(
            "/join-tokens",
            &json!({"cluster": self.cluster, "name": name}),
        );
        let token = text(&made, "secret");
        self.edges.push(Edge::join_with(token, name, options));
    }

    /// Makes a route: of the given fields and, for the rest, an implicit RTMP one to the origin.
    #[track_caller]
    pub(crate) fn route(&self, fields: Value) -> String {
        let usual = json!({
            "cluster": self.cluster, "enabled": true, "order": 100, "plane": "rtmp", "kind": "implicit",
            "host": "*", "port": null, "action": "serve", "upstreams": [self.rtmp_origin], "rewrite": null,
            "identity": [], "default_effect": "allow",
        });
        id(&self.api.post("/routes", &over(usual, fields)))
    }

    /// Starts a second origin, and makes a route of this name to the application `live` of both.
    pub(crate) fn with_two_origins(&self, name: &str) -> Origin {
        let second = Origin::start();
        let upstreams = self.two_upstreams(&second);
        self.route(json!({"name": name, "app": name, "rewrite": "live", "upstreams": upstreams}));
        self.settle();
        second
    }

    /// The upstreams of a route that asks the world's origin first, then this one.
    pub(crate) fn two_upstreams(&self, second: &Origin) -> Value {
        let address = second.rtmp_address();
        let record = id(&self.api.post(
            "/origins",
            &json!({
                "name": format!("second at {address}"),
                "address": format!("rtmp://{address}"),
                "reach": {"private": false, "loopback": true},
            }),
        ));
        json!([self.rtmp_origin, record])
    }

    /// Makes a rule that denies (or what the fields say) under these conditions.
    #[track_caller]
    pub(crate) fn rule(&self, fields: Value) -> String {
        let usual = json!({"cluster": self.cluster, "enabled": true, "order": 100, "effect": "deny", "conditions": []});
        id(&self.api.post("/rules", &over(usual, fields)))
    }

    /// Makes a client, with a stream password: its id and the password.
    #[track_caller]
    pub(crate) fn client(&self, name: &str) -> (String, String) {
        let client = id(&self.api.post(
            "/clients",
            &json!({"name": name, "enabled": true, "groups": [], "networks": []}),
        ));
        let made = self
            .api
            .post(&format!("/clients/{client}/stream-password"), &json!({}));
        let password = text(&made, "password").to_owned();
        (client, password)
    }

    /// Assigns a client to an edge.
    #[track_caller]
    pub(crate) fn assign(&self, client: &str, edge: &Edge, elsewhere: &str) -> String {
        id(&self.api.post("/assignments", &json!({
            "subject": {"kind": "client", "client": client}, "target": {"kind": "edge", "edge": edge.id},
            "elsewhere": elsewhere, "order": 100, "enabled": true,
        })))
    }

    /// Makes a client that is recognized by this machine's own address.
    #[track_caller]
    pub(crate) fn client_here(&self, name: &str) -> String {
        id(&self.api.post(
            "/clients",
            &json!({"name": name, "enabled": true, "groups": [], "networks": ["127.0.0.1/32"]}),
        ))
    }

    /// Waits until every edge serves what the server wants it to.
    #[track_caller]
    pub(crate) fn settle(&self) {
        eventually(SETTLE, "every edge serves what it should", || {
            self.edges
                .iter()
                .all(|edge| self.is_settled(edge))
                .then_some(())
        });
    }

    fn is_settled(&self, edge: &Edge) -> bool {
        let shown = self.api.get(&format!("/edges/{}", edge.id));
        let (wanted, report) = (&shown["wanted"]["hash"], &shown["report"]);
        let serving = &report["settings"]["serving"]["hash"];
        wanted.is_string()
            && wanted == serving
            && report["directory"].as_u64() >= shown["wanted_directory"].as_u64()
    }

    /// Publishes the clip at the origin itself, over and over, and waits until it is there.
    pub(crate) fn publish(&self, app: &str, stream: &str) -> Running {
        let publisher = media::publish_loop(&self.origin.url(app, stream));
        let there = || self.origin.is_published(app, stream).then_some(());
        eventually(SETTLE, "the stream is published", there);
        publisher
    }

    /// The id of one of the routes that are there from the start.
    pub(crate) fn route_named(&self, name: &str) -> String {
        let routes = self.api.items("/routes");
        id(routes
            .iter()
            .find(|route| route["name"] == name)
            .expect("the route is there"))
    }

    /// Sessions, newest first, by a query such as `state=refused&edge=…`.
    pub(crate) fn sessions(&self, query: &str) -> Vec<Value> {
        self.api.items(&format!("/sessions?{query}"))
    }
}

/// The first object with the second's fields in place of its own.
fn over(mut usual: Value, fields: Value) -> Value {
    let (Some(all), Value::Object(fields)) = (usual.as_object_mut(), fields) else {
        panic!("both are objects");
    };
    all.extend(fields);
    usual
}
