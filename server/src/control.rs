//! The agents' API: what [`contract::control`] says, and nothing more. The server never dials an
//! edge; all of it is asked by the edge.
//!
//! An edge proves itself by its credential: 401 means that it is not known any more, 410 that it
//! was retired. Every call is one verb of `app`.

use std::time::Duration;

use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use contract::control::{
    ANSWERS_PATH, JOIN_PATH, JoinAnswer, JoinRequest, REPORT_PATH, UPDATES_PATH, UpdatesQuery,
};
use contract::id::QuestionId;
use contract::question::{Answer, MAX_ANSWER_BYTES};
use contract::report::{Report, ReportAnswer};
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use serde::Serialize;
use tower_http::timeout::TimeoutLayer;

use crate::app::edges::Edge;
use crate::app::{App, Error, From, edges, questions, updates};
use crate::auth;

/// The largest report: `MAX_REPORT_SESSIONS` sessions of some 2 KiB, and as much for streams.
const REPORT_BYTES: usize = 16 * 1024 * 1024;
/// The longest that a call may take, the long-poll excepted.
const LONGEST: Duration = Duration::from_secs(20);

/// The routes of the agents' API. They bring their own limits of size and time.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route(JOIN_PATH, post(join))
        .route(
            REPORT_PATH,
            post(report).layer(DefaultBodyLimit::max(REPORT_BYTES)),
        )
        .route(
            &format!("{ANSWERS_PATH}/{{question}}"),
            post(answer).layer(DefaultBodyLimit::max(MAX_ANSWER_BYTES)),
        )
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            LONGEST,
        ))
        // Held for news, which has its own end.
        .route(UPDATES_PATH, get(updates))
}

/// A refusal to an agent.
struct Refusal(StatusCode, Option<u64>, String);

#[derive(Serialize)]
struct Detail {
    detail: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, retry_after_s, detail) = self;
        let mut response = (status, Json(Detail { detail })).into_response();
        if let Some(seconds) = retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl std::convert::From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::NotFound { .. } => Self(StatusCode::NOT_FOUND, None, detail),
            Error::Unknown => Self(StatusCode::UNAUTHORIZED, None, detail),
            Error::Denied { .. } => Self(StatusCode::FORBIDDEN, None, detail),
            Error::Conflict { .. } => Self(StatusCode::CONFLICT, None, detail),
            Error::Invalid(_) => Self(StatusCode::UNPROCESSABLE_ENTITY, None, detail),
            Error::Busy { retry_after } => Self(
                StatusCode::SERVICE_UNAVAILABLE,
                Some(retry_after.as_secs().max(1)),
                detail,
            ),
            Error::Internal(cause) => {
                tracing::error!(
                    error = crate::log::chain(&*cause),
                    "a call of an agent failed"
                );
                Self(StatusCode::INTERNAL_SERVER_ERROR, None, detail)
            }
        }
    }
}

/// An edge that has proven itself, and where it calls from.
struct Proven(Edge, From);

impl FromRequestParts<App> for Proven {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let credential = parts.headers.get(AUTHORIZATION).and_then(auth::bearer);
        let edge = match credential {
            Some(credential) => edges::of_credential(app, credential).await?,
            None => None,
        };
        match edge {
            Some(edge) if edge.marks.retired => Err(Refusal(
                StatusCode::GONE,
                None,
                "this edge was retired".to_owned(),
            )),
            Some(edge) => Ok(Self(edge, auth::origin_of(parts))),
            None => Err(Refusal(
                StatusCode::UNAUTHORIZED,
                None,
                "this edge is not known; let it join again".to_owned(),
            )),
        }
    }
}

/// Where a call comes from.
struct Origin(From);

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(auth::origin_of(parts)))
    }
}

async fn join(
    State(app): State<App>,
    Origin(from): Origin,
    Json(request): Json<JoinRequest>,
) -> Result<Json<JoinAnswer>, Refusal> {
    match edges::join(&app, request, from).await {
        Ok(answer) => Ok(Json(answer)),
        Err(Error::Unknown) => Err(Refusal(
            StatusCode::FORBIDDEN,
            None,
            "this join token is not good (any more): make a new one in the console".to_owned(),
        )),
        Err(error) => Err(error.into()),
    }
}

async fn updates(
    State(app): State<App>,
    Proven(edge, _): Proven,
    Query(query): Query<UpdatesQuery>,
) -> Result<Response, Refusal> {
    match updates::wait(&app, &edge, &query).await? {
        Some(news) => {
            let json = news.into_json().map_err(Error::internal)?;
            Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
        }
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

async fn report(
    State(app): State<App>,
    Proven(edge, from): Proven,
    Json(report): Json<Report>,
) -> Result<Json<ReportAnswer>, Refusal> {
    Ok(Json(edges::report(&app, &edge, report, from).await?))
}

async fn answer(
    State(app): State<App>,
    Proven(edge, _): Proven,
    Path(question): Path<QuestionId>,
    Json(answer): Json<Answer>,
) -> StatusCode {
    questions::take_answer(&app, edge.id, question, answer);
    StatusCode::NO_CONTENT
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use contract::control::UpdatesQuery;
    use contract::directory::Directory;
    use contract::id::ClientId;
    use contract::order::{OrderReceipt, Work};
    use contract::question::{Answer, Ask};
    use contract::report::SessionState;
    use contract::snapshot::{Snapshot, content_hash};
    use serde_json::json;

    use crate::fixture::{Server, id_of, session};

    fn held(query: &UpdatesQuery) -> UpdatesQuery {
        UpdatesQuery {
            hold_ms: 20_000,
            ..query.clone()
        }
    }

    #[tokio::test]
    async fn a_join_token_lets_one_edge_in_once() {
        let server = Server::start().await;
        let cluster = server.cluster("north").await;
        let new = json!({"cluster": cluster, "name": "alpha"});
        let made = server
            .administrator()
            .post("/api/v1/join-tokens", new)
            .await;
        let text = made.body["secret"].as_str().unwrap();
        let token = contract::control::JoinToken::parse(text).unwrap();
        assert_eq!(token.server, "http://127.0.0.1:8080");
        let request = json!({
            "secret": token.secret, "name": null, "version": "1", "listeners": {"rtmp": null, "http": null}
        });
        let join = async || {
            server
                .anonymous()
                .post(super::JOIN_PATH, request.clone())
                .await
        };
        let joined = join().await;
        assert_eq!(
            (joined.status, &joined.body["name"]),
            (200, &json!("alpha")),
            "{joined:?}"
        );
        assert_eq!(join().await.status, 403);

        let list = server.auditor().get("/api/v1/edges").await;
        assert_eq!(list.body["items"][0]["state"], "pending");
        assert!(
            !list
                .text
                .contains(joined.body["credential"].as_str().unwrap())
        );
    }

    #[tokio::test]
    async fn a_join_token_ends_by_itself() {
        let server = Server::start().await;
        let cluster = server.cluster("north").await;
        let new = json!({"cluster": cluster, "life_s": 60});
        let made = server
            .administrator()
            .post("/api/v1/join-tokens", new)
            .await;
        let text = made.body["secret"].as_str().unwrap();
        let token = contract::control::JoinToken::parse(text).unwrap();
        server.clock().advance(Duration::from_secs(61));
        let request = json!({
            "secret": token.secret, "name": null, "version": "1", "listeners": {"rtmp": null, "http": null}
        });
        assert_eq!(
            server
                .anonymous()
                .post(super::JOIN_PATH, request)
                .await
                .status,
            403
        );
    }

    #[tokio::test]
    async fn an_edge_gets_a_snapshot_that_it_can_apply_and_then_waits() {
        let server = Server::start().await;
        let (origin, route) = server.route("studio").await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let (updates, query) = agent.catch_up().await;
        let document = updates.snapshot.unwrap();
        assert_eq!(
            document.hash,
            content_hash(document.snapshot.get().as_bytes())
        );
        let snapshot: Snapshot = serde_json::from_str(document.snapshot.get()).unwrap();
        assert_eq!(snapshot.faults(), []);
        assert_eq!(
            (snapshot.edge, snapshot.cluster),
            (agent.edge, agent.cluster)
        );
        assert_eq!(snapshot.origins[0].id, origin);
        assert_eq!(snapshot.routes[0].id, route);
        assert!(agent.updates(&query).await.is_none());
    }

    #[tokio::test]
    async fn a12_a_changed_rule_reaches_a_waiting_edge_at_once() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let (_, query) = agent.catch_up().await;
        let administrator = server.administrator();
        let new = json!({"name": "nobody", "effect": "deny"});
        let query = held(&query);
        let (updates, made) = tokio::join!(
            tokio::time::timeout(Duration::from_secs(5), agent.updates(&query)),
            administrator.post("/api/v1/rules", new),
        );
        let document = updates.unwrap().unwrap().snapshot.unwrap();
        let snapshot: Snapshot = serde_json::from_str(document.snapshot.get()).unwrap();
        assert_eq!(snapshot.rules[0].id, id_of(&made.body));
    }

    #[tokio::test]
    async fn a_reassignment_costs_an_edge_one_row() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        for number in 0..20 {
            server.client(&format!("client{number}")).await;
        }
        let moved: ClientId = server.client("moved").await;
        let (updates, query) = agent.catch_up().await;
        let mut directory = Directory::default();
        directory.apply(updates.directory.unwrap()).unwrap();

        let wanted = json!({
            "clients": [moved],
            "target": {"kind": "edge", "edge": agent.edge},
            "elsewhere": "refuse"
        });
        let done = server
            .administrator()
            .post("/api/v1/assignments/reassign", wanted)
            .await;
        assert_eq!(done.status, 200, "{done:?}");
        let updates = agent.updates(&query).await.unwrap();
        assert!(updates.snapshot.is_none());
        let changes = updates.directory.unwrap();
        assert_eq!((changes.clients.len(), changes.assignments.len()), (0, 1));
        assert_eq!(changes.until, done.body["generation"].as_u64().unwrap());
        directory.apply(changes).unwrap();
        assert_eq!(directory.to_changes().assignments.len(), 1);

        let id = done.body["assignments"][0]["id"].as_str().unwrap();
        let query = UpdatesQuery {
            directory: directory.generation(),
            ..query
        };
        let gone = server
            .administrator()
            .delete(&format!("/api/v1/assignments/{id}"))
            .await;
        assert_eq!(gone.status, 204);
        let changes = agent.updates(&query).await.unwrap().directory.unwrap();
        assert_eq!(changes.removed_assignments.len(), 1);
    }

    #[tokio::test]
    async fn an_edge_without_a_directory_gets_all_of_it_from_ready_bytes_and_then_what_changed() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        server.client("first").await;
        let whole = agent.catch_up().await.0.directory.unwrap();
        assert!(whole.whole);
        let second: ClientId = server.client("second").await;

        let (updates, query) = agent.catch_up().await;
        let again = updates.directory.unwrap();
        assert_eq!(
            again.until, whole.until,
            "the bytes made for the first one are sent"
        );
        let mut directory = Directory::default();
        directory.apply(again).unwrap();
        assert!(directory.client(second).is_none());
        let changes = agent.updates(&query).await.unwrap().directory.unwrap();
        assert!(!changes.whole);
        directory.apply(changes).unwrap();
        assert!(directory.client(second).is_some());

        // An edge that comes from another database is ahead of this one, and begins anew.
        let ahead = UpdatesQuery {
            directory: 1_000_000,
            ..query
        };
        assert!(
            agent
                .updates(&ahead)
                .await
                .unwrap()
                .directory
                .unwrap()
                .whole
        );
    }

    #[tokio::test]
    async fn snapshots_of_one_cluster_differ_only_in_the_edge_and_stay_when_nothing_changed() {
        let server = Server::start().await;
        let cluster = server.cluster("north").await;
        let alpha = server.agent(cluster, "alpha").await;
        let beta = server.agent(cluster, "beta").await;
        let read = async |agent: &crate::fixture::Agent| {
            let document = agent.catch_up().await.0.snapshot.unwrap();
            assert_eq!(
                document.hash,
                content_hash(document.snapshot.get().as_bytes())
            );
            let snapshot: Snapshot = serde_json::from_str(document.snapshot.get()).unwrap();
            (document.generation, snapshot)
        };
        let (generation, of_alpha) = read(&alpha).await;
        let (_, of_beta) = read(&beta).await;
        assert_eq!(of_alpha.edge, alpha.edge);
        assert_eq!(
            of_beta,
            Snapshot {
                edge: beta.edge,
                ..of_alpha.clone()
            }
        );
        // A route of another cluster is no news here.
        let south = server.cluster("south").await;
        let (origin, _) = server.route("studio").await;
        let (with_route, _) = read(&alpha).await;
        assert!(with_route > generation);
        let new = json!({"name": "far", "cluster": south, "upstreams": [origin]});
        assert_eq!(
            server
                .administrator()
                .post("/api/v1/routes", new)
                .await
                .status,
            201
        );
        assert_eq!(read(&alpha).await.0, with_route);
    }

    #[tokio::test]
    async fn a_repeated_late_or_lost_report_changes_no_sum() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let begun = session(None, "cam");
        let mut sent = None;
        agent
            .report(&server, |report| {
                report.sessions = vec![begun.clone()];
                sent = Some(report.clone());
            })
            .await;
        let mut ended = begun.clone();
        ended.state = SessionState::Ended;
        agent
            .report(&server, |report| report.sessions = vec![ended.clone()])
            .await;
        // The first one comes again, late.
        let again = agent.send(&sent.unwrap()).await;
        assert_eq!((again.status, &again.body["sequence"]), (200, &json!(3)));

        let list = server.auditor().get("/api/v1/sessions").await;
        let items = list.body["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{list:?}");
        assert_eq!(items[0]["state"], "ended");

        // One is lost: the next answer asks for everything.
        agent.report(&server, |report| report.sequence += 1).await;
        let answer = agent.report(&server, |report| report.sequence += 5).await;
        assert!(answer.wants_whole);
        let answer = agent
            .report(&server, |report| {
                report.sequence += 9;
                report.whole = true;
            })
            .await;
        assert!(!answer.wants_whole);
    }

    #[tokio::test]
    async fn an_edge_that_says_nothing_is_lost_and_comes_back_with_its_next_report() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let path = format!("/api/v1/edges/{}", agent.edge);
        let state = async || server.auditor().get(&path).await.body["state"].clone();
        assert_eq!(state().await, "active");
        server
            .clock()
            .advance(crate::app::edges::LOST_AFTER + Duration::from_secs(1));
        crate::app::edges::mark_lost(server.app()).await.unwrap();
        assert_eq!(state().await, "lost");
        agent.report(&server, |_| {}).await;
        assert_eq!(state().await, "active");
    }

    #[tokio::test]
    async fn an_order_comes_until_it_is_carried_out_and_keeps_its_receipt() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let live = session(None, "cam");
        agent
            .report(&server, |report| report.sessions = vec![live.clone()])
            .await;
        let (_, query) = agent.catch_up().await;
        let end = json!({"sessions": [live.id]});
        let ending = server.operator().post("/api/v1/sessions/end", end).await;
        assert_eq!(
            (ending.status, &ending.body["sessions"]),
            (200, &json!(1)),
            "{ending:?}"
        );

        for _ in 0..2 {
            let orders = agent.updates(&query).await.unwrap().orders;
            assert_eq!(
                orders[0].work,
                Work::Kick {
                    sessions: vec![live.id]
                }
            );
        }
        let number = ending.body["orders"][0].as_u64().unwrap();
        let done = UpdatesQuery {
            order: number,
            ..query
        };
        assert!(agent.updates(&done).await.is_none());
        let receipt = OrderReceipt {
            number,
            at_ms: 5,
            count: 1,
        };
        agent
            .report(&server, |report| report.receipts = vec![receipt])
            .await;
        let orders = server.auditor().get("/api/v1/orders").await;
        assert_eq!(orders.body["items"][0]["receipts"][0]["count"], 1);

        // An edge that joins later does not hear of it.
        let late = server.agent(agent.cluster, "beta").await;
        assert!(late.catch_up().await.0.orders.is_empty());
    }

    #[tokio::test]
    async fn a_question_travels_the_edges_own_way() {
        let server = Server::start().await;
        let (origin, _) = server.route("studio").await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let (_, query) = agent.catch_up().await;
        let path = format!("/api/v1/edges/{}/questions", agent.edge);
        let operator = server.operator();
        let asked = operator.post(&path, json!({"kind": "reach", "origin": origin}));
        let answering = async {
            let query = held(&query);
            let question = agent.updates(&query).await.unwrap().questions.remove(0);
            assert_eq!(question.ask, Ask::Reach { origin });
            let answer = Answer::Reach {
                reachable: true,
                detail: "3 ms".to_owned(),
            };
            assert_eq!(agent.answer(question.id, &answer).await, 204);
        };
        let (answer, ()) = tokio::join!(asked, answering);
        assert_eq!(
            (answer.status, &answer.body["reachable"]),
            (200, &json!(true)),
            "{answer:?}"
        );
    }

    #[tokio::test]
    async fn a_retired_edge_is_told_and_an_unknown_one_too() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let path = format!("/api/v1/edges/{}", agent.edge);
        assert_eq!(server.administrator().delete(&path).await.status, 409);
        let retired = server
            .administrator()
            .post(&format!("{path}/retire"), json!({}))
            .await;
        assert_eq!(retired.body["state"], "retired", "{retired:?}");
        assert_eq!(
            agent.ask_for_updates(&UpdatesQuery::default()).await.status,
            410
        );
        assert_eq!(server.administrator().delete(&path).await.status, 204);
        assert_eq!(
            agent.ask_for_updates(&UpdatesQuery::default()).await.status,
            401
        );
        let path = format!(
            "{}?generation=0&directory=0&order=0&hold_ms=0",
            super::UPDATES_PATH
        );
        assert_eq!(server.anonymous().get(&path).await.status, 401);
        assert_eq!(server.administrator().get(&path).await.status, 401);
    }

    #[tokio::test]
    async fn a_stop_ends_what_waits() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let (_, query) = agent.catch_up().await;
        let query = held(&query);
        let waiting = tokio::time::timeout(Duration::from_secs(5), agent.updates(&query));
        let stopping = async { server.app().stop_waiting() };
        let (updates, ()) = tokio::join!(waiting, stopping);
        assert!(updates.unwrap().is_none());
    }
}
