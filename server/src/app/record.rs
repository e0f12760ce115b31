//! What the verbs of all settings share: listing, showing, free names, editing.

use super::change::Change;
use super::{App, Caller, Error, Listing, Permission, Window};
use crate::store::record::{self, Record};

/// Lists settings by the column by which their noun is listed.
pub(super) async fn list<R: Record>(
    app: &App,
    caller: &Caller,
    window: &Window,
    cursor: impl Fn(&R) -> String,
) -> Result<Listing<R>, Error> {
    caller.needs(Permission::Read)?;
    let mut conn = app.store().read().await?;
    let limit = window.limit();
    let records = record::list(&mut conn, window.after(), limit + 1).await?;
    Ok(Listing::of(records, limit, cursor))
}

/// Lists all settings of a noun that has an order of its own.
pub(super) async fn in_order<R: Record>(app: &App, caller: &Caller) -> Result<Listing<R>, Error> {
    caller.needs(Permission::Read)?;
    let items = record::by_position(&mut *app.store().read().await?).await?;
    Ok(Listing { items, next: None })
}

/// Shows one setting.
pub(super) async fn show<R: Record>(
    app: &App,
    caller: &Caller,
    id: impl ToString,
    noun: &'static str,
) -> Result<R, Error> {
    caller.needs(Permission::Read)?;
    let mut conn = app.store().read().await?;
    record::by_id(&mut conn, id)
        .await?
        .ok_or(Error::NotFound { noun })
}

/// The setting that a change is about.
pub(super) async fn present<R: Record>(
    change: &mut Change,
    id: impl ToString,
    noun: &'static str,
) -> Result<R, Error> {
    record::by_id(change.conn(), id)
        .await?
        .ok_or(Error::NotFound { noun })
}

/// Goes on only if no other setting of the noun has this name.
pub(super) async fn name_is_free<R: Record>(
    change: &mut Change,
    name: &contract::name::Name,
    but: impl ToString,
    noun: &'static str,
) -> Result<(), Error> {
    match record::first_where::<R>(change.conn(), "name", name.as_str()).await? {
        Some(other) if other.id_text() != but.to_string() => Err(Error::conflict(format!(
            "there is already a {noun} named `{name}`"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Refuses to remove what another setting names.
pub(super) async fn not_named_by<R: Record>(
    change: &mut Change,
    id: impl ToString,
    told: impl Fn(&R) -> String,
) -> Result<(), Error> {
    match record::first_naming::<R>(change.conn(), id).await? {
        Some(user) => Err(Error::conflict(format!(
            "{} uses it; change that first",
            told(&user)
        ))),
        None => Ok(()),
    }
}
