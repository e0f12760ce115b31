//! Handshakes and chunks: versions, sizes, headers, budgets.

use super::Stage::{Greeted, Open, Publishing};
use super::{Fault, announced, chunk_size, message};
use crate::harness::attack::kind;

/// On each of 64 chunk streams a message is begun in a chunk of its own and never finished.
fn unfinished_on_64() -> Vec<u8> {
    let mut all = chunk_size(2_000);
    for id in 0..60 {
        all.extend(announced(3 + id, kind::VIDEO, 8_000));
        all.extend(vec![0; 2_000]);
    }
    all
}

pub(super) const ALL: &[Fault] = &[
    Fault::new("encrypted RTMP", Open, || vec![6]),
    Fault::new("TLS on the plain port", Open, || vec![22, 3, 1, 2, 0, 1]),
    Fault::new("HTTP on the plain port", Open, || {
        b"GET / HTTP/1.1\r\nhost: edge\r\n\r\n".to_vec()
    }),
    Fault::new("zeros", Open, || vec![0; 4_000]),
    Fault::new("chunk size 0", Greeted, || chunk_size(0)),
    Fault::new("chunk size 16,777,216", Greeted, || chunk_size(1 << 24)),
    Fault::new("chunk size 2^31-1", Greeted, || chunk_size(0x7fff_ffff)),
    Fault::new("chunk size 2^31", Greeted, || chunk_size(1 << 31)),
    Fault::new("a chunk size of three bytes", Greeted, || {
        message(kind::SET_CHUNK_SIZE, vec![0, 0, 1])
    }),
    Fault::new("an abort of two bytes", Greeted, || message(2, vec![0, 3])),
    Fault::new("an acknowledgement of one byte", Greeted, || {
        message(3, vec![0])
    }),
    Fault::new("an empty control event", Greeted, || message(4, Vec::new())),
    Fault::new("a ping without its time", Greeted, || {
        message(4, vec![0, 6, 0])
    }),
    Fault::new("a buffer length cut short", Greeted, || {
        message(4, vec![0, 3, 0, 0, 0, 1, 0, 0])
    }),
    Fault::new("a window of two bytes", Greeted, || message(5, vec![0, 1])),
    Fault::new("a bandwidth of three bytes", Greeted, || {
        message(6, vec![0, 1, 2])
    }),
    Fault::new("a first chunk without any header", Greeted, || vec![0xc3]),
    Fault::new("a first chunk without a length", Greeted, || {
        vec![0x83, 0, 0, 1]
    }),
    Fault::new("65,000 chunk streams", Greeted, || {
        let mut chunks = chunk_size(1);
        for id in 0..65_000u16 {
            chunks.push(1);
            chunks.extend_from_slice(&id.to_le_bytes());
            chunks.extend_from_slice(&[0, 0, 0, 0, 3, 0xe8, kind::VIDEO, 1, 0, 0, 0, 0xff]);
        }
        chunks
    }),
    Fault::new("16 MiB before connect", Greeted, || {
        [announced(6, kind::VIDEO, 0xff_ffff), vec![0; 1 << 20]].concat()
    }),
    Fault::new("a command of 64 KiB and a byte", Greeted, || {
        announced(3, kind::COMMAND, 65_537)
    }),
    Fault::new("data of 1 MiB", Greeted, || {
        announced(3, kind::DATA, 1 << 20)
    }),
    Fault::new("a shared object of 1 MiB", Greeted, || {
        announced(3, 19, 1 << 20)
    }),
    Fault::new("1 MiB of nobody knows what", Greeted, || {
        announced(3, 99, 1 << 20)
    }),
    Fault::new("an aggregate of 16 MiB", Greeted, || {
        announced(3, 22, 0xff_ffff)
    }),
    Fault::new(
        "half a message on each chunk stream",
        Greeted,
        unfinished_on_64,
    ),
    Fault::new("65 KiB of one message before admission", Greeted, || {
        let begun = announced(6, kind::VIDEO, 8_000_000);
        [chunk_size(16_777_215), begun, vec![0; 65 << 10]].concat()
    }),
    Fault::new("8 MiB and a byte of video", Publishing, || {
        announced(6, kind::VIDEO, (8 << 20) + 1)
    }),
    Fault::new("18 MiB of unfinished messages", Publishing, || {
        let mut all = chunk_size(6_000_000);
        for id in 4..7 {
            all.extend(announced(id, kind::VIDEO, 8_000_000));
            all.extend(vec![0; 6_000_000]);
        }
        all
    }),
];
