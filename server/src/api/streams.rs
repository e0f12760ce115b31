//! `/streams`.

use axum::Json;
use axum::extract::State;

use super::{Answer, Known, Parameters};
use crate::app::streams::{Filter, Stream};
use crate::app::{App, Listing, Window, streams};

/// Lists the streams that are carried now.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(filter): Parameters<Filter>,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<Stream>>> {
    Ok(Json(streams::list(&app, &caller, &filter, &window)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use contract::id::RouteId;
    use contract::report::StreamState;

    use crate::fixture::Server;

    fn stream(name: &str) -> StreamState {
        StreamState {
            app: "live".to_owned(),
            stream: name.to_owned(),
            route: RouteId::new(),
            next_hop: None,
            publisher: None,
            viewers: 3,
            began_ms: 1,
            received_bytes: 2,
            bits_per_second: 8,
            video: Some("avc".to_owned()),
            audio: None,
            shed: 0,
        }
    }

    #[tokio::test]
    async fn lists_what_each_edge_carries_now() {
        let server = Server::start().await;
        let cluster = server.cluster("north").await;
        let alpha = server.agent(cluster, "alpha").await;
        let beta = server.agent(cluster, "beta").await;
        alpha
            .report(&server, |report| {
                report.streams = vec![stream("b"), stream("a")]
            })
            .await;
        beta.report(&server, |report| report.streams = vec![stream("a")])
            .await;
        let auditor = server.auditor();
        for (query, count) in [
            (String::new(), 3),
            ("?stream=a".to_owned(), 2),
            (format!("?edge={}&stream=a", beta.edge), 1),
            ("?app=other".to_owned(), 0),
        ] {
            let list = auditor.get(&format!("/api/v1/streams{query}")).await;
            assert_eq!(
                list.body["items"].as_array().unwrap().len(),
                count,
                "{query}"
            );
        }
        beta.report(&server, |_| {}).await;
        let list = auditor.get("/api/v1/streams?limit=1").await;
        assert_eq!(list.body["items"][0]["stream"], "a");
        let next = list.body["next"].as_str().unwrap().replace(' ', "%20");
        let rest = auditor.get(&format!("/api/v1/streams?after={next}")).await;
        assert_eq!(rest.body["items"][0]["stream"], "b");
    }
}
