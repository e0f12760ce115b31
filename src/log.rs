//! Logs: lines on the standard error, filtered by `WEIR_LOG`.

use tracing_subscriber::EnvFilter;

use crate::cli::LogForm;

/// What is logged when nothing is said: what an operator would tell a colleague.
const USUAL: &str = "info";

/// Starts logging for the whole process.
pub(crate) fn start(form: LogForm) {
    let wanted = std::env::var("WEIR_LOG").unwrap_or_else(|_| USUAL.to_owned());
    let (filter, wrong) = match EnvFilter::try_new(&wanted) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(USUAL), Some(error)),
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match form {
        LogForm::Text => lines.init(),
        LogForm::Json => lines.json().flatten_event(true).init(),
    }
    if let Some(error) = wrong {
        tracing::warn!(%error, "WEIR_LOG is not a filter; logging at `{USUAL}`");
    }
}
