//! Applications and stream names from any text: what is understood keeps the laws of names, and is
//! understood alike wherever a client cuts it.
#![no_main]

use contract::address::Requested;
use contract::name::MAX_WIRE_NAME_BYTES;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let (app, stream) = match input.split_once('\n') {
        Some((app, stream)) => (app, Some(stream)),
        None => (input, None),
    };
    let Ok(requested) = Requested::parse(app, stream) else {
        return;
    };
    let names = [
        requested.app.as_ref().map(ToString::to_string),
        requested.stream.as_ref().map(ToString::to_string),
    ];
    for name in names.into_iter().flatten() {
        assert!(!name.is_empty() && name.len() <= MAX_WIRE_NAME_BYTES);
        assert!(!name.contains('\\') && !name.chars().any(char::is_control));
        assert!(name.split('/').all(|part| part != ".."));
    }
    assert_eq!(requested.is_wrapped(), !requested.hops.is_empty());
    if let (Some(stream), false) = (stream, requested.is_wrapped()) {
        assert!(requested.app.is_some() && !stream.is_empty() || requested.stream.is_none());
    }
    let _ = requested.beyond_first_hop();
});
