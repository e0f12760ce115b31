//! Verbs on generations: list.

use super::{App, Caller, Error, Listing, Permission, Window};
use crate::store::generations as rows;

pub use crate::store::generations::Generation;

/// Lists the generations, the newest first.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`] for an `after` that is no number.
pub async fn list(
    app: &App,
    caller: &Caller,
    window: &Window,
) -> Result<Listing<Generation>, Error> {
    caller.needs(Permission::Read)?;
    let before = window
        .after
        .as_deref()
        .map(|text| {
            text.parse::<u64>()
                .map_err(|fault| Error::field("after", fault))
        })
        .transpose()?
        .unwrap_or(u64::MAX);
    let mut conn = app.store().read().await?;
    let limit = window.limit();
    let generations = rows::list(&mut conn, before, limit + 1).await?;
    Ok(Listing::of(generations, limit, |generation| {
        generation.number.to_string()
    }))
}
