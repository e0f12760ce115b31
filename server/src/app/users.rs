//! Verbs on users: list, show, create, update, set a password, delete.
//!
//! At least one administrator is always left. A changed password or role ends the user's other
//! logins.

use contract::id::UserId;
use contract::name::Name;
use contract::secret::Secret;
use serde::Deserialize;

use super::change::{Change, Noun, Subject};
use super::{App, Caller, Error, Listing, Permission, Window, passwords};
use crate::store::{logins as login_rows, users as rows};

pub use crate::store::users::{Role, User};

const NOUN: Noun = Noun::Users;

/// What a new user is made of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// What the user types to sign in.
    pub name: Name,
    /// What the user may do.
    pub role: Role,
    /// The password, at least 10 characters.
    pub password: Secret,
}

/// What can be changed of a user.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserChange {
    /// Another name.
    pub name: Option<Name>,
    /// Another role.
    pub role: Option<Role>,
    /// Another password.
    pub password: Option<Secret>,
}

/// Lists users by name. Anyone who may read may see who else can.
///
/// # Errors
/// [`Error::Denied`].
pub async fn list(app: &App, caller: &Caller, window: &Window) -> Result<Listing<User>, Error> {
    caller.needs(Permission::Read)?;
    let mut conn = app.store().read().await?;
    let limit = window.limit();
    let users = rows::list(&mut conn, window.after(), limit + 1).await?;
    Ok(Listing::of(users, limit, |user| user.name.to_string()))
}

/// One user.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn show(app: &App, caller: &Caller, id: UserId) -> Result<User, Error> {
    caller.needs(Permission::Read)?;
    let mut conn = app.store().read().await?;
    rows::by_id(&mut conn, id)
        .await?
        .ok_or(Error::NotFound { noun: "user" })
}

/// Makes a user.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`], [`Error::Conflict`] when the name is taken.
pub async fn create(app: &App, caller: &Caller, new: NewUser) -> Result<User, Error> {
    caller.needs(Permission::ManageAccess)?;
    let hash = hash(app, new.password).await?;
    let mut change = Change::begin(app, caller, Permission::ManageAccess).await?;
    name_is_free(&mut change, &new.name, None).await?;
    let user = User {
        id: UserId::new(),
        name: new.name,
        role: new.role,
        created_ms: change.now_ms(),
    };
    rows::insert(change.conn(), &user, &hash).await?;
    change.note(
        "create",
        Subject::new(NOUN, user.id, &user.name),
        None,
        Some(&user),
    )?;
    change.commit().await?;
    Ok(user)
}

/// Changes a user's name, role or password.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`] when the name is
/// taken or no administrator would be left.
pub async fn update(
    app: &App,
    caller: &Caller,
    id: UserId,
    wanted: UserChange,
) -> Result<User, Error> {
    caller.needs(Permission::ManageAccess)?;
    let hash = match wanted.password {
        Some(password) => Some(hash(app, password).await?),
        None => None,
    };
    let mut change = Change::begin(app, caller, Permission::ManageAccess).await?;
    let before = rows::by_id(change.conn(), id)
        .await?
        .ok_or(Error::NotFound { noun: "user" })?;
    let after = User {
        name: wanted.name.unwrap_or_else(|| before.name.clone()),
        role: wanted.role.unwrap_or(before.role),
        ..before.clone()
    };
    name_is_free(&mut change, &after.name, Some(id)).await?;
    if after.role != Role::Administrator {
        an_administrator_stays(&mut change, &before).await?;
    }
    rows::update(change.conn(), &after).await?;
    if let Some(hash) = &hash {
        rows::set_hash(change.conn(), id, hash).await?;
    }
    if hash.is_some() || after.role != before.role {
        login_rows::delete_of_user(change.conn(), id, caller.login_id()).await?;
    }
    let subject = Subject::new(NOUN, id, &after.name);
    let verb = if hash.is_some() {
        "set_password"
    } else {
        "update"
    };
    change.note(verb, subject, Some(&before), Some(&after))?;
    change.commit().await?;
    Ok(after)
}

/// Changes the caller's own password, given the present one. Ends the caller's other logins.
///
/// # Errors
/// [`Error::Unknown`] for a caller that is no user, [`Error::Invalid`], [`Error::Busy`] after too
/// many wrong passwords.
pub async fn change_own_password(
    app: &App,
    caller: &Caller,
    present: Secret,
    wanted: Secret,
) -> Result<(), Error> {
    let id = caller.user_id().ok_or(Error::Unknown)?;
    let address = caller
        .from
        .as_ref()
        .map(|from| from.address)
        .ok_or(Error::Unknown)?;
    app.0
        .attempts
        .begin(&caller.name, address, app.clock().now_ms())
        .map_err(|retry_after| Error::Busy { retry_after })?;
    let present_hash = rows::hash_of(&mut *app.store().read().await?, id).await?;
    if !app.0.passwords.check(present, present_hash).await? {
        return Err(Error::field("present", "this is not your present password"));
    }
    app.0.attempts.succeeded(&caller.name, address);
    let hash = hash(app, wanted).await?;
    // Reading is what every role may do: a user's own password needs no more than being that user.
    let mut change = Change::begin(app, caller, Permission::Read).await?;
    let user = rows::by_id(change.conn(), id)
        .await?
        .ok_or(Error::NotFound { noun: "user" })?;
    rows::set_hash(change.conn(), id, &hash).await?;
    login_rows::delete_of_user(change.conn(), id, caller.login_id()).await?;
    let subject = Subject::new(NOUN, id, &user.name);
    change.note("set_password", subject, Some(&user), Some(&user))?;
    change.commit().await?;
    Ok(())
}

/// Removes a user with all logins.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Conflict`] when no administrator would be left.
pub async fn delete(app: &App, caller: &Caller, id: UserId) -> Result<(), Error> {
    let mut change = Change::begin(app, caller, Permission::ManageAccess).await?;
    let user = rows::by_id(change.conn(), id)
        .await?
        .ok_or(Error::NotFound { noun: "user" })?;
    an_administrator_stays(&mut change, &user).await?;
    rows::delete(change.conn(), id).await?;
    change.note(
        "delete",
        Subject::new(NOUN, id, &user.name),
        Some(&user),
        None,
    )?;
    change.commit().await?;
    Ok(())
}

/// Checks and hashes a new password.
pub(super) async fn hash(app: &App, password: Secret) -> Result<String, Error> {
    if let Some(fault) = passwords::fault(&password) {
        return Err(Error::field("password", fault));
    }
    app.0.passwords.hash(password).await
}

async fn name_is_free(change: &mut Change, name: &Name, but: Option<UserId>) -> Result<(), Error> {
    match rows::by_name_with_hash(change.conn(), name.as_str()).await? {
        Some((user, _)) if Some(user.id) != but => Err(Error::conflict(format!(
            "there is a user `{}` already",
            user.name
        ))),
        Some(_) | None => Ok(()),
    }
}

async fn an_administrator_stays(change: &mut Change, leaving: &User) -> Result<(), Error> {
    let (_, administrators) = rows::counts(change.conn()).await?;
    if leaving.role == Role::Administrator && administrators <= 1 {
        return Err(Error::conflict(
            "this is the last administrator; make another user administrator first",
        ));
    }
    Ok(())
}
