//! Removes logins that have ended by themselves.

use crate::app::{App, logins};

/// One sweep.
pub(super) async fn sweep(app: App) {
    match logins::sweep(&app).await {
        Ok(0) => {}
        Ok(gone) => tracing::debug!(gone, "removed ended logins"),
        Err(error) => {
            tracing::warn!(
                error = crate::log::chain(&error),
                "could not remove ended logins"
            );
        }
    }
}
