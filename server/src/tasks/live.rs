//! Tells pages, once a second at most, that something moved.

use crate::app::App;

/// One turn.
pub(super) async fn tell(app: App) {
    app.tell_live_changes();
}
