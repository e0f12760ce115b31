//! AMF3 inside AMF0, just enough to know where a value ends and what plain ones are.
//!
//! In go the bytes after AMF0's switch, out come one value and its length. Numbers, texts and truth
//! values become [`Value`]s; everything else stays as it was sent. There is no recursion, the bounds
//! are those of AMF0, and nothing is reserved for counts. What only its sender can read (a class with
//! a form of its own, a reference to what stands elsewhere) has no known end.

use super::{MAX_DEPTH, MAX_NODES, MAX_STRING, Value};

/// What a value leads to.
enum Begun {
    Scalar(Value),
    /// It is of no use to us and is over.
    Over,
    Open(Open),
}

/// What is still to come of an object, array or dictionary.
enum Open {
    /// So many values without names.
    Values(u32),
    /// Names and values up to an empty name, then so many values without names.
    Named { then: u32 },
    /// Objects whose properties' number is known, then names and values if it is dynamic.
    Sealed { left: u32, dynamic: bool },
}

/// The form of a class, which later objects refer to.
#[derive(Clone, Copy)]
struct Traits {
    sealed: u32,
    dynamic: bool,
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    nodes: usize,
    traits: Vec<Traits>,
}

/// The value at the front and its length; `None` where its end cannot be known or a bound is passed.
/// The value is `None` where it is none of the plain ones.
pub fn first(input: &[u8]) -> Option<(Option<Value>, usize)> {
    let mut reader = Reader {
        input,
        at: 0,
        nodes: 0,
        traits: Vec::new(),
    };
    let mut stack: Vec<Open> = Vec::new();
    let mut plain = match reader.begin()? {
        Begun::Scalar(value) => Some(value),
        Begun::Over => None,
        Begun::Open(open) => {
            stack.push(open);
            None
        }
    };
    while let Some(open) = stack.last_mut() {
        if !reader.another(open)? {
            stack.pop();
            continue;
        }
        if let Begun::Open(open) = reader.begin()? {
            if stack.len() >= MAX_DEPTH {
                return None;
            }
            stack.push(open);
            plain = None;
        }
    }
    Some((plain, reader.at))
}

impl Reader<'_> {
    /// Whether there is another value in what is open; takes the name before it.
    fn another(&mut self, open: &mut Open) -> Option<bool> {
        match open {
            Open::Values(left) => {
                let another = *left > 0;
                *left = left.saturating_sub(1);
                Some(another)
            }
            Open::Named { then } => {
                if self.text()?.is_some_and(str::is_empty) {
                    *open = Open::Values(*then);
                    return self.another(open);
                }
                Some(true)
            }
            Open::Sealed { left: 0, dynamic } => {
                *open = if *dynamic {
                    Open::Named { then: 0 }
                } else {
                    Open::Values(0)
                };
                self.another(open)
            }
            Open::Sealed { left, .. } => {
                *left -= 1;
                Some(true)
            }
        }
    }

    fn begin(&mut self) -> Option<Begun> {
        self.count()?;
        Some(match self.u8()? {
            0 => Begun::Scalar(Value::Undefined),
            1 => Begun::Scalar(Value::Null),
            2 => Begun::Scalar(false.into()),
            3 => Begun::Scalar(true.into()),
            4 => {
                // 29 bits with a sign.
                let number = i32::try_from(self.u29()?).ok()?;
                let number = if number >= 1 << 28 {
                    number - (1 << 29)
                } else {
                    number
                };
                Begun::Scalar(f64::from(number).into())
            }
            5 => {
                let bytes = self.take(8)?.first_chunk::<8>()?;
                Begun::Scalar(f64::from_be_bytes(*bytes).into())
            }
            6 => match self.text()? {
                Some(text) => Begun::Scalar(text.into()),
                None => Begun::Over,
            },
            // Documents, byte arrays: so many bytes.
            7 | 11 | 12 => {
                if let Some(length) = self.inline()? {
                    self.take(usize::try_from(length).ok()?)?;
                }
                Begun::Over
            }
            8 => {
                if self.inline()?.is_some() {
                    self.take(8)?;
                }
                Begun::Over
            }
            9 => match self.inline()? {
                Some(then) => Begun::Open(Open::Named { then }),
                None => Begun::Over,
            },
            10 => self.object()?,
            // Vectors of 4, 4 and 8 bytes, each after a byte that says whether it may grow.
            kind @ 13..=15 => {
                if let Some(count) = self.inline()? {
                    let size = if kind == 15 { 8 } else { 4 };
                    let bytes = usize::try_from(count).ok()?.checked_mul(size)?;
                    self.take(bytes.checked_add(1)?)?;
                }
                Begun::Over
            }
            16 => match self.inline()? {
                Some(count) => {
                    self.u8()?;
                    self.text()?;
                    Begun::Open(Open::Values(count))
                }
                None => Begun::Over,
            },
            17 => match self.inline()? {
                Some(count) => {
                    self.u8()?;
                    Begun::Open(Open::Values(count.checked_mul(2)?))
                }
                None => Begun::Over,
            },
            _ => return None,
        })
    }

    fn object(&mut self) -> Option<Begun> {
        let head = self.u29()?;
        if head & 1 == 0 {
            return Some(Begun::Over);
        }
        if head & 2 == 0 {
            let known = *self.traits.get(usize::try_from(head >> 2).ok()?)?;
            return Some(Begun::Open(Open::from(known)));
        }
        // A class with a form of its own.
        if head & 4 != 0 {
            return None;
        }
        let traits = Traits {
            sealed: head >> 4,
            dynamic: head & 8 != 0,
        };
        self.text()?;
        for _ in 0..traits.sealed {
            self.count()?;
            self.text()?;
        }
        self.traits.push(traits);
        Some(Begun::Open(Open::from(traits)))
    }

    fn count(&mut self) -> Option<()> {
        self.nodes += 1;
        (self.nodes <= MAX_NODES).then_some(())
    }

    /// A length or count that stands here; `None` inside is a reference to one that came before.
    fn inline(&mut self) -> Option<Option<u32>> {
        let head = self.u29()?;
        Some((head & 1 == 1).then_some(head >> 1))
    }

    /// A text; `None` inside is a reference to one that came before.
    fn text(&mut self) -> Option<Option<&str>> {
        let Some(length) = self.inline()? else {
            return Some(None);
        };
        let length = usize::try_from(length).ok()?;
        if length > MAX_STRING {
            return None;
        }
        Some(Some(std::str::from_utf8(self.take(length)?).ok()?))
    }

    /// A number of one to four bytes with seven bits each, the fourth with eight.
    fn u29(&mut self) -> Option<u32> {
        let mut number = 0;
        for _ in 0..3 {
            let byte = u32::from(self.u8()?);
            number = number << 7 | byte & 0x7f;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        Some(number << 8 | u32::from(self.u8()?))
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.input.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }
}

impl From<Traits> for Open {
    fn from(traits: Traits) -> Self {
        Self::Sealed {
            left: traits.sealed,
            dynamic: traits.dynamic,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: Option<Value>) {
        let followed = [bytes, b"\x06\x05hi"].concat();
        assert_eq!(
            first(&followed),
            Some((expected, bytes.len())),
            "{bytes:02x?}"
        );
        for cut in 0..bytes.len() {
            assert_eq!(first(&bytes[..cut]), None, "{bytes:02x?} cut at {cut}");
        }
    }

    #[test]
    fn plain_values_are_understood() {
        check(b"\x00", Some(Value::Undefined));
        check(b"\x01", Some(Value::Null));
        check(b"\x02", Some(false.into()));
        check(b"\x03", Some(true.into()));
        check(b"\x04\x05", Some(5.0.into()));
        check(b"\x04\x81\x00", Some(128.0.into()));
        check(b"\x04\xff\xff\xff\xff", Some((-1.0).into()));
        check(b"\x04\xbf\xff\xff\xff", Some(268_435_455.0.into()));
        check(b"\x05\x3f\xf0\0\0\0\0\0\0", Some(1.0.into()));
        check(b"\x06\x05hi", Some("hi".into()));
        check(b"\x06\x01", Some("".into()));
    }

    #[test]
    fn everything_else_has_an_end() {
        for bytes in [
            &b"\x06\x00"[..],                                  // a reference to a text
            b"\x07\x05<>",                                     // an old document
            b"\x08\x01\x3f\xf0\0\0\0\0\0\0",                   // a time
            b"\x09\x05\x01\x04\x01\x06\x03a",                  // an array of 1 and "a"
            b"\x09\x03\x03a\x04\x01\x01\x02",                  // with a name as well
            b"\x0a\x0b\x01\x03a\x04\x01\x01",                  // {a: 1}
            b"\x0a\x23\x03C\x03a\x03b\x01\x02",                // C {a: null, b: false}
            b"\x09\x05\x01\x0a\x13\x03C\x03a\x01\x0a\x01\x02", // two of a class
            b"\x0a\x02",                                       // a reference to an object
            b"\x0b\x05<>",                                     // a document
            b"\x0c\x07\x01\x02\x03",                           // bytes
            b"\x0d\x03\x00\0\0\0\x01",                         // vectors
            b"\x0f\x03\x00\x3f\xf0\0\0\0\0\0\0",
            b"\x10\x03\x00\x01\x06\x03a",
            b"\x11\x03\x00\x06\x03a\x04\x01", // a dictionary
        ] {
            check(bytes, None);
        }
    }

    #[test]
    fn what_only_its_sender_can_read_has_no_known_end() {
        let deep = [b"\x09\x03\x01".repeat(40), b"\x01".to_vec()].concat();
        let many = [b"\x09\xff\xff\xff\xff\x01".to_vec(), vec![1; 2_000]].concat();
        for bytes in [
            &b""[..],
            b"\x12",
            b"\x0a\x07\x03C\x01",        // a class with a form of its own
            b"\x0a\x05\x01",             // a form that was never told
            b"\x0a\xff\xff\xff\xfb\x01", // 2^25 properties
            b"\x0c\xff\xff\xff\xff",     // 2^28 bytes
            b"\x0f\xff\xff\xff\xff\x00",
            b"\x11\xff\xff\xff\xff\x00",
            b"\x06\x03\xff", // no text
            &deep,
            &many,
        ] {
            assert_eq!(first(bytes), None, "{:02x?}", &bytes[..bytes.len().min(8)]);
        }
    }
}
