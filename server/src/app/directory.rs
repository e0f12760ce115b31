//! Care for the directory that edges synchronize: forgetting old removals.

use super::{App, Error, commit};
use crate::store::directory as rows;

/// Forgets the oldest removals beyond what is remembered; gives how many.
pub(crate) async fn sweep(app: &App) -> Result<u64, Error> {
    let mut tx = app.store().write().await?;
    let gone = rows::forget_removals(&mut tx).await?;
    commit(tx).await?;
    Ok(gone)
}
