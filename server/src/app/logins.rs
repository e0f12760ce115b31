//! Verbs on logins: sign in, find the caller of a cookie, list, end.
//!
//! The cookie is 256 random bits; the database keeps its SHA-256. Tries are limited by name and by
//! address, and the lock ends by itself. Signing in and out is audited and makes no generation: it
//! changes no setting.

use std::time::Duration;

use contract::id::{LoginId, UserId};
use contract::secret::Secret;

use super::change::{Noun, Subject, entry};
use super::{App, Caller, Error, From, Party, Permission, commit, random};
use crate::store::{audit, logins as rows, users as user_rows};

pub use crate::store::logins::Login;

/// How long a login lasts.
pub const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The use of a login is noted this often, so that reading a page is not a write.
const NOTE_EVERY_MS: u64 = 60_000;
/// The most bytes of a browser's name that are kept.
const AGENT_BYTES: usize = 256;
/// The most logins that are listed of one user.
const LISTED: u32 = 100;

const NOUN: Noun = Noun::Logins;

/// Signs a user in; gives the secret for the cookie and the login.
///
/// # Errors
/// [`Error::Busy`] after too many tries, with the time until the lock ends; [`Error::Unknown`] for
/// a wrong name or password, which look alike.
pub async fn sign_in(
    app: &App,
    name: &str,
    password: Secret,
    user_agent: &str,
    from: From,
) -> Result<(Secret, Login), Error> {
    let now_ms = app.clock().now_ms();
    app.0
        .attempts
        .begin(name, from.address, now_ms)
        .map_err(|retry_after| Error::Busy { retry_after })?;
    let found = user_rows::by_name_with_hash(&mut *app.store().read().await?, name).await?;
    let (user, hash) = found.map_or((None, None), |(user, hash)| (Some(user), Some(hash)));
    let right = app.0.passwords.check(password, hash.clone()).await?;
    let Some(user) = user.filter(|_| right) else {
        tracing::info!(client.addr = %from.address, "refused a sign-in");
        return Err(Error::Unknown);
    };
    app.0.attempts.succeeded(name, from.address);

    let secret = random::secret("");
    let login = Login {
        id: LoginId::new(),
        user_id: user.id,
        address: from.address.to_string(),
        user_agent: shortened(user_agent),
        created_ms: now_ms,
        seen_ms: now_ms,
        expires_ms: now_ms.saturating_add(u64::try_from(LIFE.as_millis()).unwrap_or(u64::MAX)),
    };
    let caller = Caller {
        party: Party::User {
            id: user.id,
            login: login.id,
        },
        name: user.name.to_string(),
        role: user.role,
        from: Some(from),
    };
    let mut tx = app.store().write().await?;
    // The user may have been removed, or its password changed, while the hash was computed.
    if user_rows::by_id(&mut tx, user.id).await?.as_ref() != Some(&user)
        || user_rows::hash_of(&mut tx, user.id).await? != hash
    {
        return Err(Error::Unknown);
    }
    rows::insert(&mut tx, &random::key_of(secret.expose()), &login).await?;
    let line = entry(
        &caller,
        now_ms,
        "sign_in",
        Subject::new(NOUN, login.id, &user.name),
    );
    audit::insert(&mut tx, &line).await?;
    commit(tx).await?;
    Ok((secret, login))
}

/// The caller whose login cookie this is; nothing if it opens nothing (any more).
///
/// # Errors
/// [`Error::Busy`], [`Error::Internal`].
pub async fn caller_of(app: &App, cookie: &str, from: From) -> Result<Option<Caller>, Error> {
    let now_ms = app.clock().now_ms();
    let mut conn = app.store().read().await?;
    let Some(login) = rows::by_key(&mut conn, &random::key_of(cookie), now_ms).await? else {
        return Ok(None);
    };
    let Some(user) = user_rows::by_id(&mut conn, login.user_id).await? else {
        return Ok(None);
    };
    drop(conn);
    if now_ms.saturating_sub(login.seen_ms) >= NOTE_EVERY_MS {
        let mut tx = app.store().write().await?;
        rows::touch(&mut tx, login.id, now_ms).await?;
        commit(tx).await?;
    }
    Ok(Some(Caller {
        party: Party::User {
            id: user.id,
            login: login.id,
        },
        name: user.name.to_string(),
        role: user.role,
        from: Some(from),
    }))
}

/// Lists a user's logins, the newest first. A user's own are always the user's to see.
///
/// # Errors
/// [`Error::Denied`].
pub async fn list(app: &App, caller: &Caller, user_id: UserId) -> Result<Vec<Login>, Error> {
    own_or_managed(caller, user_id)?;
    let mut conn = app.store().read().await?;
    Ok(rows::of_user(&mut conn, user_id, app.clock().now_ms(), LISTED).await?)
}

/// Ends a login: the caller's own, or anyone's by who manages access.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn end(app: &App, caller: &Caller, id: LoginId) -> Result<(), Error> {
    let mut tx = app.store().write().await?;
    let login = rows::by_id(&mut tx, id)
        .await?
        .ok_or(Error::NotFound { noun: "login" })?;
    own_or_managed(caller, login.user_id)?;
    let name = user_rows::by_id(&mut tx, login.user_id)
        .await?
        .map(|user| user.name.to_string())
        .unwrap_or_default();
    rows::delete(&mut tx, id).await?;
    let verb = if caller.login_id() == Some(id) {
        "sign_out"
    } else {
        "end"
    };
    let line = entry(
        caller,
        app.clock().now_ms(),
        verb,
        Subject::new(NOUN, id, name),
    );
    audit::insert(&mut tx, &line).await?;
    commit(tx).await
}

/// Removes logins that have ended by themselves; gives how many.
pub(crate) async fn sweep(app: &App) -> Result<u64, Error> {
    /// At a time, so that no sweep holds the writing connection long.
    const AT_A_TIME: u32 = 500;
    let mut tx = app.store().write().await?;
    let gone = rows::delete_ended(&mut tx, app.clock().now_ms(), AT_A_TIME).await?;
    commit(tx).await?;
    Ok(gone)
}

fn own_or_managed(caller: &Caller, user_id: UserId) -> Result<(), Error> {
    if caller.user_id() == Some(user_id) {
        Ok(())
    } else {
        caller.needs(Permission::ManageAccess)
    }
}

fn shortened(user_agent: &str) -> String {
    let mut end = user_agent.len().min(AGENT_BYTES);
    while !user_agent.is_char_boundary(end) {
        end -= 1;
    }
    user_agent[..end]
        .chars()
        .filter(|letter| !letter.is_control())
        .collect()
}
