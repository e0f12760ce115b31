//! Values into bytes.
//!
//! The values are our own, or such as [`super::Decoder`] let in, so their depth is bounded. Names
//! and classes longer than the format's 65,535 bytes are cut at a character.

use bytes::{BufMut, BytesMut};

use super::{Properties, Value};

/// Appends one value.
pub fn encode(out: &mut BytesMut, value: &Value) {
    match value {
        Value::Number(number) => {
            out.put_u8(0);
            out.put_f64(*number);
        }
        Value::Boolean(value) => out.put_slice(&[1, u8::from(*value)]),
        Value::String(text) if text.len() <= usize::from(u16::MAX) => {
            out.put_u8(2);
            put_short(out, text);
        }
        Value::String(text) => {
            out.put_u8(12);
            put_long(out, text);
        }
        Value::Object(properties) => {
            out.put_u8(3);
            put_properties(out, properties);
        }
        Value::Null => out.put_u8(5),
        Value::Undefined => out.put_u8(6),
        Value::Reference(number) => {
            out.put_u8(7);
            out.put_u16(*number);
        }
        Value::EcmaArray(properties) => {
            out.put_u8(8);
            out.put_u32(count(properties.len()));
            put_properties(out, properties);
        }
        Value::StrictArray(values) => {
            out.put_u8(10);
            out.put_u32(count(values.len()));
            encode_all(out, values);
        }
        Value::Date { unix_ms, zone } => {
            out.put_u8(11);
            out.put_f64(*unix_ms);
            out.put_i16(*zone);
        }
        Value::Unsupported => out.put_u8(13),
        Value::Xml(text) => {
            out.put_u8(15);
            put_long(out, text);
        }
        Value::Typed { class, properties } => {
            out.put_u8(16);
            put_short(out, class);
            put_properties(out, properties);
        }
        Value::Amf3(raw) => {
            out.put_u8(17);
            out.put_slice(raw);
        }
    }
}

/// Appends values one after another.
pub fn encode_all<'a>(out: &mut BytesMut, values: impl IntoIterator<Item = &'a Value>) {
    for value in values {
        encode(out, value);
    }
}

fn put_properties(out: &mut BytesMut, properties: &Properties) {
    for (name, value) in properties {
        put_short(out, name);
        encode(out, value);
    }
    out.put_slice(&[0, 0, 9]);
}

fn put_short(out: &mut BytesMut, text: &str) {
    let text = &text[..text.floor_char_boundary(usize::from(u16::MAX))];
    out.put_u16(u16::try_from(text.len()).expect("the text was cut to fit"));
    out.put_slice(text.as_bytes());
}

fn put_long(out: &mut BytesMut, text: &str) {
    out.put_u32(count(text.len()));
    out.put_slice(text.as_bytes());
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("no message is that long")
}
