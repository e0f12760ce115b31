//! For tests: a server on a temporary database with a user of each role, called without a socket.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use contract::control::{
    ANSWERS_PATH, JOIN_PATH, JoinAnswer, JoinRequest, REPORT_PATH, UPDATES_PATH, Updates,
    UpdatesQuery,
};
use contract::counts::Totals;
use contract::facts::Action;
use contract::id::{BootId, ClientId, ClusterId, EdgeId, OriginId, QuestionId, RouteId, SessionId};
use contract::protocol::Ingress;
use contract::report::{
    Listeners, Report, ReportAnswer, SessionRecord, SessionState, SettingsState,
};
use contract::secret::Secret;
use http::{Request, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::app::tokens::NewApiToken;
use crate::app::users::{NewUser, Role};
use crate::app::{App, Caller, Clock, tokens, users};
use crate::router::router;
use crate::store::Store;
use crate::store::statistics::Statistics;

/// A server for one test.
pub(crate) struct Server {
    _dir: Arc<TempDir>,
    app: App,
    router: Router,
    tokens: [String; 3],
}

/// Someone who calls it.
pub(crate) struct Someone {
    router: Router,
    headers: Vec<(&'static str, String)>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
    /// The body as JSON; null if it is none.
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

impl Server {
    /// The password of the users `administrator`, `operator` and `auditor`.
    pub(crate) const PASSWORD: &'static str = "correct horse battery";

    pub(crate) async fn start() -> Self {
        let dir = Arc::new(TempDir::new().unwrap());
        let store = Store::open(&dir.path().join("weir.db")).await.unwrap();
        let statistics = Statistics::open(&dir.path().join("statistics.db"))
            .await
            .unwrap();
        let url = "http://127.0.0.1:8080/".parse().unwrap();
        let app = App::open(store, statistics, Clock::default(), url)
            .await
            .unwrap();
        let mut secrets = Vec::new();
        for role in Role::ALL {
            let new = NewUser {
                name: role.as_str().parse().unwrap(),
                role,
                password: Secret::new(Self::PASSWORD),
            };
            users::create(&app, &Caller::server(), new).await.unwrap();
            let new = NewApiToken {
                name: role.as_str().parse().unwrap(),
                role,
                life_s: None,
            };
            let made = tokens::create(&app, &Caller::server(), new).await.unwrap();
            secrets.push(made.secret.expose().to_owned());
        }
        let tokens = secrets.try_into().unwrap();
        Self {
            _dir: dir,
            router: router(app.clone()),
            app,
            tokens,
        }
    }

    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.app.clock()
    }

    fn someone(&self, headers: Vec<(&'static str, String)>) -> Someone {
        Someone {
            router: self.router.clone(),
            headers,
        }
    }

    pub(crate) fn anonymous(&self) -> Someone {
        self.someone(Vec::new())
    }

    pub(crate) fn with_token(&self, secret: &str) -> Someone {
        self.someone(vec![("authorization", format!("Bearer {secret}"))])
    }

    /// A browser that was answered with this `Set-Cookie`.
    pub(crate) fn with_cookie(&self, set_cookie: &str) -> Someone {
        let pair = set_cookie.split(';').next().unwrap_or_default().to_owned();
        self.someone(vec![("cookie", pair)])
    }

    pub(crate) fn administrator(&self) -> Someone {
        self.with_token(&self.tokens[0])
    }

    pub(crate) fn operator(&self) -> Someone {
        self.with_token(&self.tokens[1])
    }

    pub(crate) fn auditor(&self) -> Someone {
        self.with_token(&self.tokens[2])
    }
}

impl Server {
    /// The id of a user by name.
    pub(crate) async fn user_id(&self, name: &str) -> String {
        let window = crate::app::Window::whole();
        let users = users::list(&self.app, &Caller::server(), &window)
            .await
            .unwrap();
        users
            .items
            .iter()
            .find(|user| user.name.as_str() == name)
            .unwrap()
            .id
            .to_string()
    }
}

impl Someone {
    /// Sends a form as a browser does.
    pub(crate) async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        self.call(
            "POST",
            path,
            Body::from(body.finish()),
            Some("application/x-www-form-urlencoded"),
        )
        .await
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, Body::empty(), None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, Body::empty(), None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.json("POST", path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.json("PATCH", path, body).await
    }

    async fn json(&self, method: &str, path: &str, body: Value) -> Answer {
        self.call(
            method,
            path,
            Body::from(body.to_string()),
            Some("application/json"),
        )
        .await
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        body: Body,
        kind: Option<&str>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let response = self
            .router
            .clone()
            .oneshot(request.body(body).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text,
            body,
        }
    }
}

/// An edge's agent, as the agents' API sees it.
pub(crate) struct Agent {
    pub(crate) edge: EdgeId,
    pub(crate) cluster: ClusterId,
    caller: Someone,
    boot: BootId,
    sequence: AtomicU64,
}

impl Server {
    /// A cluster of this name.
    pub(crate) async fn cluster(&self, name: &str) -> ClusterId {
        let made = self
            .administrator()
            .post("/api/v1/clusters", json!({"name": name}))
            .await;
        assert_eq!(made.status, 201, "{made:?}");
        id_of(&made.body)
    }

    /// An edge of this name that has joined a cluster and reported once.
    pub(crate) async fn agent(&self, cluster: ClusterId, name: &str) -> Agent {
        let new = json!({"cluster": cluster, "name": name});
        let made = self.administrator().post("/api/v1/join-tokens", new).await;
        assert_eq!(made.status, 201, "{made:?}");
        let text = made.body["secret"].as_str().unwrap();
        let token = contract::control::JoinToken::parse(text).unwrap();
        let request = JoinRequest {
            secret: token.secret,
            name: None,
            version: "1.2.3".to_owned(),
            listeners: listeners(name),
        };
        let request = serde_json::to_value(&request).unwrap();
        let joined = self.anonymous().post(JOIN_PATH, request).await;
        assert_eq!(joined.status, 200, "{joined:?}");
        let answer: JoinAnswer = serde_json::from_str(&joined.text).unwrap();
        let agent = Agent {
            edge: answer.edge,
            cluster: answer.cluster,
            caller: self.with_token(answer.credential.expose()),
            boot: BootId::new(),
            sequence: AtomicU64::new(1),
        };
        let answer = agent.report(self, |report| report.whole = true).await;
        assert_eq!(answer.sequence, 1);
        agent
    }

    /// A client of this name.
    pub(crate) async fn client(&self, name: &str) -> ClientId {
        let made = self
            .administrator()
            .post("/api/v1/clients", json!({"name": name}))
            .await;
        assert_eq!(made.status, 201, "{made:?}");
        id_of(&made.body)
    }

    /// An RTMP origin and a route of every cluster to it, both of this name.
    pub(crate) async fn route(&self, name: &str) -> (OriginId, RouteId) {
        let new = json!({"name": name, "address": format!("rtmp://{name}.example")});
        let origin = self.administrator().post("/api/v1/origins", new).await;
        assert_eq!(origin.status, 201, "{origin:?}");
        let new = json!({"name": name, "app": "live*", "upstreams": [origin.body["id"]]});
        let route = self.administrator().post("/api/v1/routes", new).await;
        assert_eq!(route.status, 201, "{route:?}");
        (id_of(&origin.body), id_of(&route.body))
    }
}

/// The id in a JSON object.
pub(crate) fn id_of<T: std::str::FromStr<Err: std::fmt::Debug>>(body: &Value) -> T {
    body["id"].as_str().unwrap().parse().unwrap()
}

fn listeners(name: &str) -> Listeners {
    Listeners {
        rtmp: Some(format!("{name}.example:1935").parse().unwrap()),
        rtmps: None,
        http: None,
    }
}

/// A live session of a client.
pub(crate) fn session(client: Option<ClientId>, stream: &str) -> SessionRecord {
    SessionRecord {
        id: SessionId::new(),
        state: SessionState::Live,
        addr: "192.0.2.7".parse().unwrap(),
        client,
        user_agent: None,
        ingress: Ingress::Rtmp,
        host: "edge.example".to_owned(),
        app: "live".to_owned(),
        stream: Some(stream.to_owned()),
        action: Some(Action::Play),
        route: None,
        next_hop: None,
        through: Vec::new(),
        decision: None,
        rule: None,
        assignment: None,
        began_ms: 1_000,
        ended_ms: None,
        received_bytes: 0,
        sent_bytes: 0,
        reason: None,
        detail: None,
    }
}

impl Agent {
    /// Sends the next report, made by `fill` from an empty one.
    pub(crate) async fn report(
        &self,
        server: &Server,
        fill: impl FnOnce(&mut Report),
    ) -> ReportAnswer {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let mut report = Report {
            boot: self.boot,
            sequence,
            at_ms: server.clock().now_ms(),
            version: "1.2.3".to_owned(),
            listeners: listeners("edge"),
            faults: Vec::new(),
            settings: SettingsState::default(),
            directory: 0,
            whole: false,
            sessions: Vec::new(),
            streams: Vec::new(),
            totals: Totals::default(),
            origins: BTreeMap::new(),
            receipts: Vec::new(),
            counts: Vec::new(),
        };
        fill(&mut report);
        let answer = self.send(&report).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.text).unwrap()
    }

    /// Sends a report as it is.
    pub(crate) async fn send(&self, report: &Report) -> Answer {
        self.caller
            .post(REPORT_PATH, serde_json::to_value(report).unwrap())
            .await
    }

    /// Asks for news; nothing if there is none in time.
    pub(crate) async fn updates(&self, query: &UpdatesQuery) -> Option<Updates> {
        let answer = self.ask_for_updates(query).await;
        match answer.status {
            200 => Some(serde_json::from_str(&answer.text).unwrap()),
            204 => None,
            other => panic!("{other}: {answer:?}"),
        }
    }

    /// Asks for news; the answer as it is.
    pub(crate) async fn ask_for_updates(&self, query: &UpdatesQuery) -> Answer {
        let UpdatesQuery {
            generation,
            hash,
            directory,
            order,
            hold_ms,
        } = query;
        let path = format!(
            "{UPDATES_PATH}?generation={generation}&hash={hash}&directory={directory}\
             &order={order}&hold_ms={hold_ms}"
        );
        self.caller.get(&path).await
    }

    /// Everything that there is for this edge now, and the query of one who has it.
    pub(crate) async fn catch_up(&self) -> (Updates, UpdatesQuery) {
        let updates = self.updates(&UpdatesQuery::default()).await.unwrap();
        let document = updates.snapshot.as_ref().unwrap();
        let query = UpdatesQuery {
            generation: document.generation,
            hash: document.hash.clone(),
            directory: updates.directory.as_ref().unwrap().until,
            order: updates.orders.last().map_or(0, |order| order.number),
            hold_ms: 0,
        };
        (updates, query)
    }

    /// Answers a question.
    pub(crate) async fn answer(&self, id: QuestionId, answer: &contract::question::Answer) -> u16 {
        let body = serde_json::to_value(answer).unwrap();
        self.caller
            .post(&format!("{ANSWERS_PATH}/{id}"), body)
            .await
            .status
    }
}
