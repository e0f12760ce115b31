//! Marks edges that have said nothing for too long as lost.

use crate::app::{App, edges};

/// One look.
pub(super) async fn mark(app: App) {
    if let Err(error) = edges::mark_lost(&app).await {
        tracing::warn!(
            error = crate::log::chain(&error),
            "could not mark lost edges"
        );
    }
}
