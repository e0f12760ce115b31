//! The first way in: while there is no user, a one-time link lets a person make the first
//! administrator. There is no default account and no race for being first.

use std::time::Duration;

use contract::id::UserId;
use contract::name::Name;
use contract::secret::Secret;
use url::Url;

use super::change::{Change, Noun, Subject};
use super::users::{self, Role, User};
use super::{App, Caller, Error, From, Party, Permission, commit, random};
use crate::store::{logins as rows, users as user_rows};

/// How long a set-up link opens; starting the server again makes a new one.
pub const LINK_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes the set-up link if there is no user, and withdraws the one before. Nothing when the
/// server is set up already.
///
/// # Errors
/// [`Error::Internal`].
pub async fn make_link(app: &App) -> Result<Option<Url>, Error> {
    let mut tx = app.store().write().await?;
    let (count, _) = user_rows::counts(&mut tx).await?;
    if count > 0 {
        return Ok(None);
    }
    let token = random::secret("");
    let life_ms = u64::try_from(LINK_LIFE.as_millis()).unwrap_or(u64::MAX);
    let expires_ms = app.clock().now_ms().saturating_add(life_ms);
    rows::replace_setup_link(&mut tx, &random::key_of(token.expose()), expires_ms).await?;
    commit(tx).await?;
    app.public_url()
        .join(&format!("setup/{}", token.expose()))
        .map(Some)
        .map_err(Error::internal)
}

/// Whether a set-up link opens now.
///
/// # Errors
/// [`Error::Internal`].
pub async fn link_opens(app: &App, token: &str) -> Result<bool, Error> {
    let mut conn = app.store().read().await?;
    Ok(rows::setup_link_opens(&mut conn, &random::key_of(token), app.clock().now_ms()).await?)
}

/// Makes the first administrator and uses the link up.
///
/// # Errors
/// [`Error::NotFound`] when the link does not open (any more), [`Error::Invalid`].
pub async fn complete(
    app: &App,
    token: &str,
    name: Name,
    password: Secret,
    from: From,
) -> Result<User, Error> {
    const GONE: Error = Error::NotFound {
        noun: "set-up link",
    };
    if !link_opens(app, token).await? {
        return Err(GONE);
    }
    let hash = users::hash(app, password).await?;
    let caller = Caller {
        party: Party::Server,
        name: "set-up link".to_owned(),
        role: Role::Administrator,
        from: Some(from),
    };
    let mut change = Change::begin(app, &caller, Permission::ManageAccess).await?;
    let now_ms = change.now_ms();
    let (count, _) = user_rows::counts(change.conn()).await?;
    let opens = rows::setup_link_opens(change.conn(), &random::key_of(token), now_ms).await?;
    if count > 0 || !opens {
        return Err(GONE);
    }
    let user = User {
        id: UserId::new(),
        name,
        role: Role::Administrator,
        created_ms: now_ms,
    };
    user_rows::insert(change.conn(), &user, &hash).await?;
    rows::delete_setup_links(change.conn()).await?;
    change.note(
        "set_up",
        Subject::new(Noun::Users, user.id, &user.name),
        None,
        Some(&user),
    )?;
    change.commit().await?;
    Ok(user)
}
