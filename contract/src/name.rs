//! Names that people or programs type: what may stand in them, checked once at the door.
//!
//! A [`Name`] names a record for people; an [`AppName`] and a [`StreamName`] come from the wire.
//! The only way in is `parse`, so that whoever holds one need not check it again.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// The most bytes of a name from the wire (laws.md, section 6).
pub const MAX_WIRE_NAME_BYTES: usize = 256;
/// The most bytes of a path in a request over HTTP (laws.md, section 6: URL 8 KiB).
pub const MAX_PATH_BYTES: usize = 8_192;
/// The most characters of a record's name; chosen, because a table column must hold it.
pub const MAX_NAME_CHARS: usize = 64;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("a name must not be empty")]
    Empty,
    /// It is longer than a name may be.
    #[error("the name is {length} long, at most {most} are accepted")]
    TooLong {
        /// How long it is.
        length: usize,
        /// How long it may be.
        most: usize,
    },
    /// It holds something that a name must not.
    #[error("`{}` must not contain {what}", text.escape_debug())]
    Forbidden {
        /// What was given.
        text: String,
        /// What stands in it.
        what: &'static str,
    },
}

fn forbidden(text: &str) -> Option<&'static str> {
    if text.chars().any(char::is_control) {
        Some("control characters")
    } else if text.contains('\\') {
        Some("a backslash")
    } else if text.split(['/', '?', '&']).any(|part| part == "..") {
        Some("`..`")
    } else {
        None
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident by $check:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes a text that may be such a name.
            ///
            /// # Errors
            /// Any of [`NameError`], which says what would be accepted.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                $check(text).map(|accepted| Self(accepted.to_owned()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

names! {
    /// What people call a record: 1 to 64 characters, no control characters, trimmed.
    Name by record_name;
    /// An RTMP application with its instance: `live`, `live/room1`. At most 256 bytes.
    AppName by wire_name;
    /// A stream's name without its query. At most 256 bytes.
    StreamName by wire_name;
}

impl AppName {
    /// Takes a decoded HTTP path without its first slash, or a directory of one: what a name from
    /// the wire may hold, but as long as a URL may be.
    ///
    /// # Errors
    /// Any of [`NameError`].
    pub fn of_path(path: &str) -> Result<Self, NameError> {
        wire_name_within(path, MAX_PATH_BYTES).map(|accepted| Self(accepted.to_owned()))
    }
}

impl StreamName {
    /// Takes the last segment of a decoded HTTP path.
    ///
    /// # Errors
    /// Any of [`NameError`].
    pub fn of_path(segment: &str) -> Result<Self, NameError> {
        wire_name_within(segment, MAX_PATH_BYTES).map(|accepted| Self(accepted.to_owned()))
    }
}

fn record_name(text: &str) -> Result<&str, NameError> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 {
        Err(NameError::Empty)
    } else if length > MAX_NAME_CHARS {
        Err(NameError::TooLong {
            length,
            most: MAX_NAME_CHARS,
        })
    } else if text.chars().any(char::is_control) {
        Err(NameError::Forbidden {
            text: text.to_owned(),
            what: "control characters",
        })
    } else {
        Ok(text)
    }
}

fn wire_name(text: &str) -> Result<&str, NameError> {
    wire_name_within(text, MAX_WIRE_NAME_BYTES)
}

fn wire_name_within(text: &str, most: usize) -> Result<&str, NameError> {
    if text.is_empty() {
        Err(NameError::Empty)
    } else if text.len() > most {
        Err(NameError::TooLong {
            length: text.len(),
            most,
        })
    } else if let Some(what) = forbidden(text) {
        Err(NameError::Forbidden {
            text: text.to_owned(),
            what,
        })
    } else {
        Ok(text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_as_people_and_programs_write_them() {
        for text in ["live", "live/room 1", "a..b", "café", "mp4:film.mp4"] {
            assert_eq!(StreamName::parse(text).unwrap().as_str(), text);
        }
        assert_eq!(Name::parse("  North hall ").unwrap().as_str(), "North hall");
    }

    #[test]
    fn refuses_what_could_leave_its_place() {
        for text in ["", "..", "a/../b", "a\\b", "a\0b", "a\nb", &"x".repeat(257)] {
            assert!(StreamName::parse(text).is_err(), "{text:?}");
        }
        for text in ["", "   ", "a\tb", &"x".repeat(65)] {
            assert!(Name::parse(text).is_err(), "{text:?}");
        }
    }
}
