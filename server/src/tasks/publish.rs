//! Publishes what was kept and could not be published at once.

use crate::app::App;

/// One try; nothing when nothing is owed.
pub(super) async fn owed(app: App) {
    app.publish_owed().await;
}
