//! The whole system on the real program, with real origins, publishers and players. One file a theme; a test
//! that shows a statement of the mission begins with its id (`a13_…`), and docs/statements.md names it.

#[path = "../support/harness.rs"]
mod harness;

mod admission;
mod ambiguity;
mod assignments;
mod bounds;
mod cache;
mod conformance;
mod console;
mod control;
mod edges;
mod enhanced;
mod explicit;
mod failover;
mod fanout;
mod fills;
mod freshness;
mod house;
mod key_sets;
mod limits;
mod payload;
mod programs;
mod recorded;
mod reverse;
mod sessions;
mod setup;
mod slices;
mod slow;
mod tls;
mod tunnel;
mod users;
mod webhooks;
