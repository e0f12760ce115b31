//! [`crate::floor`] as a server under test: this program itself, started once more.

use std::path::Path;

use anyhow::Result;

use super::{Place, Setting};
use crate::process::Process;

/// Starts it.
///
/// # Errors
/// When it does not listen.
pub(crate) async fn start(setting: &Setting, folder: &Path) -> Result<(Process, Place)> {
    let program = std::env::current_exe()?;
    let processor = setting.server_processor;
    let mut process = Process::start("floor", processor, folder, &program, &["floor"])?;
    let address = process
        .line(|line| line.strip_prefix("floor ").map(str::to_owned))
        .await?;
    Ok((process, Place::at(address.parse()?)))
}
