//! What the wire itself refuses in a name that a peer sent.
//!
//! On the wire a stream name may carry a query string with a token, or be the tail of a wrapped
//! address (`e2/?rtmp://O/live/s`), so the law of 256 bytes without `..` and `\` cannot be judged
//! here: that is for whoever splits it into origin, application and stream (`contract`). The wire
//! refuses what no part of such an address may be: control characters, NUL among them, and more
//! than an address's length. It checks `app`, `tcUrl`, `pageUrl`, `swfUrl`, `flashVer` and every
//! stream name before they become an event.

use crate::Fault;

/// Most bytes of an address, and so of any part of it.
pub const MAX_ADDRESS: usize = 8 * 1024;

/// Lets through what may be an address or a part of one.
///
/// # Errors
/// [`Fault::Name`] when it is longer than [`MAX_ADDRESS`] or holds a control character.
pub fn check(text: &str) -> Result<(), Fault> {
    if text.len() > MAX_ADDRESS || text.chars().any(char::is_control) {
        return Err(Fault::Name(text.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_control_characters_and_endless_addresses_only() {
        let long = "x".repeat(MAX_ADDRESS + 1);
        for (text, allowed) in [
            ("", true),
            ("?rtmp://O:1935/live/s?token=a..b", true),
            ("Straße/日本", true),
            ("a\0b", false),
            ("a\nb", false),
            ("a\u{7f}", false),
            ("a\u{85}", false),
            (&long, false),
        ] {
            assert_eq!(check(text).is_ok(), allowed, "{text:?}");
        }
    }
}
