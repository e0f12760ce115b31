//! Verbs on play tokens: create. A play token is signed, not stored: edges check it by the key
//! that they all hold.

use std::net::IpAddr;
use std::time::Duration;

use contract::client::Client;
use contract::facts::Action;
use contract::id::ClientId;
use contract::pattern::Pattern;
use contract::secret::Secret;
use contract::token::{PlayToken, TOKEN_PARAMETER};
use serde::{Deserialize, Serialize};

use super::change::{Noun, Subject, entry};
use super::{App, Caller, Error, Permission, commit};
use crate::store::record::by_id;
use crate::store::{audit, keys};

/// The longest life of a play token; chosen, because one cannot be taken back.
pub const LONGEST_LIFE: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// What a new play token is made of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPlayToken {
    /// Applications it is for.
    pub app: Pattern,
    /// Streams it is for.
    pub stream: Pattern,
    /// What it allows.
    pub action: Action,
    /// How many seconds it lasts.
    pub life_s: u64,
    /// The only address that may use it.
    #[serde(default)]
    pub addr: Option<IpAddr>,
    /// The client it stands for.
    #[serde(default)]
    pub client: Option<ClientId>,
}

/// A play token that was just made.
#[derive(Debug, Clone, Serialize)]
pub struct MadePlayToken {
    /// What it is a right to.
    #[serde(flatten)]
    pub token: PlayToken,
    /// The query parameter that carries it.
    pub parameter: &'static str,
    /// Its text; it cannot be shown again.
    pub secret: Secret,
}

/// Makes a play token.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`].
pub async fn create(app: &App, caller: &Caller, new: NewPlayToken) -> Result<MadePlayToken, Error> {
    caller.needs(Permission::MakeSecrets)?;
    let life = Duration::from_secs(new.life_s);
    if life.is_zero() || life > LONGEST_LIFE {
        return Err(Error::field(
            "life_s",
            "a play token lasts from 1 s to 366 days",
        ));
    }
    let now_ms = app.clock().now_ms();
    let mut tx = app.store().write().await?;
    if let Some(id) = new.client
        && by_id::<Client>(&mut tx, id).await?.is_none()
    {
        return Err(Error::field("client", format!("there is no client `{id}`")));
    }
    let keys = keys::all(&mut tx).await?;
    let key = keys
        .first()
        .ok_or_else(|| Error::internal("there is no signing key"))?;
    let token = PlayToken {
        app: new.app,
        stream: new.stream,
        action: new.action,
        expires_at_ms: now_ms + u64::try_from(life.as_millis()).unwrap_or(u64::MAX),
        addr: new.addr,
        client: new.client,
        id: None,
        uses: None,
    };
    let subject = Subject::new(
        Noun::PlayTokens,
        key.id,
        format!("{}/{}", token.app, token.stream),
    );
    let mut line = entry(caller, now_ms, "create", subject);
    line.after = Some(serde_json::to_value(&token).map_err(Error::internal)?);
    audit::insert(&mut tx, &line).await?;
    let secret = Secret::new(token.sign(key));
    commit(tx).await?;
    Ok(MadePlayToken {
        token,
        parameter: TOKEN_PARAMETER,
        secret,
    })
}
