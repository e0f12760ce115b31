//! Verbs on origins: list, show, create, update, delete.

use contract::id::OriginId;
use contract::name::Name;
use contract::route::Route;

use super::change::{Change, Noun, Subject};
use super::record::{name_is_free, not_named_by, present};
use super::{App, Caller, Error, Listing, Permission, Window, record};
use crate::store::record::{Scoped, by_position, put, remove};

pub use contract::origin::{Origin, Reach};

const ORIGIN: &str = "origin";

/// An origin to begin a new one from.
#[must_use]
pub fn blank(name: Name, address: contract::address::OriginAddress) -> Origin {
    Origin {
        id: OriginId::new(),
        name,
        address,
        reach: Reach::default(),
    }
}

/// Lists origins by name.
///
/// # Errors
/// [`Error::Denied`].
pub async fn list(app: &App, caller: &Caller, window: &Window) -> Result<Listing<Origin>, Error> {
    record::list(app, caller, window, |origin: &Origin| {
        origin.name.to_string()
    })
    .await
}

/// One origin.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn show(app: &App, caller: &Caller, id: OriginId) -> Result<Origin, Error> {
    record::show(app, caller, id, ORIGIN).await
}

/// Makes an origin; it gets an id of its own.
///
/// # Errors
/// [`Error::Denied`], [`Error::Conflict`] when the name is taken.
pub async fn create(app: &App, caller: &Caller, wanted: Origin) -> Result<Origin, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let origin = Origin {
        id: OriginId::new(),
        ..wanted
    };
    name_is_free::<Origin>(&mut change, &origin.name, origin.id, ORIGIN).await?;
    let generation = change.generation();
    put(change.conn(), &origin, generation).await?;
    let subject = Subject::new(Noun::Origins, origin.id, &origin.name);
    change.note("create", subject, None, Some(&origin))?;
    change.commit().await?;
    Ok(origin)
}

/// Changes an origin: `edit` makes of it what it shall be.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Conflict`] when the name is taken,
/// [`Error::Invalid`] when a route needs another protocol of it, and what `edit` says.
pub async fn update(
    app: &App,
    caller: &Caller,
    id: OriginId,
    edit: impl FnOnce(Origin) -> Result<Origin, Error> + Send,
) -> Result<Origin, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let before: Origin = present(&mut change, id, ORIGIN).await?;
    let after = Origin {
        id,
        ..edit(before.clone())?
    };
    name_is_free::<Origin>(&mut change, &after.name, id, ORIGIN).await?;
    let routes: Vec<Scoped<Route>> = by_position(change.conn()).await?;
    if let Some(route) = routes
        .iter()
        .find(|route| route.it.upstreams.contains(&id) && route.it.plane != after.address.plane())
    {
        return Err(Error::field(
            "address",
            format!(
                "route `{}` needs {} of it",
                route.it.name,
                route.it.plane.as_str()
            ),
        ));
    }
    let generation = change.generation();
    put(change.conn(), &after, generation).await?;
    let subject = Subject::new(Noun::Origins, id, &after.name);
    change.note("update", subject, Some(&before), Some(&after))?;
    change.commit().await?;
    Ok(after)
}

/// Removes an origin that no route names.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Conflict`] when a route names it.
pub async fn delete(app: &App, caller: &Caller, id: OriginId) -> Result<(), Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let origin: Origin = present(&mut change, id, ORIGIN).await?;
    not_named_by(&mut change, id, |route: &Scoped<Route>| {
        format!("route `{}`", route.it.name)
    })
    .await?;
    let generation = change.generation();
    remove(change.conn(), &origin, generation).await?;
    let subject = Subject::new(Noun::Origins, id, &origin.name);
    change.note("delete", subject, Some(&origin), None)?;
    change.commit().await?;
    Ok(())
}
