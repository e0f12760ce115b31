//! Bytes into values, with a stack of our own instead of recursion.
//!
//! In goes the payload of a message from some place on, out come its values one after another. The
//! invariants: depth, number of values and length of strings are bounded before memory is taken;
//! nothing is reserved for counts. It does not know what the values are for.

use bytes::{Buf, Bytes};

use super::{MAX_DEPTH, MAX_NODES, MAX_STRING, Properties, Value, amf3};
use crate::Fault;

/// Reads the values of one message.
pub struct Decoder {
    input: Bytes,
    nodes: usize,
}

/// An object or array that has begun.
enum Open {
    Object {
        properties: Properties,
        name: String,
    },
    EcmaArray {
        properties: Properties,
        name: String,
    },
    Typed {
        class: String,
        properties: Properties,
        name: String,
    },
    StrictArray {
        values: Vec<Value>,
        left: u32,
    },
}

/// What a marker leads to.
enum Begun {
    Value(Value),
    Open(Open),
}

impl Decoder {
    /// Reads from the begin of `input`.
    pub fn new(input: Bytes) -> Self {
        Self { input, nodes: 0 }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &Bytes {
        &self.input
    }

    /// The next value; `None` at the end.
    ///
    /// # Errors
    /// [`Fault::AmfTruncated`], [`Fault::AmfDepth`], [`Fault::AmfNodes`], [`Fault::AmfString`],
    /// [`Fault::AmfMarker`].
    pub fn value(&mut self) -> Result<Option<Value>, Fault> {
        if self.input.is_empty() {
            return Ok(None);
        }
        let mut stack: Vec<Open> = Vec::new();
        loop {
            let mut done = match self.begin(stack.is_empty())? {
                Begun::Value(value) => value,
                Begun::Open(open) => {
                    if stack.len() >= MAX_DEPTH {
                        return Err(Fault::AmfDepth(MAX_DEPTH));
                    }
                    stack.push(open);
                    match self.next(&mut stack)? {
                        Some(value) => value,
                        None => continue,
                    }
                }
            };
            loop {
                let Some(open) = stack.last_mut() else {
                    return Ok(Some(done));
                };
                open.add(done);
                match self.next(&mut stack)? {
                    Some(value) => done = value,
                    None => break,
                }
            }
        }
    }

    /// All remaining values.
    ///
    /// # Errors
    /// As [`Decoder::value`].
    pub fn all(&mut self) -> Result<Vec<Value>, Fault> {
        let mut values = Vec::new();
        while let Some(value) = self.value()? {
            values.push(value);
        }
        Ok(values)
    }

    /// Reads a marker and what belongs to it up to the first value inside.
    fn begin(&mut self, outermost: bool) -> Result<Begun, Fault> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Fault::AmfNodes(MAX_NODES));
        }
        let marker = self.u8()?;
        let value = match marker {
            0 => Value::Number(self.number()?),
            1 => Value::Boolean(self.u8()? != 0),
            2 => Value::String(self.short_string()?),
            3 => {
                return Ok(Begun::Open(Open::Object {
                    properties: Vec::new(),
                    name: String::new(),
                }));
            }
            5 => Value::Null,
            6 => Value::Undefined,
            7 => Value::Reference(self.u16()?),
            8 => {
                // The count is only a hint; the end marker ends the array.
                self.u32()?;
                return Ok(Begun::Open(Open::EcmaArray {
                    properties: Vec::new(),
                    name: String::new(),
                }));
            }
            10 => {
                let left = self.u32()?;
                return Ok(Begun::Open(Open::StrictArray {
                    values: Vec::new(),
                    left,
                }));
            }
            11 => Value::Date {
                unix_ms: self.number()?,
                zone: i16::from_be_bytes(self.u16()?.to_be_bytes()),
            },
            12 => Value::String(self.long_string()?),
            13 => Value::Unsupported,
            15 => Value::Xml(self.long_string()?),
            16 => {
                let class = self.short_string()?;
                return Ok(Begun::Open(Open::Typed {
                    class,
                    properties: Vec::new(),
                    name: String::new(),
                }));
            }
            17 => match amf3::first(&self.input) {
                Some((plain, length)) => {
                    let raw = self.input.split_to(length);
                    plain.unwrap_or(Value::Amf3(raw))
                }
                // It ends with the message, then.
                None if outermost => Value::Amf3(self.input.split_off(0)),
                None => return Err(Fault::AmfMarker(17)),
            },
            other => return Err(Fault::AmfMarker(other)),
        };
        Ok(Begun::Value(value))
    }

    /// Gets the innermost object or array ready for its next value, or ends it and returns it.
    fn next(&mut self, stack: &mut Vec<Open>) -> Result<Option<Value>, Fault> {
        let Some(open) = stack.last_mut() else {
            return Ok(None);
        };
        match open {
            Open::StrictArray { left, .. } => {
                if *left > 0 {
                    *left -= 1;
                    return Ok(None);
                }
            }
            Open::Object { name, .. } | Open::EcmaArray { name, .. } | Open::Typed { name, .. } => {
                *name = self.short_string()?;
                if !name.is_empty() || self.input.first() != Some(&9) {
                    return Ok(None);
                }
                self.input.advance(1);
            }
        }
        Ok(stack.pop().map(Open::close))
    }

    fn u8(&mut self) -> Result<u8, Fault> {
        self.input.try_get_u8().map_err(|_| Fault::AmfTruncated)
    }

    fn u16(&mut self) -> Result<u16, Fault> {
        self.input.try_get_u16().map_err(|_| Fault::AmfTruncated)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        self.input.try_get_u32().map_err(|_| Fault::AmfTruncated)
    }

    fn number(&mut self) -> Result<f64, Fault> {
        self.input.try_get_f64().map_err(|_| Fault::AmfTruncated)
    }

    fn short_string(&mut self) -> Result<String, Fault> {
        let length = usize::from(self.u16()?);
        self.text(length)
    }

    fn long_string(&mut self) -> Result<String, Fault> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        self.text(length)
    }

    fn text(&mut self, length: usize) -> Result<String, Fault> {
        if length > MAX_STRING {
            return Err(Fault::AmfString {
                length,
                max: MAX_STRING,
            });
        }
        if length > self.input.len() {
            return Err(Fault::AmfTruncated);
        }
        let bytes = self.input.split_to(length);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Open {
    fn add(&mut self, value: Value) {
        match self {
            Self::StrictArray { values, .. } => values.push(value),
            Self::Object { properties, name }
            | Self::EcmaArray { properties, name }
            | Self::Typed {
                properties, name, ..
            } => properties.push((std::mem::take(name), value)),
        }
    }

    fn close(self) -> Value {
        match self {
            Self::StrictArray { values, .. } => Value::StrictArray(values),
            Self::Object { properties, .. } => Value::Object(properties),
            Self::EcmaArray { properties, .. } => Value::EcmaArray(properties),
            Self::Typed {
                class, properties, ..
            } => Value::Typed { class, properties },
        }
    }
}
