//! Verbs on play tokens: create. A play token is signed, not stored: edges check it by the key
//! that they all hold.

use std::net::IpAddr;
use std::time::Duration;

use contract::client::Client;
use contract::facts::Action;
use contract::id::{ClientId, KeySetId};
use contract::key_set::KeySet;
use contract::pattern::Pattern;
use contract::secret::Secret;
use contract::token::jwt::Issued;
use contract::token::{PlayToken, TOKEN_PARAMETER};
use serde::{Deserialize, Serialize};

use super::change::{Noun, Subject, entry};
use super::{App, Caller, Error, Permission, commit, random};
use crate::store::record::{Scoped, by_id};
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
    /// How many sessions at once it is good for; nothing is any number.
    #[serde(default)]
    pub uses: Option<u32>,
    /// The key set whose newest shared secret signs it, as a JSON Web Token; nothing is the
    /// server's own key and form.
    #[serde(default)]
    pub key_set: Option<KeySetId>,
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
    if new.uses == Some(0) {
        return Err(Error::field("uses", "a number from 1, or nothing for any"));
    }
    let now_ms = app.clock().now_ms();
    let mut tx = app.store().write().await?;
    let client = match new.client {
        None => None,
        Some(id) => Some(
            by_id::<Client>(&mut tx, id)
                .await?
                .ok_or_else(|| Error::field("client", format!("there is no client `{id}`")))?,
        ),
    };
    let token = PlayToken {
        app: new.app,
        stream: new.stream,
        action: new.action,
        expires_at_ms: now_ms + u64::try_from(life.as_millis()).unwrap_or(u64::MAX),
        addr: new.addr,
        client: new.client,
        // It names the token in reports; it opens nothing.
        id: Some(random::short_secret().expose().to_owned()),
        uses: new.uses,
    };
    let (signer, secret) = match new.key_set {
        None => {
            let keys = keys::all(&mut tx).await?;
            let key = keys
                .first()
                .ok_or_else(|| Error::internal("there is no signing key"))?;
            (key.id.to_string(), token.sign(key))
        }
        Some(id) => {
            let set = by_id::<Scoped<KeySet>>(&mut tx, id).await?;
            let set = set.map(|set| set.it).filter(|set| set.enabled);
            (id.to_string(), as_jwt(&token, set, client.as_ref())?)
        }
    };
    let subject = Subject::new(
        Noun::PlayTokens,
        signer,
        format!("{}/{}", token.app, token.stream),
    );
    let mut line = entry(caller, now_ms, "create", subject);
    line.after = Some(serde_json::to_value(&token).map_err(Error::internal)?);
    audit::insert(&mut tx, &line).await?;
    commit(tx).await?;
    Ok(MadePlayToken {
        token,
        parameter: TOKEN_PARAMETER,
        secret: Secret::new(secret),
    })
}

/// The same right as a JSON Web Token, which names its client as people do.
fn as_jwt(
    token: &PlayToken,
    set: Option<KeySet>,
    client: Option<&Client>,
) -> Result<String, Error> {
    let wrong = |message: &str| Error::field("key_set", message);
    let set = set.ok_or_else(|| wrong("there is no such key set, or it is switched off"))?;
    let key = set
        .signer()
        .ok_or_else(|| wrong("it holds no shared secret: its tokens are made elsewhere"))?;
    let issued = Issued {
        // Whole seconds: never later than asked for.
        exp: token.expires_at_ms / 1_000,
        iss: set.issuer.clone(),
        aud: set.audience.clone(),
        app: token.app.clone(),
        stream: token.stream.clone(),
        action: token.action,
        addr: token.addr,
        client: client.map(|client| client.name.to_string()),
        uses: token.uses,
        jti: token.id.clone(),
    };
    issued.sign(key).ok_or_else(|| wrong("its key cannot sign"))
}
