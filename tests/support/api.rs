//! A client of the REST API, as automation would write one: JSON in and out, a token or a login, and failures
//! that say what the server said.

use serde_json::{Value, json};

use super::http::{self, Answer};

/// The largest part of a list.
const MOST: usize = 500;

#[derive(Clone)]
pub(crate) struct Api {
    address: String,
    header: Option<(&'static str, String)>,
}

impl Api {
    /// A client that nobody knows.
    pub(crate) fn without_token(address: &str) -> Self {
        Api {
            address: address.to_owned(),
            header: None,
        }
    }

    /// A client that signs in and shows its cookie.
    pub(crate) fn signed_in(address: &str, name: &str, password: &str) -> Self {
        let nobody = Api::without_token(address);
        let body = json!({"name": name, "password": password});
        let answer = nobody.ask("POST", "/logins", Some(&body));
        assert_eq!(
            answer.status,
            201,
            "{name} cannot sign in: {}",
            answer.text()
        );
        let cookie = answer
            .header("set-cookie")
            .expect("signing in sets a cookie");
        let cookie = cookie
            .split(';')
            .next()
            .expect("a cookie has a value")
            .to_owned();
        Api {
            header: Some(("cookie", cookie)),
            ..nobody
        }
    }

    /// A client with a new API token of this role.
    pub(crate) fn token(&self, role: &str) -> Self {
        let made = self.post(
            "/tokens",
            &json!({"name": format!("test {role}"), "role": role}),
        );
        let secret = made["secret"].as_str().expect("a new token has its secret");
        Api {
            header: Some(("authorization", format!("Bearer {secret}"))),
            ..self.clone()
        }
    }

    /// Asks for a path below `/api/v1`.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.ask_whole(method, &format!("/api/v1{path}"), body)
    }

    /// Asks for any path of the server.
    pub(crate) fn ask_whole(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut headers: Vec<(&str, &str)> = Vec::new();
        if let Some((name, value)) = &self.header {
            headers.push((name, value));
        }
        let body = body.map(|body| body.to_string());
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let body = body.unwrap_or_default();
        http::ask(&self.address, method, path, &headers, body.as_bytes())
            .unwrap_or_else(|error| panic!("{method} {path} is not answered: {error}"))
    }

    #[track_caller]
    fn must(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.ask(method, path, body);
        let well = (200..300).contains(&answer.status);
        assert!(
            well,
            "{method} {path} {body:?}: {} {}",
            answer.status,
            answer.text()
        );
        if answer.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&answer.body).unwrap_or_else(|error| {
            panic!("{method} {path} is no JSON ({error}): {}", answer.text())
        })
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        self.must("GET", path, None)
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.must("POST", path, Some(body))
    }

    #[track_caller]
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Value {
        self.must("PATCH", path, Some(body))
    }

    /// All members of a list, part after part.
    #[track_caller]
    pub(crate) fn items(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut after = String::new();
        let joint = if path.contains('?') { '&' } else { '?' };
        loop {
            let part = self.get(&format!("{path}{joint}limit={MOST}{after}"));
            items.extend(
                part["items"]
                    .as_array()
                    .expect("a list has items")
                    .iter()
                    .cloned(),
            );
            match part["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return items,
            }
        }
    }
}

/// A text in an answer.
#[track_caller]
pub(crate) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("no text `{field}` in {value}"))
}

/// The id of what an answer is about.
#[track_caller]
pub(crate) fn id(value: &Value) -> String {
    text(value, "id").to_owned()
}
