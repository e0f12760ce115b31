//! Verbs on join tokens: list, create, revoke.
//!
//! A join token is used once, ends by itself, and says where the server is, so that
//! `weir edge join TOKEN` needs nothing else.

use std::time::Duration;

use contract::control;
use contract::id::{ClusterId, JoinTokenId};
use contract::name::Name;
use contract::secret::Secret;
use serde::{Deserialize, Serialize};

use super::change::{Change, Noun, Subject};
use super::routes::cluster_fault;
use super::{App, Caller, Error, Listing, Permission, Window, commit, random};
use crate::store::join_tokens as rows;

pub use crate::store::join_tokens::JoinToken;

/// How long a join token can be used unless said; chosen: time to walk to a machine.
pub const USUAL_LIFE: Duration = Duration::from_secs(60 * 60);
/// The longest.
pub const LONGEST_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a new join token is made of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewJoinToken {
    /// The cluster that an edge joins by it.
    pub cluster: ClusterId,
    /// What the edge will be called; nothing leaves it to the edge.
    #[serde(default)]
    pub name: Option<Name>,
    /// How many seconds it can be used; one hour unless said.
    #[serde(default)]
    pub life_s: Option<u64>,
}

/// A join token that was just made.
#[derive(Debug, Clone, Serialize)]
pub struct MadeJoinToken {
    /// What is kept of it.
    #[serde(flatten)]
    pub token: JoinToken,
    /// The token to be copied; it cannot be shown again.
    pub secret: Secret,
}

/// Lists the join tokens that can still be used, the newest first.
///
/// # Errors
/// [`Error::Denied`].
pub async fn list(app: &App, caller: &Caller) -> Result<Listing<JoinToken>, Error> {
    caller.needs(Permission::Read)?;
    let limit = Window::whole().limit();
    let mut conn = app.store().read().await?;
    let items = rows::list(&mut conn, app.clock().now_ms(), limit).await?;
    Ok(Listing { items, next: None })
}

/// Makes a join token.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`].
pub async fn create(app: &App, caller: &Caller, new: NewJoinToken) -> Result<MadeJoinToken, Error> {
    let mut change = Change::begin(app, caller, Permission::MakeSecrets).await?;
    if let Some(fault) = cluster_fault(&mut change, Some(new.cluster)).await? {
        return Err(Error::Invalid(vec![fault]));
    }
    let life = new.life_s.map_or(USUAL_LIFE, Duration::from_secs);
    if life.is_zero() || life > LONGEST_LIFE {
        return Err(Error::field(
            "life_s",
            "a join token lasts from 1 s to 7 days",
        ));
    }
    let secret = random::secret("");
    let now_ms = change.now_ms();
    let token = JoinToken {
        id: JoinTokenId::new(),
        cluster: new.cluster,
        name: new.name,
        created_ms: now_ms,
        expires_ms: now_ms + u64::try_from(life.as_millis()).unwrap_or(u64::MAX),
    };
    rows::insert(change.conn(), &random::key_of(secret.expose()), &token).await?;
    change.note("create", subject(&token), None, Some(&token))?;
    change.commit().await?;
    let server = app.public_url().as_str().trim_end_matches('/').to_owned();
    let text = control::JoinToken { server, secret }.to_text();
    Ok(MadeJoinToken {
        token,
        secret: Secret::new(text),
    })
}

/// Revokes a join token: no edge can join by it.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`] also when it was used already.
pub async fn revoke(app: &App, caller: &Caller, id: JoinTokenId) -> Result<(), Error> {
    let mut change = Change::begin(app, caller, Permission::MakeSecrets).await?;
    let token = rows::by_id(change.conn(), id)
        .await?
        .ok_or(Error::NotFound { noun: "join token" })?;
    rows::delete(change.conn(), id).await?;
    change.note("revoke", subject(&token), Some(&token), None)?;
    change.commit().await?;
    Ok(())
}

fn subject(token: &JoinToken) -> Subject {
    let name = token
        .name
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    Subject::new(Noun::JoinTokens, token.id, name)
}

/// Removes tokens that have ended.
pub(crate) async fn sweep(app: &App) -> Result<u64, Error> {
    let mut tx = app.store().write().await?;
    let gone = rows::delete_ended(&mut tx, app.clock().now_ms()).await?;
    commit(tx).await?;
    Ok(gone)
}
