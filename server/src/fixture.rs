//! For tests: a server on a temporary database with a user of each role, called without a socket.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use contract::secret::Secret;
use http::{Request, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::app::tokens::NewApiToken;
use crate::app::users::{NewUser, Role};
use crate::app::{App, Caller, Clock, tokens, users};
use crate::router::router;
use crate::store::Store;

/// A server for one test.
pub(crate) struct Server {
    dir: Arc<TempDir>,
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
        let url = "http://127.0.0.1:8080/".parse().unwrap();
        let app = App::open(store, Clock::default(), url).await.unwrap();
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
            dir,
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

    pub(crate) fn data_dir(&self) -> &std::path::Path {
        self.dir.path()
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

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.json("PUT", path, body).await
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
