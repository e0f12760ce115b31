//! The laws of the tree, read from the files themselves: which crate and layer may know which, how files are
//! named and opened, what never stands in code, and that every statement of the mission has a test or is
//! owned up to. Each rule takes a [`tree::Tree`] and gives [`tree::Fault`]s that name file and line; each has
//! a test on the real tree and tests on small made trees that show that it can fail. It knows nothing of what
//! the code does.

mod code;
mod crates;
mod files;
mod layers;
mod modules;
mod statements;
mod tree;
mod vendor;
