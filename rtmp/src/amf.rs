//! AMF0: the values in commands and data, all markers of the format.
//!
//! [`Decoder`] reads values one by one without recursion and under the bounds [`MAX_DEPTH`],
//! [`MAX_NODES`] and [`MAX_STRING`]; counts that stand in the bytes reserve nothing. [`encode()`]
//! prints what was parsed to the same meaning (a long string that fits becomes a short one). Where
//! AMF0 switches to AMF3, [`amf3`] finds the value's end: plain ones become values as all others,
//! the rest stays raw in [`Value::Amf3`].

pub mod amf3;
mod decode;
mod encode;

pub use decode::Decoder;
pub use encode::{encode, encode_all};

use bytes::Bytes;

/// How deep objects and arrays may stand in one another.
pub const MAX_DEPTH: usize = 16;
/// How many values one message may hold, properties and elements counted.
pub const MAX_NODES: usize = 1_024;
/// Most bytes of a string, a property's name or an XML document.
pub const MAX_STRING: usize = 16 * 1024;

/// Named values in the order in which they were sent.
pub type Properties = Vec<(String, Value)>;

/// One AMF0 value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// 0: a number.
    Number(f64),
    /// 1: true or false.
    Boolean(bool),
    /// 2 and 12: text; bytes that are not UTF-8 are read as U+FFFD.
    String(String),
    /// 3: an object.
    Object(Properties),
    /// 5: null.
    Null,
    /// 6: undefined.
    Undefined,
    /// 7: the object or array with this number, counted from the message's begin.
    Reference(u16),
    /// 8: an array with names.
    EcmaArray(Properties),
    /// 10: an array with places.
    StrictArray(Vec<Value>),
    /// 11: a time.
    Date {
        /// Milliseconds since 1970, as a number of the format.
        unix_ms: f64,
        /// Minutes from UTC; the format reserves it, it should be 0.
        zone: i16,
    },
    /// 13: what the sender could not express.
    Unsupported,
    /// 15: an XML document as text.
    Xml(String),
    /// 16: an object of a class.
    Typed {
        /// The class.
        class: String,
        /// What it holds.
        properties: Properties,
    },
    /// 17: a value in AMF3 form, as it was sent; where its end cannot be known, all that follows.
    Amf3(Bytes),
}

impl Value {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<f64> {
        if let Self::Number(number) = self {
            Some(*number)
        } else {
            None
        }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Boolean(value) = self {
            Some(*value)
        } else {
            None
        }
    }

    /// The named values of an object, a typed object or an array with names.
    pub fn properties(&self) -> Option<&Properties> {
        if let Self::Object(properties)
        | Self::EcmaArray(properties)
        | Self::Typed { properties, .. } = self
        {
            Some(properties)
        } else {
            None
        }
    }

    /// The value of a name; of a repeated name the last, as in the original.
    pub fn get(&self, name: &str) -> Option<&Value> {
        property(self.properties()?, name)
    }

    /// An object of these properties.
    pub fn object<'a>(properties: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        Self::Object(
            properties
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

/// The value of a name among properties; of a repeated name the last.
pub fn property<'a>(properties: &'a Properties, name: &str) -> Option<&'a Value> {
    properties
        .iter()
        .rev()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests;
