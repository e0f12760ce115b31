//! One harness for whole-system tests: real programs started, watched and killed, real origins, and small
//! clients for what no program can be made to do. A test takes it by `#[path]`. Everything started here is
//! killed when it is dropped; every wait has a deadline; every port is one that was free.

pub(crate) mod api;
pub(crate) mod attack;
pub(crate) mod browser;
pub(crate) mod edge;
pub(crate) mod eventually;
pub(crate) mod http;
pub(crate) mod malformed;
pub(crate) mod media;
pub(crate) mod odd;
pub(crate) mod origin;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod server;
pub(crate) mod tls;
pub(crate) mod viewer;
pub(crate) mod world;
