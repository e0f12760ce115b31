//! What both planes say to each other, and what each word of it means.
//!
//! Owns the ids, names, addresses, routes, rules, assignments, snapshots, reports and orders that
//! the server publishes and an edge enforces, together with the one function that judges a
//! connection: [`admit::judge`]. Values go in, decisions come out; nothing here opens a socket,
//! reads a file or asks for the time, so that the console's "would this client be let in?" and the
//! edge's own answer are the same code.

pub mod address;
pub mod admit;
pub mod assignment;
pub mod client;
pub mod control;
pub mod counts;
pub mod directory;
pub mod facts;
pub mod fault;
pub mod hop;
pub mod id;
pub mod key_set;
pub mod limit;
pub mod name;
pub mod nonce;
pub mod order;
pub mod origin;
pub mod pattern;
pub mod protocol;
pub mod query;
pub mod question;
pub mod reason;
pub mod report;
pub mod route;
pub mod routing;
pub mod rule;
pub mod secret;
pub mod snapshot;
pub mod token;
pub mod webhook;

#[cfg(test)]
mod fixture;
