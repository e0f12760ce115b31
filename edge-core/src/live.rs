//! One live stream and its viewers, as separate machines: [`Ring`] holds the newest messages made
//! into chunks once, [`Cursor`] is one viewer's place in it, [`Flush`] says when viewers are
//! written to, [`Batch`] joins what many are owed alike, [`pace`] gives up what a slow viewer
//! cannot take, [`Timeline`] keeps timestamps rising when the source changes.
//!
//! Messages, byte counts and the time go in; slices to write come out. None of them owns all
//! viewers, none knows sockets, tasks or locks.

mod batch;
mod buffer;
pub mod cursor;
mod entry;
mod flush;
pub mod pace;
mod ring;
mod timeline;

pub use batch::Batch;
pub use buffer::{SEND_BUFFER, send_buffer};
pub use cursor::{Cursor, Form, Owed, Scratch, Wants};
pub use entry::Entry;
pub use flush::Flush;
pub use pace::Pace;
pub use ring::{Bounds, Ring};
pub(crate) use ring::{MAX_KEPT, MAX_KEPT_BYTES, MAX_KEPT_IN_ALL};
pub(crate) use timeline::AHEAD;
pub use timeline::Timeline;
