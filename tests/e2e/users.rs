//! Roles: what each may do, in the API and on the pages.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::api::{Api, id};
use crate::harness::eventually::eventually;
use crate::harness::server::{ADMINISTRATOR, PASSWORD, Server};

#[test]
fn c1_every_action_by_the_wrong_role_is_refused_in_the_page_and_in_the_api() {
    let mut server = Server::start();
    let administrator = server.set_up();
    let cluster = id(&administrator.post("/clusters", &json!({"name": "main"})));
    let mut known = Vec::new();
    for role in ["operator", "auditor"] {
        let password = format!("the password of the {role}");
        administrator.post(
            "/users",
            &json!({"name": role, "password": password, "role": role}),
        );
        let person = Api::signed_in(server.address(), role, &password);
        known.push((role, person, server.token(role)));
    }
    let stranger = Api::without_token(server.address());

    // Everyone known may read; nobody unknown may.
    for path in [
        "/clusters",
        "/edges",
        "/origins",
        "/routes",
        "/clients",
        "/groups",
        "/assignments",
        "/rules",
        "/sessions",
        "/streams",
        "/audit",
        "/generations",
    ] {
        for (role, person, token) in &known {
            for api in [person, token] {
                assert_eq!(
                    api.ask("GET", path, None).status,
                    200,
                    "{role} reads {path}"
                );
            }
        }
        assert_eq!(stranger.ask("GET", path, None).status, 401, "{path}");
    }

    // Settings are the administrator's; access too.
    let writes: [(&str, &str, Value); 9] = [
        ("POST", "/clusters", json!({"name": "second"})),
        (
            "PATCH",
            &format!("/clusters/{cluster}"),
            json!({"name": "renamed"}),
        ),
        ("DELETE", &format!("/clusters/{cluster}"), Value::Null),
        (
            "POST",
            "/join-tokens",
            json!({"cluster": cluster, "name": "edge"}),
        ),
        (
            "POST",
            "/origins",
            json!({"name": "o", "address": "rtmp://origin.example", "reach": {"private": false, "loopback": false}}),
        ),
        (
            "POST",
            "/clients",
            json!({"name": "c", "enabled": true, "groups": [], "networks": []}),
        ),
        (
            "POST",
            "/users",
            json!({"name": "more", "password": "long enough to be one", "role": "administrator"}),
        ),
        (
            "POST",
            "/tokens",
            json!({"name": "more", "role": "administrator"}),
        ),
        ("POST", "/groups", json!({"name": "g"})),
    ];
    for (method, path, body) in &writes {
        for (role, person, token) in &known {
            for api in [person, token] {
                let answer = api.ask(method, path, Some(body));
                assert_eq!(
                    answer.status,
                    403,
                    "{role} {method} {path}: {}",
                    answer.text()
                );
            }
        }
        assert_eq!(
            stranger.ask(method, path, Some(body)).status,
            401,
            "{method} {path}"
        );
    }
    // Ending sessions is the operator's too, never the auditor's.
    let end = json!({"filter": {"stream": "s"}});
    for (role, person, token) in &known {
        let allowed = *role == "operator";
        for api in [person, token] {
            let status = api.ask("POST", "/sessions/end", Some(&end)).status;
            assert_eq!(
                (200..300).contains(&status),
                allowed,
                "{role} ends sessions: {status}"
            );
            assert_eq!(status == 403, !allowed, "{role} ends sessions: {status}");
        }
    }

    // The same on the pages: forms of settings are refused to those who may only read.
    for (role, person, _) in &known {
        for page in ["/", "/edges", "/clients", "/rules", "/sessions", "/audit"] {
            assert_eq!(
                person.ask_whole("GET", page, None).status,
                200,
                "{role} opens {page}"
            );
        }
        for page in ["/clients/new", "/rules/new", "/origins/new", "/users/new"] {
            assert_eq!(
                person.ask_whole("GET", page, None).status,
                403,
                "{role} opens {page}"
            );
        }
    }
    assert!(
        matches!(
            stranger.ask_whole("GET", "/clients", None).status,
            302 | 303
        ),
        "a stranger is sent to sign in"
    );
    assert_eq!(
        administrator.items("/clusters").len(),
        1,
        "nothing was made"
    );
}

#[test]
fn c2_tries_to_sign_in_are_limited_and_the_lock_ends_by_itself() {
    let mut server = Server::start();
    let administrator = server.set_up();
    let password = "the password of the operator";
    administrator.post(
        "/users",
        &json!({"name": "operator", "password": password, "role": "operator"}),
    );
    let nobody = Api::without_token(server.address());
    let try_as = |name: &str, password: &str| {
        nobody.ask(
            "POST",
            "/logins",
            Some(&json!({"name": name, "password": password})),
        )
    };
    let locked = eventually(Duration::from_secs(30), "the name is locked", || {
        let answer = try_as("operator", "not the password");
        assert!(matches!(answer.status, 401 | 429), "{}", answer.text());
        (answer.status == 429).then_some(answer)
    });
    let wait: u64 = locked.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(
        try_as("operator", password).status,
        429,
        "the right password does not open a lock"
    );
    // Others are not locked out, and who is signed in goes on.
    assert_eq!(try_as(ADMINISTRATOR, PASSWORD).status, 201);
    assert_eq!(administrator.ask("GET", "/me", None).status, 200);
    eventually(
        Duration::from_secs(wait + 5),
        "the lock has ended by itself",
        || (try_as("operator", password).status == 201).then_some(()),
    );
}
