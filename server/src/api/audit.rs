//! `/audit`.

use axum::Json;
use axum::extract::State;
use contract::id::AuditId;

use super::{Answer, Id, Known, Parameters};
use crate::app::audit::{Entry, Filter};
use crate::app::{App, Listing, Window, audit};

/// Lists audit entries, the newest first.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(filter): Parameters<Filter>,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<Entry>>> {
    Ok(Json(audit::list(&app, &caller, &filter, &window).await?))
}

/// One audit entry.
pub(super) async fn show(
    State(app): State<App>,
    Known(caller): Known,
    Id(id): Id<AuditId>,
) -> Answer<Json<Entry>> {
    Ok(Json(audit::show(&app, &caller, id).await?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use crate::fixture::Server;

    #[tokio::test]
    async fn says_who_did_what_from_where_and_pages_through_it() {
        let server = Server::start().await;
        for number in 0..5 {
            let new = json!({"name": format!("token {number}"), "role": "auditor"});
            server.administrator().post("/api/v1/tokens", new).await;
        }
        let auditor = server.auditor();
        let first = auditor.get("/api/v1/audit?noun=tokens&limit=3").await;
        let newest = &first.body["items"][0];
        assert_eq!(newest["subject_name"], "token 4");
        assert_eq!(newest["address"], "127.0.0.1");
        assert!(
            newest["request_id"]
                .as_str()
                .is_some_and(|id| !id.is_empty())
        );
        assert!(newest["generation"].as_u64().is_some());
        let next = first.body["next"].as_str().unwrap();
        let second = auditor
            .get(&format!("/api/v1/audit?noun=tokens&limit=3&after={next}"))
            .await;
        assert_eq!(second.body["items"][0]["subject_name"], "token 1");
        let id = newest["id"].as_str().unwrap();
        assert_eq!(
            auditor.get(&format!("/api/v1/audit/{id}")).await.body,
            *newest
        );
        assert_eq!(auditor.get("/api/v1/audit?after=x").await.status, 422);
    }
}
