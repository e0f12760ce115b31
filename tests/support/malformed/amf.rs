//! Values: depth, number, length, markers, and commands that are none.

use super::Stage::{Connected, Greeted, Publishing};
use super::{Fault, message, on_stream};
use crate::harness::attack::{kind, number, object, string};

/// `connect` with these bytes for its properties.
fn connect(properties: Vec<u8>) -> Vec<u8> {
    command(&[string("connect"), number(1.0), properties])
}

fn command(values: &[Vec<u8>]) -> Vec<u8> {
    message(kind::COMMAND, values.concat())
}

/// `connect` to an application, with one more property.
fn with(key: &str, value: Vec<u8>) -> Vec<u8> {
    connect(object(&[("app", string("live")), (key, value)]))
}

pub(super) const ALL: &[Fault] = &[
    Fault::new("nested arrays", Greeted, || {
        connect([[10, 0, 0, 0, 1].repeat(10_000), vec![5]].concat())
    }),
    Fault::new("nested objects", Greeted, || {
        connect([3, 0, 1, b'a'].repeat(10_000))
    }),
    Fault::new("nested arrays with names", Greeted, || {
        connect([8, 0, 0, 0, 1, 0, 1, b'a'].repeat(5_000))
    }),
    Fault::new("nested objects of a class", Greeted, || {
        connect([16, 0, 1, b'C', 0, 1, b'a'].repeat(5_000))
    }),
    Fault::new("seventeen arrays in each other", Greeted, || {
        connect([[10, 0, 0, 0, 1].repeat(17), vec![5]].concat())
    }),
    Fault::new("2,000 values", Greeted, || connect(vec![5; 2_000])),
    Fault::new("an array of 2^32-1 values", Greeted, || {
        connect(vec![10, 0xff, 0xff, 0xff, 0xff, 5])
    }),
    Fault::new("an array of 2^32-1 names", Greeted, || {
        connect(vec![8, 0xff, 0xff, 0xff, 0xff, 0, 1, b'a'])
    }),
    Fault::new("a text of 4 GiB", Greeted, || {
        connect(vec![12, 0xff, 0xff, 0xff, 0xff, b'a'])
    }),
    Fault::new("a text of 20 KiB", Greeted, || {
        with("tcUrl", string(&"a".repeat(20 << 10)))
    }),
    Fault::new("a text that ends in the middle", Greeted, || {
        connect(vec![2, 0, 9, b'a'])
    }),
    Fault::new("a number of three bytes", Greeted, || {
        command(&[string("connect"), vec![0, 1, 2, 3]])
    }),
    Fault::new("a time of four bytes", Greeted, || {
        connect(vec![11, 0, 0, 0, 0])
    }),
    Fault::new("an object that never ends", Greeted, || {
        connect(vec![3, 0, 1, b'a', 5])
    }),
    Fault::new("an end without a begin", Greeted, || connect(vec![9])),
    Fault::new("a movie clip", Greeted, || connect(vec![4])),
    Fault::new("a record set", Greeted, || connect(vec![14])),
    Fault::new("a marker that nobody knows", Greeted, || connect(vec![200])),
    Fault::new("an empty command", Greeted, || command(&[])),
    Fault::new("a command named by a number", Greeted, || {
        command(&[number(1.0), number(1.0)])
    }),
    Fault::new("a transaction of text", Greeted, || {
        command(&[string("connect"), string("one")])
    }),
    Fault::new("a command of one value", Greeted, || {
        command(&[string("connect")])
    }),
    Fault::new("connect to nothing", Greeted, || connect(vec![5])),
    Fault::new("connect without an application", Greeted, || {
        connect(object(&[("tcUrl", string("rtmp://e/live"))]))
    }),
    Fault::new("an application that is a number", Greeted, || {
        connect(object(&[("app", number(1.0))]))
    }),
    Fault::new("an address of 9 KiB", Greeted, || {
        with("tcUrl", string(&"a".repeat(9 << 10)))
    }),
    Fault::new("an address with an end of line", Greeted, || {
        with("pageUrl", string("http://page/\r\nhost: elsewhere"))
    }),
    Fault::new("an application with a zero byte", Greeted, || {
        connect(object(&[("app", string("li\0ve"))]))
    }),
    Fault::new("an AMF3 command of nothing", Greeted, || {
        message(17, vec![0])
    }),
    Fault::new("an AMF3 object without an end, inside", Greeted, || {
        with("x", vec![17, 10, 0x0b, 1, 3, b'a'])
    }),
    Fault::new("nested AMF3 arrays, inside", Greeted, || {
        with("x", [vec![17], [9, 3, 1].repeat(10_000)].concat())
    }),
    Fault::new("a stream's name of 9 KiB", Connected, || {
        let name = string(&"a".repeat(9 << 10));
        command(&[string("getStreamLength"), number(2.0), vec![5], name])
    }),
    Fault::new("a stream's name with a zero byte", Connected, || {
        command(&[
            string("releaseStream"),
            number(2.0),
            vec![5],
            string("a\0b"),
        ])
    }),
    Fault::new("nested arrays while publishing", Publishing, || {
        let deep = [10, 0, 0, 0, 1].repeat(10_000);
        let values = [string("onStatus"), number(0.0), deep].concat();
        on_stream(1, kind::COMMAND, values)
    }),
    Fault::new("an aggregate cut short", Publishing, || {
        on_stream(1, 22, vec![8, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1])
    }),
    Fault::new("an aggregate of three bytes", Publishing, || {
        on_stream(1, 22, vec![8, 0, 0])
    }),
    Fault::new("an aggregate of 5,000 parts", Publishing, || {
        let part = [8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];
        on_stream(1, 22, part.repeat(5_000))
    }),
];
