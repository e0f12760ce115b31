//! Removes what has ended or is too old: logins, join tokens, orders, statistics, removals that
//! every edge has heard of. A bounded part at a time.

use crate::app::{App, Error, directory, join_tokens, logins, orders, sessions};

/// One sweep.
pub(super) async fn run(app: App) {
    note("logins", logins::sweep(&app).await);
    note("join tokens", join_tokens::sweep(&app).await);
    note("orders", orders::sweep(&app).await);
    note("statistics", sessions::sweep(&app).await);
    note("removals", directory::sweep(&app).await);
}

fn note(what: &'static str, swept: Result<u64, Error>) {
    match swept {
        Ok(0) => {}
        Ok(gone) => tracing::debug!(what, gone, "removed what is over"),
        Err(error) => {
            tracing::warn!(
                what,
                error = crate::log::chain(&error),
                "could not remove what is over"
            );
        }
    }
}
