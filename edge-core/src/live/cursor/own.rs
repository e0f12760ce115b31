//! What goes to one viewer alone: the rest of a message that was written in part, commands, and the
//! headers that stand before its next message.
//!
//! Bytes go in and are taken from the front in this order. Most viewers have none of it most of the
//! time: their cursors hold it only while they do.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::Overflow;

/// Commands that a viewer may be owed. Chosen, because a well-behaved one is owed some hundreds of
/// bytes; who asks without reading is ended.
pub(super) const MAX_COMMAND_BYTES: usize = 64 << 10;

/// Bytes for one viewer alone.
#[derive(Debug, Default, Clone)]
pub(super) struct Own {
    /// The rest of a message that was written in part.
    pub(super) rest: VecDeque<Bytes>,
    pub(super) commands: VecDeque<Bytes>,
    command_bytes: usize,
    /// Headers that stand before the next message.
    pub(super) prelude: VecDeque<Bytes>,
}

impl Own {
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.commands.is_empty() && self.prelude.is_empty()
    }

    pub(super) fn command(&mut self, bytes: Bytes) -> Result<(), Overflow> {
        if self.command_bytes + bytes.len() > MAX_COMMAND_BYTES {
            return Err(Overflow);
        }
        self.command_bytes += bytes.len();
        self.commands.push_back(bytes);
        Ok(())
    }

    /// Takes so many bytes that were written; returns how many were not of these. A header of the
    /// prelude is so many pieces.
    pub(super) fn wrote(&mut self, count: usize, pieces: usize) -> usize {
        let mut left = take(&mut self.rest, count);
        self.take_commands(&mut left);
        self.take_prelude(&mut left, pieces);
        left
    }

    fn take_commands(&mut self, left: &mut usize) {
        while *left > 0
            && let Some(mut command) = self.commands.pop_front()
        {
            let length = command.len();
            self.command_bytes -= length;
            if *left < length {
                command.advance(*left);
                self.rest.push_back(command);
            }
            *left = left.saturating_sub(length);
        }
    }

    /// A header that was written in part must be finished even if the viewer jumps meanwhile.
    fn take_prelude(&mut self, left: &mut usize, pieces: usize) {
        while *left > 0 && !self.prelude.is_empty() {
            let mut message: VecDeque<Bytes> = self.prelude.drain(..pieces).collect();
            *left = take(&mut message, *left);
            self.rest = message;
        }
    }

    /// Whether something must go out before anything else on its connection.
    pub(super) fn is_amid(&self) -> bool {
        !(self.rest.is_empty() && self.commands.is_empty())
    }

    /// Takes what must go out even when the viewer leaves the stream.
    pub(super) fn take_rest(&mut self) -> impl Iterator<Item = Bytes> + use<> {
        self.command_bytes = 0;
        let rest = std::mem::take(&mut self.rest);
        rest.into_iter().chain(std::mem::take(&mut self.commands))
    }
}

/// Takes bytes from the front; returns what is left to take.
pub(super) fn take(pieces: &mut VecDeque<Bytes>, mut left: usize) -> usize {
    while let Some(front) = pieces.front_mut()
        && left > 0
    {
        if left < front.len() {
            front.advance(left);
            return 0;
        }
        left -= front.len();
        pieces.pop_front();
    }
    left
}
