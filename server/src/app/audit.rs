//! Verbs on the audit: list, show.

use contract::id::AuditId;

use super::{App, Caller, Error, Listing, Permission, Window};
use crate::store::audit as rows;

pub use crate::store::audit::{Entry, Filter};

/// Lists entries, the newest first, narrowed by the filter.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`] for an `after` that is no entry's id.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &Filter,
    window: &Window,
) -> Result<Listing<Entry>, Error> {
    caller.needs(Permission::ReadAudit)?;
    let before = window
        .after
        .as_deref()
        .map(|text| {
            text.parse::<AuditId>()
                .map_err(|fault| Error::field("after", fault))
        })
        .transpose()?;
    let mut conn = app.store().read().await?;
    let limit = window.limit();
    let entries = rows::list(&mut conn, filter, before, limit + 1).await?;
    Ok(Listing::of(entries, limit, |entry| entry.id.to_string()))
}

/// One entry.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn show(app: &App, caller: &Caller, id: AuditId) -> Result<Entry, Error> {
    caller.needs(Permission::ReadAudit)?;
    let mut conn = app.store().read().await?;
    rows::by_id(&mut conn, id).await?.ok_or(Error::NotFound {
        noun: "audit entry",
    })
}
