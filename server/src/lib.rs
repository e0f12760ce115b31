//! The control plane: what people and agents ask for, and the database it is kept in.
//!
//! Owns the console, the REST API, the agents' API, the verbs behind them and all SQL. One way in:
//! [`Server::start`]. The order of its layers is `router -> {console, api, control} -> auth -> app ->
//! {snapshot, store}` and `tasks -> app`; nothing reaches up or sideways. It never dials an edge.

pub mod api;
pub mod app;
pub mod auth;
pub mod config;
mod console;
mod control;
mod log;
pub mod router;
mod server;
mod snapshot;
pub mod store;
mod tasks;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod fixture;

pub use config::Config;
pub use server::{Server, StartError};
