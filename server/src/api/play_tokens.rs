//! `/play-tokens`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::{Answer, Body, Known};
use crate::app::play_tokens::{MadePlayToken, NewPlayToken};
use crate::app::{App, play_tokens};

/// Makes a play token; its `secret` is in this answer only.
pub(super) async fn create(
    State(app): State<App>,
    Known(caller): Known,
    Body(new): Body<NewPlayToken>,
) -> Answer<(StatusCode, Json<MadePlayToken>)> {
    Ok((
        StatusCode::CREATED,
        Json(play_tokens::create(&app, &caller, new).await?),
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use contract::snapshot::Snapshot;
    use contract::token::PlayToken;
    use serde_json::json;

    use crate::fixture::Server;

    #[tokio::test]
    async fn a_play_token_is_accepted_by_the_edges_and_not_written_down() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let document = agent.catch_up().await.0.snapshot.unwrap();
        let snapshot: Snapshot = serde_json::from_str(document.snapshot.get()).unwrap();
        let admin = server.administrator();
        let new = json!({"app": "live", "stream": "cam*", "action": "play", "life_s": 60});
        let made = admin.post("/api/v1/play-tokens", new).await;
        assert_eq!(made.status, 201, "{made:?}");
        let text = made.body["secret"].as_str().unwrap();
        let now_ms = server.clock().now_ms();
        let token = PlayToken::verify(text, &snapshot.keys, now_ms).unwrap();
        assert_eq!(token.stream.as_str(), "cam*");
        PlayToken::verify(text, &snapshot.keys, now_ms + 61_000).unwrap_err();
        let audit = admin.get("/api/v1/audit?noun=play_tokens").await;
        assert_eq!(audit.body["items"][0]["after"]["app"], "live");
        assert!(!audit.text.contains(text));
    }

    #[tokio::test]
    async fn a_play_token_may_be_signed_by_a_key_set_and_name_its_uses() {
        let server = Server::start().await;
        let agent = server.agent(server.cluster("north").await, "alpha").await;
        let admin = server.administrator();
        let keys = json!({"name": "partner", "audience": "weir", "keys": "a shared secret of more than 32 bytes"});
        let set = admin.post("/api/v1/key-sets", keys).await;
        let set = set.body["id"].as_str().unwrap().to_owned();
        let client = server.client("studio").await;
        let new = |key_set: &str, uses: u32| {
            json!({"app": "live", "stream": "cam*", "action": "publish", "life_s": 60,
                "client": client, "key_set": key_set, "uses": uses})
        };
        let made = admin.post("/api/v1/play-tokens", new(&set, 2)).await;
        assert_eq!(made.status, 201, "{made:?}");
        let document = agent.catch_up().await.0.snapshot.unwrap();
        let snapshot: Snapshot = serde_json::from_str(document.snapshot.get()).unwrap();
        let text = made.body["secret"].as_str().unwrap();
        let now_ms = server.clock().now_ms();
        let right =
            contract::token::check(text, &snapshot.keys, &snapshot.key_sets, now_ms).unwrap();
        assert_eq!(right.uses, Some(2));
        assert!(right.id.ends_with(made.body["id"].as_str().unwrap()));
        assert_eq!(
            right.bearer,
            Some(contract::token::Bearer::Name("studio".to_owned()))
        );
        for (wrong, field) in [
            (new("keyset_00000000000000000000000000", 1), "key_set"),
            (new(&set, 0), "uses"),
        ] {
            let refused = admin.post("/api/v1/play-tokens", wrong).await;
            assert_eq!(refused.body["faults"][0]["field"], field, "{refused:?}");
        }
    }
}
