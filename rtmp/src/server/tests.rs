//! Both sessions against each other, and against malformed input.
#![allow(clippy::unwrap_used)]
