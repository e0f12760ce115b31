//! Verbs on purges: create. Every edge gets the order, and says when it is done.

use contract::order::{PurgeScope, Work};
use serde::Serialize;

use super::change::{Noun, Subject};
use super::orders::give;
use super::{App, Caller, Error, Permission};

/// What URLs begin with: of HTTP objects, and of recorded streams.
const SCHEMES: [&str; 4] = ["http", "https", "rtmp", "rtmps"];

/// A purge that was ordered; its receipts stand with the order of this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Purge {
    /// The order's number.
    pub order: u64,
}

/// Orders every edge to let stored objects go.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`] for a URL that is none.
pub async fn create(app: &App, caller: &Caller, scope: PurgeScope) -> Result<Purge, Error> {
    caller.needs(Permission::Purge)?;
    let name = match &scope {
        PurgeScope::All => "all".to_owned(),
        PurgeScope::Url { url } => match url::Url::parse(url) {
            Ok(parsed) if SCHEMES.contains(&parsed.scheme()) => url.clone(),
            Ok(_) => {
                return Err(Error::field(
                    "url",
                    "it begins with `http://`, `https://`, `rtmp://` or `rtmps://`",
                ));
            }
            Err(fault) => return Err(Error::field("url", fault)),
        },
    };
    let subject = Subject::new(Noun::Purges, "", name);
    let orders = vec![(None, Work::Purge { scope })];
    let numbers = give(app, caller, orders, "purge", subject).await?;
    let order = numbers.first().copied().unwrap_or_default();
    Ok(Purge { order })
}
