//! `/generations`.

use axum::Json;
use axum::extract::State;

use super::{Answer, Known, Parameters};
use crate::app::generations::Generation;
use crate::app::{App, Listing, Window, generations};

/// Lists generations, the newest first.
pub(super) async fn list(
    State(app): State<App>,
    Known(caller): Known,
    Parameters(window): Parameters<Window>,
) -> Answer<Json<Listing<Generation>>> {
    Ok(Json(generations::list(&app, &caller, &window).await?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use crate::fixture::Server;

    #[tokio::test]
    async fn every_change_is_the_next_number() {
        let server = Server::start().await;
        let newest = async || {
            let list = server.auditor().get("/api/v1/generations?limit=1").await;
            list.body["items"][0].clone()
        };
        let before = newest().await["number"].as_u64().unwrap();
        let new = json!({"name": "ci", "role": "auditor"});
        server.administrator().post("/api/v1/tokens", new).await;
        let after = newest().await;
        assert_eq!(after["number"], before + 1);
        assert_eq!(after["comment"], "create tokens ci");
    }
}
