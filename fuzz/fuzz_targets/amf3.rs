//! One AMF3 value from any bytes: its end is within them, and does not depend on what follows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rtmp::amf::amf3;

fuzz_target!(|input: &[u8]| {
    let Some((plain, length)) = amf3::first(input) else {
        return;
    };
    assert!(length > 0 && length <= input.len());
    let (again, same) = amf3::first(&input[..length]).expect("it was whole");
    // A number may be no number, which is like nothing.
    assert!(same == length && again.is_some() == plain.is_some());
    assert!((0..length).all(|cut| amf3::first(&input[..cut]).is_none()));
});
