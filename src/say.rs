//! What is said on the standard output: lines that scripts may rely on, one fact each. It is flushed
//! at each line, so that a pipe hears it at once; a reader that has gone is no fault.

use std::fmt::Display;
use std::io::Write;

/// Says one line.
pub(crate) fn line(text: impl Display) {
    let mut out = std::io::stdout().lock();
    // A closed pipe must not end a server.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Says why the program ends, with the chain of causes, on the standard error.
pub(crate) fn failure(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr().lock(), "weir: {error:#}");
}
