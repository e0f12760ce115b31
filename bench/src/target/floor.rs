//! [`crate::floor`] as a server under test: this program itself, started once more.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::{Place, Setting};
use crate::process::Process;

/// Starts it.
///
/// # Errors
/// When it does not listen.
pub(crate) async fn start(
    setting: &Setting,
    gather: Duration,
    folder: &Path,
) -> Result<(Process, Place)> {
    let program = std::env::current_exe()?;
    let processors = &setting.server_processors;
    let gather = gather.as_millis().to_string();
    let mut process = Process::start("floor", processors, folder, &program, &["floor", &gather])?;
    let address = process
        .line(|line| line.strip_prefix("floor ").map(str::to_owned))
        .await?;
    Ok((process, Place::at(address.parse()?)))
}
