//! Messages out of order, and out of place.

use super::Stage::{Connected, Greeted, Publishing};
use super::{Fault, message, on_stream};
use crate::harness::attack::{kind, number, object, string};

fn call(stream_id: u32, name: &str, arguments: &[Vec<u8>]) -> Vec<u8> {
    let values = [&[string(name), number(5.0), vec![5]][..], arguments].concat();
    on_stream(stream_id, kind::COMMAND, values.concat())
}

pub(super) const ALL: &[Fault] = &[
    Fault::new("createStream before connect", Greeted, || {
        call(0, "createStream", &[])
    }),
    Fault::new("play before connect", Greeted, || {
        call(1, "play", &[string("s")])
    }),
    Fault::new("publish before connect", Greeted, || {
        call(1, "publish", &[string("s"), string("live")])
    }),
    Fault::new("an answer before connect", Greeted, || {
        call(0, "_result", &[])
    }),
    Fault::new("audio before connect", Greeted, || {
        on_stream(1, kind::AUDIO, vec![0xaf, 1])
    }),
    Fault::new("empty video before connect", Greeted, || {
        on_stream(1, kind::VIDEO, Vec::new())
    }),
    Fault::new("@setDataFrame alone", Greeted, || {
        message(kind::DATA, string("@setDataFrame"))
    }),
    Fault::new("a shared object before connect", Greeted, || {
        message(19, vec![0; 20])
    }),
    Fault::new("an aggregate before connect", Greeted, || {
        message(22, Vec::new())
    }),
    Fault::new("an unknown message before connect", Greeted, || {
        message(99, vec![1])
    }),
    Fault::new("connect twice", Connected, || {
        let properties = object(&[("app", string("live"))]);
        let values = [string("connect"), number(1.0), properties];
        message(kind::COMMAND, values.concat())
    }),
    Fault::new("play on the connection itself", Connected, || {
        call(0, "play", &[string("s")])
    }),
    Fault::new(
        "play on a message stream that was never made",
        Connected,
        || call(7, "play", &[string("s")]),
    ),
    Fault::new("publish on message stream 2^32-1", Connected, || {
        call(u32::MAX, "publish", &[string("s"), string("live")])
    }),
    Fault::new("33 message streams", Connected, || {
        call(0, "createStream", &[]).repeat(33)
    }),
    Fault::new("publish after deleteStream", Connected, || {
        [
            call(0, "createStream", &[]),
            call(0, "deleteStream", &[number(1.0)]),
            call(1, "publish", &[string("s"), string("live")]),
        ]
        .concat()
    }),
    Fault::new("publish twice", Publishing, || {
        call(1, "publish", &[string("other"), string("live")])
    }),
    Fault::new("play where one publishes", Publishing, || {
        call(1, "play", &[string("other")])
    }),
];
