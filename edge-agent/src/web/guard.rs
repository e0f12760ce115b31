//! Watches the bytes of a client for heads that could be understood in two ways.
//!
//! What parses heads for us mends some of them silently (two lengths, bare line feeds); whoever
//! stands before or behind an edge may mend them otherwise, and see other requests than we do. Bytes
//! go in as they are read, one word comes out for the whole connection: why it is ambiguous. The
//! invariant: it takes no more memory than one head. It refuses nothing itself.

use std::sync::{Arc, OnceLock};

/// More of a head is not looked at: it is refused for its length.
const MOST_OF_HEAD: usize = 32 << 10;
/// More of a line between chunks is nobody's habit.
const MOST_OF_LINE: usize = 4 << 10;

/// Why a connection is ambiguous, told once.
pub(super) type Ambiguity = Arc<OnceLock<&'static str>>;

/// Follows the requests of one connection.
#[derive(Debug)]
pub(super) struct Guard {
    found: Ambiguity,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(Vec<u8>),
    /// So many bytes that mean nothing here.
    Body(u64),
    /// The line with the size of the next chunk.
    Size(Vec<u8>),
    /// The bytes of a chunk with its line end.
    Chunk(u64),
    /// Lines after the last chunk.
    Trailer(Vec<u8>),
    /// Nothing more is looked at.
    Over,
}

impl Guard {
    pub(super) fn new(found: Ambiguity) -> Self {
        Self {
            found,
            state: State::Head(Vec::new()),
        }
    }

    /// Takes bytes as they came.
    pub(super) fn saw(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (taken, next) = self.state.step(bytes);
            bytes = &bytes[taken..];
            match next {
                Ok(None) => {}
                Ok(Some(state)) => self.state = state,
                Err(why) => {
                    // The first reason is the one that is told.
                    let _ = self.found.set(why);
                    self.state = State::Over;
                }
            }
            if matches!(self.state, State::Over) {
                return;
            }
        }
    }
}

type Step = Result<Option<State>, &'static str>;

impl State {
    /// How many bytes were taken, and what follows.
    fn step(&mut self, bytes: &[u8]) -> (usize, Step) {
        match self {
            Self::Head(head) => {
                let (taken, whole) = until_empty_line(head, bytes);
                if whole {
                    return (taken, judge(head).map(Some));
                }
                let over = head.len() > MOST_OF_HEAD;
                (taken, Ok(over.then_some(Self::Over)))
            }
            Self::Body(left) | Self::Chunk(left) => {
                let taken = bytes
                    .len()
                    .min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                let is_over = *left == 0;
                let next = match self {
                    Self::Chunk(_) => Self::Size(Vec::new()),
                    Self::Head(_)
                    | Self::Body(_)
                    | Self::Size(_)
                    | Self::Trailer(_)
                    | Self::Over => Self::Head(Vec::new()),
                };
                (taken, Ok(is_over.then_some(next)))
            }
            Self::Size(line) => {
                let (taken, whole) = until_line_end(line, bytes);
                if !whole {
                    let over = line.len() > MOST_OF_LINE;
                    return (taken, Ok(over.then_some(Self::Over)));
                }
                (taken, chunk(line).map(Some))
            }
            Self::Trailer(lines) => {
                let (taken, whole) = until_line_end(lines, bytes);
                if !whole {
                    let over = lines.len() > MOST_OF_LINE;
                    return (taken, Ok(over.then_some(Self::Over)));
                }
                let is_last = lines.as_slice() == b"\r\n";
                lines.clear();
                (taken, Ok(is_last.then(|| Self::Head(Vec::new()))))
            }
            Self::Over => (bytes.len(), Ok(None)),
        }
    }
}

/// Moves bytes over up to the end of a line, and says whether it is there.
fn until_line_end(line: &mut Vec<u8>, bytes: &[u8]) -> (usize, bool) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let taken = end.map_or(bytes.len(), |end| end + 1);
    line.extend_from_slice(&bytes[..taken]);
    (taken, end.is_some())
}

/// Moves bytes over up to an empty line after others, by whichever line end.
fn until_empty_line(head: &mut Vec<u8>, bytes: &[u8]) -> (usize, bool) {
    let mut taken = 0;
    while taken < bytes.len() {
        let (more, whole) = until_line_end(head, &bytes[taken..]);
        taken += more;
        let is_end = head.ends_with(b"\n\r\n") || head.ends_with(b"\n\n");
        if whole && is_end && !head.trim_ascii().is_empty() {
            return (taken, true);
        }
    }
    (taken, false)
}

/// What follows a head, or why it is ambiguous.
fn judge(head: &[u8]) -> Result<State, &'static str> {
    let line_ends = head.split(|byte| *byte == b'\n');
    let mut lines = Vec::new();
    for line in line_ends {
        match line.strip_suffix(b"\r") {
            Some(line) => lines.push(line),
            // The text after the last line end.
            None if line.is_empty() => {}
            None => return Err("a line ends without a carriage return"),
        }
    }
    if lines.iter().any(|line| line.contains(&b'\r')) {
        return Err("a carriage return stands inside a line");
    }
    let first = lines.iter().find(|line| !line.is_empty());
    if first.is_some_and(|line| line.contains(&b'#')) {
        return Err("the target has a fragment");
    }
    let fields = lines.iter().filter(|line| !line.is_empty()).skip(1);
    let mut length = None;
    let mut chunked = false;
    let mut hosts = 0;
    for line in fields {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Err("a field has no colon");
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || name.iter().any(|byte| !byte.is_ascii_graphic()) {
            return Err("a field has no proper name");
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let text = str::from_utf8(value).ok().filter(|_| digits);
            let number = text.and_then(|text| text.parse::<u64>().ok());
            let number = number.ok_or("the length cannot be read")?;
            if length.replace(number).is_some() {
                return Err("the body has two lengths");
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err("the transfer coding is not `chunked` alone");
            }
            chunked = true;
        } else if name.eq_ignore_ascii_case(b"host") {
            hosts += 1;
        }
    }
    match (chunked, length) {
        _ if hosts > 1 => Err("the request names two hosts"),
        (true, Some(_)) => Err("the body has two lengths"),
        (true, None) => Ok(State::Size(Vec::new())),
        (false, Some(length)) if length > 0 => Ok(State::Body(length)),
        (false, _) => Ok(State::Head(Vec::new())),
    }
}

/// What follows the line with a chunk's size.
fn chunk(line: &[u8]) -> Result<State, &'static str> {
    let wrong = "the size of a chunk cannot be read";
    let line = line.strip_suffix(b"\r\n").ok_or(wrong)?;
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let is_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let text = str::from_utf8(digits)
        .ok()
        .filter(|_| is_hex)
        .ok_or(wrong)?;
    match u64::from_str_radix(text, 16) {
        Ok(0) => Ok(State::Trailer(Vec::new())),
        // Its line end is two bytes more.
        Ok(size) => Ok(State::Chunk(size.saturating_add(2))),
        Err(_) => Err(wrong),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn found(bytes: &[u8], at_once: usize) -> Option<&'static str> {
        let found = Ambiguity::default();
        let mut guard = Guard::new(Arc::clone(&found));
        for piece in bytes.chunks(at_once) {
            guard.saw(piece);
        }
        found.get().copied()
    }

    #[test]
    fn what_can_be_understood_in_two_ways_is_found_however_it_is_cut() {
        let check = |text: &str, expected: bool| {
            for at_once in [1, 3, 1_000] {
                let found = found(text.as_bytes(), at_once);
                assert_eq!(
                    found.is_some(),
                    expected,
                    "{text:?} by {at_once}: {found:?}"
                );
            }
        };
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false);
        check(
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            false,
        );
        check(
            "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na:b\n\nc\r\nGET / HTTP/1.1\r\n\r\n",
            false,
        );
        check(
            "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\na\n\n\r\n0\r\nx: y\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            false,
        );
        for wrong in [
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\rb: c\r\n\r\n",
            "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\n",
        ] {
            check(wrong, true);
        }
        // The second request of a connection is looked at too.
        check(
            "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nabGET / HTTP/1.1\nHost: a\n\n",
            true,
        );
    }

    #[test]
    fn a_head_without_end_takes_no_more_memory_than_a_head() {
        let mut guard = Guard::new(Ambiguity::default());
        guard.saw(&vec![b'a'; 10 * MOST_OF_HEAD]);
        guard.saw(b"\r\n");
        assert!(matches!(guard.state, State::Over));
    }
}
