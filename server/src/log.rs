//! What a log line says of an error: the whole chain of causes, once.

use std::error::Error;

/// An error and its causes, joined by colons.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    // Causes do not go round in circles, but nothing holds them to that.
    for _ in 0..16 {
        let Some(inner) = cause else { break };
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
