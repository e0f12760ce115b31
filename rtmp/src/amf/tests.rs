//! Tables of bytes and values, and the property that printing undoes parsing.
#![allow(clippy::unwrap_used)]

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::Fault;

fn parse(bytes: &[u8]) -> Result<Vec<Value>, Fault> {
    Decoder::new(Bytes::copy_from_slice(bytes)).all()
}

fn print(values: &[Value]) -> BytesMut {
    let mut out = BytesMut::new();
    encode_all(&mut out, values);
    out
}

fn check(bytes: &[u8], expected: Value) {
    assert_eq!(
        parse(bytes),
        Ok(vec![expected.clone()]),
        "parsing {bytes:?}"
    );
    assert_eq!(print(&[expected]), bytes, "printing it again");
}

#[test]
fn every_marker_is_read_and_written() {
    check(b"\0\x3f\xf0\0\0\0\0\0\0", Value::Number(1.0));
    check(b"\x01\x01", Value::Boolean(true));
    check(b"\x02\0\x02hi", "hi".into());
    check(
        b"\x03\0\x01a\x05\0\0\x09",
        Value::object([("a", Value::Null)]),
    );
    check(b"\x03\0\0\x05\0\0\x09", Value::object([("", Value::Null)]));
    check(b"\x05", Value::Null);
    check(b"\x06", Value::Undefined);
    check(b"\x07\0\x03", Value::Reference(3));
    check(
        b"\x08\0\0\0\x01\0\x01a\x06\0\0\x09",
        Value::EcmaArray(vec![("a".into(), Value::Undefined)]),
    );
    check(
        b"\x0a\0\0\0\x02\x05\x06",
        Value::StrictArray(vec![Value::Null, Value::Undefined]),
    );
    check(b"\x0a\0\0\0\0", Value::StrictArray(Vec::new()));
    check(
        b"\x0b\x3f\xf0\0\0\0\0\0\0\xff\xff",
        Value::Date {
            unix_ms: 1.0,
            zone: -1,
        },
    );
    check(b"\x0d", Value::Unsupported);
    check(b"\x0f\0\0\0\x02<>", Value::Xml("<>".into()));
    check(
        b"\x10\0\x01C\0\x01a\x05\0\0\x09",
        Value::Typed {
            class: "C".into(),
            properties: vec![("a".into(), Value::Null)],
        },
    );
    check(
        b"\x11\x0a\x0b\x01",
        Value::Amf3(Bytes::from_static(b"\x0a\x0b\x01")),
    );
}

#[test]
fn long_strings_and_wrong_counts_are_read() {
    assert_eq!(parse(b"\x0c\0\0\0\x02hi"), Ok(vec!["hi".into()]));
    assert_eq!(
        parse(b"\x08\xff\xff\xff\xff\0\x01a\x05\0\0\x09"),
        Ok(vec![Value::EcmaArray(vec![("a".into(), Value::Null)])])
    );
    assert_eq!(parse(b"\x02\0\x01\xff"), Ok(vec!["\u{fffd}".into()]));
    let long = Value::from("x".repeat(70_000));
    assert_eq!(print(&[long])[0], 12);
}

#[test]
fn what_is_malformed_is_a_fault() {
    let truncated = Err(Fault::AmfTruncated);
    for bytes in [
        &b"\0\0"[..],
        b"\x01",
        b"\x02",
        b"\x02\0\x05hi",
        b"\x03",
        b"\x03\0\x01a",
        b"\x03\0\0",
        b"\x07\0",
        b"\x08\0\0",
        b"\x0a\xff\xff\xff\xff\x05",
        b"\x0b\0\0\0\0\0\0\0\0",
        b"\x0f\0\0\0\x05a",
        b"\x10\0\x01",
    ] {
        assert_eq!(parse(bytes), truncated, "{bytes:?}");
    }
    for marker in [4, 9, 14, 18, 255] {
        assert_eq!(parse(&[marker]), Err(Fault::AmfMarker(marker)));
    }
    assert_eq!(
        parse(b"\x0a\0\0\0\x01\x11"),
        Err(Fault::AmfMarker(17)),
        "AMF3 inside an array"
    );
    assert_eq!(
        parse(b"\x0c\xff\xff\xff\xff"),
        Err(Fault::AmfString {
            length: 0xffff_ffff,
            max: MAX_STRING
        })
    );
}

#[test]
fn depth_and_number_are_bounded() {
    let nested = |depth: usize| [b"\x0a\0\0\0\x01".repeat(depth), b"\x05".to_vec()].concat();
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(
        parse(&nested(MAX_DEPTH + 1)),
        Err(Fault::AmfDepth(MAX_DEPTH))
    );
    assert_eq!(parse(&nested(20_000)), Err(Fault::AmfDepth(MAX_DEPTH)));
    assert!(parse(&[5; MAX_NODES]).is_ok());
    assert_eq!(parse(&[5; MAX_NODES + 1]), Err(Fault::AmfNodes(MAX_NODES)));
    let wide = [b"\x0a\0\0\x04\0".to_vec(), vec![5; 1024]].concat();
    assert_eq!(
        parse(&wide),
        Err(Fault::AmfNodes(MAX_NODES)),
        "elements are counted"
    );
}

#[test]
fn of_a_repeated_name_the_last_counts() {
    let value = Value::object([("app", "a".into()), ("app", "b".into())]);
    assert_eq!(value.get("app").and_then(Value::as_str), Some("b"));
    assert_eq!(value.get("other"), None);
    assert_eq!(Value::Null.get("app"), None);
}

/// Any value that the bounds let in.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(|number| Value::Number(f64::from(number) / 8.0)),
        any::<bool>().prop_map(Value::Boolean),
        ".{0,20}".prop_map(Value::String),
        Just(Value::Null),
        Just(Value::Undefined),
        Just(Value::Unsupported),
        any::<u16>().prop_map(Value::Reference),
        (any::<i32>(), any::<i16>()).prop_map(|(ms, zone)| Value::Date {
            unix_ms: f64::from(ms),
            zone
        }),
        ".{0,20}".prop_map(Value::Xml),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        let properties = prop::collection::vec((".{0,8}", inner.clone()), 0..6);
        prop_oneof![
            properties.clone().prop_map(Value::Object),
            properties.clone().prop_map(Value::EcmaArray),
            (".{0,8}", properties)
                .prop_map(|(class, properties)| Value::Typed { class, properties }),
            prop::collection::vec(inner, 0..6).prop_map(Value::StrictArray),
        ]
    })
}

proptest! {
    #[test]
    fn printing_undoes_parsing(values in prop::collection::vec(any_value(), 0..5)) {
        prop_assert_eq!(parse(&print(&values)).unwrap(), values);
    }

    #[test]
    fn any_bytes_are_values_or_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        if let Ok(values) = parse(&bytes) {
            // Not a number is unequal to itself, so the printed forms are compared.
            let printed = print(&values);
            prop_assert_eq!(print(&parse(&printed).unwrap()), printed);
        }
    }
}
