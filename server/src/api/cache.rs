//! `/cache`: figures per edge and route.

use axum::Json;
use axum::extract::State;
use contract::id::{EdgeId, RouteId};
use serde::Deserialize;

use super::{Answer, Known, Parameters};
use crate::app::cache::{CacheFigures, Span};
use crate::app::{App, Listing, cache};

/// Lists the figures of every edge and route.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
) -> Answer<Json<Listing<CacheFigures>>> {
    Ok(Json(cache::list(&app, &caller).await?))
}

/// Which history is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    edge: EdgeId,
    route: RouteId,
    #[serde(default)]
    since_ms: u64,
}

/// What one edge counted of one route, by spans of five minutes.
pub(super) async fn history(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(asked): Parameters<Asked>,
) -> Answer<Json<Listing<Span>>> {
    let Asked {
        edge,
        route,
        since_ms,
    } = asked;
    Ok(Json(
        cache::history(&app, &caller, edge, route, since_ms).await?,
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use contract::counts::CacheCounts;
    use serde_json::json;

    use crate::fixture::Server;

    #[tokio::test]
    async fn c5_figures_are_what_the_edge_counted_however_often_it_says_so() {
        let server = Server::start().await;
        let (_, route) = server.route("studio").await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let counted = |hits| CacheCounts {
            hits,
            misses: 1,
            ..CacheCounts::default()
        };
        for hits in [1, 4, 4] {
            agent
                .report(&server, |report| {
                    report.totals.cache.insert(route, counted(hits));
                })
                .await;
        }
        let list = server.auditor().get("/api/v1/cache").await;
        let figures = &list.body["items"][0];
        assert_eq!(
            (&figures["hits"], &figures["requests"]),
            (&json!(4), &json!(5)),
            "{list:?}"
        );
    }

    #[tokio::test]
    async fn history_is_what_was_counted_within_each_span() {
        let server = Server::start().await;
        let (_, route) = server.route("studio").await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        for hits in [10, 25, 40, 3] {
            server.clock().advance(Duration::from_secs(300));
            agent
                .report(&server, |report| {
                    let counts = CacheCounts {
                        hits,
                        ..CacheCounts::default()
                    };
                    report.totals.cache.insert(route, counts);
                })
                .await;
        }
        let path = format!("/api/v1/cache/history?edge={}&route={route}", agent.edge);
        let history = server.auditor().get(&path).await;
        let hits: Vec<_> = history.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|span| span["counts"]["hits"].as_u64().unwrap())
            .collect();
        assert_eq!(hits, [15, 15, 3]);
    }
}
