//! What one viewer's socket is owed: commands and messages, in order.
//!
//! Bytes go in, slices for one write come out. The invariants: a message that was begun is finished
//! before anything else; commands are never dropped.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf as _, Bytes};

/// The most slices of one write (dependencies.md, "Cost").
const MAX_SLICES: usize = 64;

#[derive(Debug)]
struct Entry {
    bytes: Bytes,
    command: bool,
    /// Nothing more belongs to this message or command.
    last: bool,
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The first entry belongs to a message of which something went out.
    begun: bool,
}

impl Outbox {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn push(&mut self, bytes: Bytes, command: bool, last: bool) {
        if bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len();
        self.entries.push_back(Entry {
            bytes,
            command,
            last,
        });
    }

    pub(super) fn command(&mut self, bytes: Bytes) {
        self.push(bytes, true, true);
    }

    /// A message as its header, if that is this viewer's own, and the rest.
    pub(super) fn message(&mut self, (header, rest): (Bytes, Bytes)) {
        self.push(header, false, false);
        self.push(rest, false, true);
    }

    /// What one write takes.
    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        let first = self.entries.iter().take(MAX_SLICES);
        first.map(|entry| IoSlice::new(&entry.bytes)).collect()
    }

    /// So many bytes went out.
    pub(super) fn wrote(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(first) = self.entries.front_mut() {
            if count < first.bytes.len() {
                self.begun |= count > 0;
                first.bytes.advance(count);
                return;
            }
            count -= first.bytes.len();
            self.begun = !first.last;
            self.entries.pop_front();
        }
    }

    /// Gives up the messages that were not begun.
    pub(super) fn drop_messages(&mut self) {
        let mut begun = self.begun;
        self.entries.retain(|entry| {
            let stays = begun || entry.command;
            begun &= !entry.last;
            stays
        });
        self.bytes = self.entries.iter().map(|entry| entry.bytes.len()).sum();
    }

    /// Everything that is left.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        self.bytes = 0;
        self.entries.drain(..).map(|entry| entry.bytes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> Outbox {
        let mut outbox = Outbox::default();
        let text = Bytes::from_static;
        outbox.command(text(b"start "));
        outbox.message((text(b"he"), text(b"llo ")));
        outbox.message((Bytes::new(), text(b"world ")));
        outbox.command(text(b"notify "));
        outbox
    }

    #[test]
    fn a_message_that_was_begun_is_finished_and_commands_stay() {
        for (written, expected) in [
            (0, "start notify "),
            (3, "rt notify "),
            (6, "notify "),
            (7, "ello notify "),
            (8, "llo notify "),
            (12, "notify "),
            (13, "orld notify "),
            (20, "tify "),
        ] {
            let mut outbox = outbox();
            let all: usize = outbox.slices().iter().map(|slice| slice.len()).sum();
            assert_eq!(all, outbox.bytes());
            outbox.wrote(written);
            outbox.drop_messages();
            assert_eq!(outbox.bytes(), expected.len(), "{written}");
            let left = outbox.take().concat();
            assert_eq!(String::from_utf8_lossy(&left), expected, "{written}");
            assert!(outbox.is_empty());
        }
    }
}
