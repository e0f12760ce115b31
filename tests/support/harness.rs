//! One harness for whole-system tests: real programs started, watched and killed, real origins, and small
//! clients for what no program can be made to do. A test takes it by `#[path]`. Everything started here is
//! killed when it is dropped; every wait has a deadline; every port is one that was free.

pub(crate) mod api;
pub(crate) mod application;
pub(crate) mod attack;
pub(crate) mod browser;
pub(crate) mod edge;
pub(crate) mod eventually;
pub(crate) mod http;
pub(crate) mod http_origin;
pub(crate) mod http_reader;
pub(crate) mod malformed;
pub(crate) mod media;
pub(crate) mod memory;
pub(crate) mod odd;
pub(crate) mod origin;
pub(crate) mod own_origin;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod programs;
pub(crate) mod server;
pub(crate) mod signer;
pub(crate) mod steady;
pub(crate) mod tape;
pub(crate) mod tls;
pub(crate) mod viewer;
pub(crate) mod world;

/// Whether the long form of tests is wanted: `tests/run --long` sets `WEIR_LONG`. A test that takes more than
/// half a minute has a short form, which is what runs otherwise.
pub(crate) fn long() -> bool {
    std::env::var_os("WEIR_LONG").is_some_and(|value| !value.is_empty() && value != "0")
}
