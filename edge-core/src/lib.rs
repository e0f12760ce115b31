//! What an edge decides, as ordinary functions: fed with bytes, facts and the time, without
//! sockets, tasks or a clock of its own.
//!
//! Every machine here has the same shape: input with `now`, outputs to poll, the next deadline.
//! What a peer does wrong is an output, never a `Result`.

pub mod admission;
pub mod cache;
pub mod limit;
pub mod live;
pub mod media;
pub mod recorded;
pub mod session;
pub mod upstream;
