//! What holds of every page: who may see it, what it is made of, that nothing typed becomes markup.

use contract::reason::Reason;
use contract::report::{SessionState, StreamState};
use serde_json::json;

use crate::fixture::{Agent, Answer, Server, Someone, id_of, session};

const HOSTILE: &str = "<script>alert('x')</script>";

/// A server with one of each thing, all of them with hostile names, and the pages that show them.
struct Populated {
    server: Server,
    agent: Agent,
    /// Pages that everyone who signed in may read.
    readable: Vec<String>,
    /// Pages that only who changes settings may open.
    forms: Vec<String>,
}

async fn made(server: &Server, path: &str, body: serde_json::Value) -> String {
    let answer = server.administrator().post(path, body).await;
    assert_eq!(answer.status, 201, "{path} {answer:?}");
    answer.body["id"].as_str().unwrap().to_owned()
}

async fn populated() -> Populated {
    let server = Server::start().await;
    let cluster = server.cluster(&format!("c{HOSTILE}")).await;
    let agent = server.agent(cluster, "north").await;
    let rename = json!({"name": format!("e{HOSTILE}")});
    let renamed = server
        .administrator()
        .patch(&format!("/api/v1/edges/{}", agent.edge), rename)
        .await;
    assert_eq!(renamed.status, 200, "{renamed:?}");
    let (origin, route) = server.route("media").await;
    let group = made(
        &server,
        "/api/v1/groups",
        json!({"name": format!("g{HOSTILE}")}),
    )
    .await;
    let client = server
        .client(&format!("c{}", HOSTILE.replace('/', "|")))
        .await;
    let keys = "a shared secret of more than 32 bytes";
    let set = json!({"name": format!("k{HOSTILE}"), "keys": keys, "issuer": HOSTILE});
    let set = made(&server, "/api/v1/key-sets", set).await;
    let hook = json!({"name": format!("w{HOSTILE}"), "url": format!("http://a/?{HOSTILE}")});
    let hook = made(&server, "/api/v1/webhooks", hook).await;
    let rule = json!({"name": format!("r{HOSTILE}"), "effect": "deny", "conditions": [
        {"kind": "stream", "patterns": [HOSTILE]}, {"kind": "client", "clients": [client]},
    ]});
    let rule = made(&server, "/api/v1/rules", rule).await;
    let assignment = json!({"subject": {"kind": "client", "client": client}, "target": {"kind": "edge", "edge": agent.edge}});
    let assignment = made(&server, "/api/v1/assignments", assignment).await;
    made(
        &server,
        "/api/v1/tokens",
        json!({"name": HOSTILE, "role": "auditor"}),
    )
    .await;
    let user = made(
        &server,
        "/api/v1/users",
        json!({"name": HOSTILE, "role": "auditor", "password": "long enough to do"}),
    )
    .await;
    let mut live = session(Some(client), HOSTILE);
    live.user_agent = Some(HOSTILE.to_owned());
    live.host = HOSTILE.to_owned();
    let mut refused = session(None, HOSTILE);
    refused.state = SessionState::Refused;
    refused.reason = Some(Reason::DeniedByRule);
    refused.rule = Some(rule.parse().unwrap());
    refused.detail = Some(format!("`{HOSTILE}` is not allowed"));
    refused.ended_ms = Some(2_000);
    let (live_id, refused_id) = (live.id, refused.id);
    let stream = StreamState {
        app: HOSTILE.to_owned(),
        stream: HOSTILE.to_owned(),
        route,
        next_hop: None,
        publisher: None,
        viewers: 3,
        began_ms: 1_000,
        received_bytes: 1,
        bits_per_second: 1_000_000,
        video: Some(HOSTILE.to_owned()),
        audio: None,
        shed: 0,
    };
    agent
        .report(&server, |report| {
            report.sessions = vec![live, refused];
            report.streams = vec![stream];
        })
        .await;
    let entry = server.administrator().get("/api/v1/audit").await.body["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let edge = agent.edge;
    let readable = [
        "/",
        "/sessions",
        "/sessions?state=live",
        "/sessions?state=refused",
        "/sessions?state=ended",
        "/streams",
        "/cache",
        "/orders",
        "/clients",
        "/groups",
        "/assignments",
        "/rules",
        "/rules/try",
        "/edges",
        "/clusters",
        "/origins",
        "/routes",
        "/key-sets",
        "/webhooks",
        "/users",
        "/audit",
    ];
    let mut readable: Vec<String> = readable.into_iter().map(str::to_owned).collect();
    readable.extend([
        format!("/edges/{edge}"),
        format!("/clients/{client}"),
        format!("/sessions/{live_id}"),
        format!("/sessions/{refused_id}"),
        format!("/audit/{entry}"),
        format!("/rules/try?edge={edge}&url=rtmp://edge/live/x&addr=192.0.2.9&action=play"),
        format!("/sessions?client={client}&stream=live/x"),
    ]);
    let forms = vec![
        "/clients/new".to_owned(),
        "/groups/new".to_owned(),
        "/assignments/new".to_owned(),
        "/rules/new".to_owned(),
        "/edges/join".to_owned(),
        "/clusters/new".to_owned(),
        "/origins/new".to_owned(),
        "/routes/new".to_owned(),
        "/users/new".to_owned(),
        "/tokens".to_owned(),
        "/tokens/new".to_owned(),
        "/play-tokens/new".to_owned(),
        "/key-sets/new".to_owned(),
        "/webhooks/new".to_owned(),
        format!("/key-sets/{set}"),
        format!("/key-sets/{set}/delete"),
        format!("/webhooks/{hook}"),
        format!("/webhooks/{hook}/signing-key"),
        format!("/webhooks/{hook}/delete"),
        format!("/clients/{client}/edit"),
        format!("/clients/{client}/stream-password"),
        format!("/clients/{client}/delete"),
        format!("/groups/{group}"),
        format!("/groups/{group}/delete"),
        format!("/assignments/{assignment}"),
        format!("/assignments/{assignment}/delete"),
        format!("/assignments/move?client={client}"),
        format!("/assignments/move?client={client}&target={edge}&elsewhere=relay&check=1"),
        format!("/rules/{rule}"),
        format!("/rules/{rule}/delete"),
        format!("/edges/{edge}/edit"),
        format!("/edges/{edge}/retire"),
        format!("/edges/{edge}/delete"),
        format!("/clusters/{cluster}"),
        format!("/clusters/{cluster}/delete"),
        format!("/origins/{origin}"),
        format!("/origins/{origin}/delete"),
        format!("/routes/{route}"),
        format!("/routes/{route}/delete"),
        format!("/users/{user}"),
        format!("/users/{user}/delete"),
    ];
    Populated {
        server,
        agent,
        readable,
        forms,
    }
}

fn is_a_whole_page(path: &str, answer: &Answer) {
    let text = &answer.text;
    assert_eq!(answer.status, 200, "{path}: {text}");
    assert!(
        answer.header("content-type").starts_with("text/html"),
        "{path}"
    );
    assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    for part in ["<title>", "<main", "<nav", "lang=\"en\"", "class=\"skip\""] {
        assert!(text.contains(part), "{path} lacks {part}");
    }
    assert_eq!(text.matches("<h1").count(), 1, "{path}");
    assert!(
        !text.contains("<script>") && !text.contains(" style="),
        "{path}"
    );
    let ids: Vec<&str> = text
        .split(" id=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let unique: std::collections::HashSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "{path} has an id twice: {ids:?}");
    every_field_has_a_label(path, text);
}

/// A field is named by a `<label for>`, by a label around it, or by `aria-label`.
fn every_field_has_a_label(path: &str, text: &str) {
    for (at, _) in text
        .match_indices("<input")
        .chain(text.match_indices("<select"))
        .chain(text.match_indices("<textarea"))
    {
        let tag = &text[at..at + text[at..].find('>').unwrap()];
        if tag.contains("type=\"hidden\"") || tag.contains("aria-label=") {
            continue;
        }
        let before = &text[..at];
        let inside = before.rfind("<label").unwrap_or(0) > before.rfind("</label>").unwrap_or(0);
        let id = tag
            .split(" id=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or("none");
        assert!(
            inside || text.contains(&format!("<label for=\"{id}\"")),
            "{path}: {tag}"
        );
    }
}

#[tokio::test]
async fn every_page_is_whole_and_shows_hostile_names_as_text() {
    let Populated {
        server,
        readable,
        forms,
        agent: _,
    } = populated().await;
    let operator_only = ["/sessions/end?which=filter&stream=live/x".to_owned()];
    for path in readable.iter().chain(&forms).chain(&operator_only) {
        is_a_whole_page(path, &server.administrator().get(path).await);
    }
}

#[tokio::test]
async fn c1_every_role_reads_and_only_an_administrator_opens_forms() {
    let Populated {
        server,
        readable,
        forms,
        agent,
    } = populated().await;
    for someone in [server.operator(), server.auditor()] {
        for path in &readable {
            is_a_whole_page(path, &someone.get(path).await);
        }
        for path in &forms {
            let answer = someone.get(path).await;
            assert_eq!(answer.status, 403, "{path}");
            assert!(answer.text.contains("needs the right to"), "{path}");
        }
    }
    for path in [
        format!("/edges/{}/drain", agent.edge),
        "/sessions/end?which=filter&stream=live/x".to_owned(),
    ] {
        assert_eq!(server.operator().get(&path).await.status, 200, "{path}");
        assert_eq!(server.auditor().get(&path).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn c1_every_form_that_is_sent_by_the_wrong_role_is_refused() {
    let Populated {
        server,
        forms,
        agent,
        ..
    } = populated().await;
    let only_shown = |path: &str| path == "/tokens" || path.contains('?');
    let plain = forms
        .iter()
        .filter(|path| !only_shown(path))
        .map(String::as_str);
    let drains = [
        format!("/edges/{}/drain", agent.edge),
        format!("/edges/{}/undrain", agent.edge),
    ];
    let fields: &[(&str, &str)] = &[
        ("name", "x"),
        ("role", "auditor"),
        ("password", "long enough to do"),
        ("address", "rtmp://x.example"),
        ("effect", "deny"),
        ("cluster", ""),
        ("order", "1"),
        ("host", "*"),
        ("app", "*"),
        ("wait_ms", "1"),
        ("linger_ms", "1"),
        ("hold_ms", "1"),
        ("gather_ms", "1"),
        ("default_ttl_ms", "1"),
        ("negative_ttl_ms", "1"),
        ("query_parts", "whole"),
        ("max_object_bytes", "1"),
        ("subject", "everyone"),
        ("target", ""),
        ("elsewhere", "relay"),
    ];
    for path in plain.chain(drains.iter().map(String::as_str)) {
        assert_eq!(
            server.auditor().submit(path, fields).await.status,
            403,
            "{path}"
        );
        if !drains.iter().any(|drain| drain == path) {
            assert_eq!(
                server.operator().submit(path, fields).await.status,
                403,
                "{path}"
            );
        }
    }
    let session = [("session", "session_00000000000000000000000001")];
    assert_eq!(
        server
            .auditor()
            .submit("/sessions/end", &session)
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn a_page_that_moves_gives_its_live_part_alone_when_it_is_asked_for_it() {
    let Populated {
        server, readable, ..
    } = populated().await;
    let live = ["/", "/sessions", "/streams", "/cache", "/edges"];
    for path in readable.iter().filter(|path| live.contains(&path.as_str())) {
        let answer = server
            .auditor()
            .with_header("hx-request", "true")
            .get(path)
            .await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            !answer.text.contains("<html") && answer.text.contains("id=\"live\""),
            "{path}: {}",
            answer.text
        );
    }
    let ended: Someone = server.anonymous().with_header("hx-request", "true");
    assert_eq!(ended.get("/edges").await.status, 401);
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_a_page_with_a_way_back() {
    let server = Server::start().await;
    for path in [
        "/nowhere",
        "/edges/edge_1",
        "/edges/route_00000000000000000000000000",
        "/clients/x",
        "/sessions/session_00000000000000000000000000",
    ] {
        let answer = server.auditor().get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text.contains("To the overview"), "{path}");
    }
    assert!(
        server
            .anonymous()
            .get("/nowhere")
            .await
            .text
            .contains("Sign in")
    );
    assert_eq!(
        server.auditor().get("/sessions?edge=nonsense").await.status,
        400
    );
}

#[tokio::test]
async fn a_new_server_says_what_to_do_first() {
    let server = Server::start().await;
    let overview = server.administrator().get("/").await;
    assert!(overview.text.contains("Make a cluster") && overview.text.contains("/clusters/new"));
    for (path, next) in [
        ("/edges", "/edges/join"),
        ("/routes", "/origins/new"),
        ("/clients", "/clients/new"),
        ("/clusters", "/clusters/new"),
    ] {
        assert!(
            server.administrator().get(path).await.text.contains(next),
            "{path}"
        );
        assert!(
            !server.auditor().get(path).await.text.contains(next),
            "{path}"
        );
    }
    let made = server
        .administrator()
        .submit("/clusters/new", &[("name", "North")])
        .await;
    assert_eq!((made.status, made.header("location")), (303, "/clusters"));
    let list = server
        .administrator()
        .with_header(
            "cookie",
            made.header("set-cookie").split(';').next().unwrap(),
        )
        .get("/clusters")
        .await;
    assert!(
        list.text.contains("The cluster North was added.")
            && list.header("set-cookie").contains("Max-Age=0"),
        "{}",
        list.text
    );
    let _: contract::id::ClusterId =
        id_of(&server.administrator().get("/api/v1/clusters").await.body["items"][0]);
}
