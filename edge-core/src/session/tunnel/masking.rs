//! Names of a server behind, made unreadable in what it says of itself.
//!
//! A message goes in and comes out, of the same length: a masked name is as long as it was, so that
//! no count before it changes, whatever the message holds. What is no word of its own stays, and so
//! does a name of one label that stands alone: it is a common word, and tells nobody where to dial.

use rtmp::Message;

/// What stands in place of each byte of a name.
const MASK: u8 = b'*';

/// Names that no client may read.
#[derive(Default)]
pub(super) struct Hidden {
    /// In small letters.
    names: Vec<Vec<u8>>,
}

impl Hidden {
    pub(super) fn new(names: Vec<String>) -> Self {
        Self {
            names: names
                .into_iter()
                .filter(|name| !name.is_empty())
                .map(|name| name.to_ascii_lowercase().into_bytes())
                .collect(),
        }
    }

    /// The message without the names.
    pub(super) fn masked(&self, message: Message) -> Message {
        let places: Vec<(usize, usize)> = self
            .names
            .iter()
            .flat_map(|name| places(&message.payload, name))
            .collect();
        if places.is_empty() {
            return message;
        }
        let mut payload = message.payload.to_vec();
        for (from, to) in places {
            payload[from..to].fill(MASK);
        }
        Message {
            payload: payload.into(),
            ..message
        }
    }
}

/// Where a name stands as a word by which somebody is reached.
fn places(bytes: &[u8], name: &[u8]) -> Vec<(usize, usize)> {
    let tells_alone = name.iter().any(|byte| matches!(byte, b'.' | b':'));
    let is_word = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    bytes
        .windows(name.len())
        .enumerate()
        .filter(|(from, window)| {
            let to = from + name.len();
            let is_url = bytes[..*from].ends_with(b"//") || bytes[..*from].ends_with(b"@");
            let has_port =
                bytes.get(to) == Some(&b':') && bytes.get(to + 1).is_some_and(u8::is_ascii_digit);
            let follows_word = is_word(from.checked_sub(1).and_then(|at| bytes.get(at)));
            // What stands before a name says little: the length of a text may look like a letter.
            window.eq_ignore_ascii_case(name)
                && !is_word(bytes.get(to))
                && (is_url || tells_alone || (has_port && !follows_word))
        })
        .map(|(from, window)| (from, from + window.len()))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rtmp::MessageKind;

    fn check(names: &[&str], text: &str, expected: &str) {
        let hidden = Hidden::new(names.iter().map(|&name| name.to_owned()).collect());
        let message = Message::new(MessageKind::CommandAmf0, 0, 0, text.as_bytes().to_vec());
        let masked = hidden.masked(message);
        assert_eq!(std::str::from_utf8(&masked.payload).unwrap(), expected);
    }

    #[test]
    fn a_name_is_masked_wherever_it_tells_where_the_server_is() {
        let names = ["Origin.example", "10.0.0.7", "fd00::7"];
        check(
            &names,
            "go to rtmp://origin.EXAMPLE:1935/live",
            "go to rtmp://**************:1935/live",
        );
        check(
            &names,
            "no 10.0.0.7, no [fd00::7]",
            "no ********, no [*******]",
        );
        check(&names, "10.0.0.77", "10.0.0.77");
        check(&names, "an origin", "an origin");
    }

    #[test]
    fn a_common_word_is_masked_only_where_it_is_an_address() {
        let names = ["play"];
        check(&names, "NetStream.Play.Start", "NetStream.Play.Start");
        check(&names, "rtmp://play/live", "rtmp://****/live");
        check(&names, "at play:1935", "at ****:1935");
    }
}
