//! Verbs on API tokens: list, create, revoke, and finding the caller of one.
//!
//! The secret `weir_…` is shown once, when the token is made.

use std::time::Duration;

use contract::id::ApiTokenId;
use contract::name::Name;
use contract::secret::Secret;
use serde::{Deserialize, Serialize};

use super::change::{Change, Noun, Subject};
use super::users::Role;
use super::{App, Caller, Error, From, Listing, Party, Permission, Window, commit, random};
use crate::store::tokens as rows;

pub use crate::store::tokens::ApiToken;

/// What the secret of an API token begins with, so that it is known when found in the wrong place.
pub const PREFIX: &str = "weir_";
/// The use of a token is noted this often.
const NOTE_EVERY_MS: u64 = 60_000;
const NOUN: Noun = Noun::Tokens;

/// What a new API token is made of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewApiToken {
    /// What people call it.
    pub name: Name,
    /// What it may do.
    pub role: Role,
    /// How many seconds it lasts; nothing means until it is revoked.
    #[serde(default)]
    pub life_s: Option<u64>,
}

/// An API token that was just made, with its secret.
#[derive(Debug, Clone, Serialize)]
pub struct MadeApiToken {
    /// What is kept of it.
    #[serde(flatten)]
    pub token: ApiToken,
    /// The secret; it cannot be shown again.
    pub secret: Secret,
}

/// Lists the API tokens by name.
///
/// # Errors
/// [`Error::Denied`].
pub async fn list(app: &App, caller: &Caller, window: &Window) -> Result<Listing<ApiToken>, Error> {
    caller.needs(Permission::ManageAccess)?;
    let mut conn = app.store().read().await?;
    let limit = window.limit();
    let tokens = rows::list(&mut conn, window.after(), limit + 1).await?;
    Ok(Listing::of(tokens, limit, |token| token.name.to_string()))
}

/// Makes an API token.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`], [`Error::Conflict`] when the name is taken.
pub async fn create(app: &App, caller: &Caller, new: NewApiToken) -> Result<MadeApiToken, Error> {
    let mut change = Change::begin(app, caller, Permission::ManageAccess).await?;
    if new.life_s == Some(0) {
        return Err(Error::field("life_s", "a token lasts at least one second"));
    }
    if rows::name_taken(change.conn(), &new.name).await? {
        return Err(Error::conflict(format!(
            "there is an API token `{}` already",
            new.name
        )));
    }
    let secret = random::secret(PREFIX);
    let now_ms = change.now_ms();
    let token = ApiToken {
        id: ApiTokenId::new(),
        name: new.name,
        role: new.role,
        created_ms: now_ms,
        expires_ms: new
            .life_s
            .map(|seconds| now_ms.saturating_add(seconds.saturating_mul(1000))),
        used_ms: None,
    };
    rows::insert(change.conn(), &random::key_of(secret.expose()), &token).await?;
    change.note(
        "create",
        Subject::new(NOUN, token.id, &token.name),
        None,
        Some(&token),
    )?;
    change.commit().await?;
    Ok(MadeApiToken { token, secret })
}

/// Revokes an API token: it opens nothing from now on.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn revoke(app: &App, caller: &Caller, id: ApiTokenId) -> Result<(), Error> {
    let mut change = Change::begin(app, caller, Permission::ManageAccess).await?;
    let token = rows::by_id(change.conn(), id)
        .await?
        .ok_or(Error::NotFound { noun: "API token" })?;
    rows::delete(change.conn(), id).await?;
    change.note(
        "revoke",
        Subject::new(NOUN, id, &token.name),
        Some(&token),
        None,
    )?;
    change.commit().await?;
    Ok(())
}

/// The caller whose API token this is; nothing if it opens nothing (any more).
///
/// # Errors
/// [`Error::Busy`], [`Error::Internal`].
pub async fn caller_of(app: &App, secret: &str, from: From) -> Result<Option<Caller>, Error> {
    if !secret.starts_with(PREFIX) {
        return Ok(None);
    }
    let now_ms = app.clock().now_ms();
    let found = rows::by_key(
        &mut *app.store().read().await?,
        &random::key_of(secret),
        now_ms,
    )
    .await?;
    let Some(token) = found else {
        return Ok(None);
    };
    let noted = Duration::from_millis(now_ms.saturating_sub(token.used_ms.unwrap_or(0)));
    if noted >= Duration::from_millis(NOTE_EVERY_MS) {
        let mut tx = app.store().write().await?;
        rows::touch(&mut tx, token.id, now_ms).await?;
        commit(tx).await?;
    }
    Ok(Some(Caller {
        party: Party::Token { id: token.id },
        name: token.name.to_string(),
        role: token.role,
        from: Some(from),
    }))
}
