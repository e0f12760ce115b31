//! `/purges` and `/orders`.

use axum::Json;
use axum::extract::State;
use contract::order::PurgeScope;
use http::StatusCode;

use super::{Answer, Body, Known, Parameters};
use crate::app::orders::GivenOrder;
use crate::app::purges::Purge;
use crate::app::{App, Listing, Window, orders, purges};

/// Orders every edge to let stored objects go.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(scope): Body<PurgeScope>,
) -> Answer<(StatusCode, Json<Purge>)> {
    Ok((
        StatusCode::ACCEPTED,
        Json(purges::create(&app, &caller, scope).await?),
    ))
}

/// Lists orders with their receipts, the newest first.
pub(super) async fn list_orders(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<GivenOrder>>> {
    Ok(Json(orders::list(&app, &caller, &window).await?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use contract::order::{OrderReceipt, PurgeScope, Work};
    use serde_json::json;

    use crate::fixture::Server;

    #[tokio::test]
    async fn a_purge_reaches_every_edge_and_each_says_when_it_is_done() {
        let server = Server::start().await;
        let cluster = server.cluster("north").await;
        let agents = [
            server.agent(cluster, "alpha").await,
            server.agent(cluster, "beta").await,
        ];
        let purge = server
            .operator()
            .post("/api/v1/purges", json!({"kind": "all"}))
            .await;
        assert_eq!(purge.status, 202, "{purge:?}");
        let number = purge.body["order"].as_u64().unwrap();
        for agent in &agents {
            let orders = agent.catch_up().await.0.orders;
            assert_eq!(
                orders[0].work,
                Work::Purge {
                    scope: PurgeScope::All
                }
            );
            let receipt = OrderReceipt {
                number,
                at_ms: 1,
                count: 7,
            };
            agent
                .report(&server, |report| report.receipts = vec![receipt])
                .await;
        }
        let orders = server.auditor().get("/api/v1/orders").await;
        assert_eq!(
            orders.body["items"][0]["receipts"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        let audit = server.auditor().get("/api/v1/audit?noun=purges").await;
        assert_eq!(audit.body["items"][0]["actor_name"], "operator");
    }

    #[tokio::test]
    async fn a_url_that_is_none_is_refused() {
        let server = Server::start().await;
        for url in ["x", "ftp://a/b"] {
            let scope = json!({"kind": "url", "url": url});
            let refused = server.operator().post("/api/v1/purges", scope).await;
            assert_eq!(
                (refused.status, &refused.body["faults"][0]["field"]),
                (422, &json!("url"))
            );
        }
    }
}
