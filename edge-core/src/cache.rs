//! The caching law of HTTP, as functions: what an object is stored under, whether an answer may be
//! stored, for how long it is fresh, how it is made fresh again, which part of it is asked for.
//!
//! Heads and the time (Unix milliseconds) go in, verdicts come out. No byte of a body is known
//! here, nothing is fetched and nothing is kept: that is the store's part.

pub mod conditional;
pub mod date;
pub mod directives;
mod freshness;
pub mod head;
pub mod invalidation;
pub mod key;
pub mod policy;
pub mod range;
pub mod status;
pub mod vary;
