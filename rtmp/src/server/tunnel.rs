//! A session whose messages are for somebody behind: none is understood here.
//!
//! Handshake, chunks, acknowledgements and pings stay this connection's own. The invariant: what
//! the client says after `connect` comes out once, whole and in order, also what came in one piece
//! with it.

use super::{Event, Session};
use crate::{Message, MessageKind};

impl Session {
    /// Answers `connect` with a tunnel: the windows and the chunk size go out, and the answer itself
    /// is among the messages that [`Session::send_message`] is given. From now on everything comes
    /// out as [`Event::Other`].
    pub fn begin_tunnel(&mut self) {
        self.link.announce_window(true);
        self.link.announce_chunk_size();
        self.link.tunnel();
        self.accepted = true;
        self.undecided = false;
        self.tunnels = true;
        self.early.clear();
        self.events.clear();
        for message in std::mem::take(&mut self.behind_connect) {
            self.hear_in_tunnel(message);
        }
    }

    pub(super) fn hear_in_tunnel(&mut self, message: Message) {
        self.speaks_amf3 |= message.kind == MessageKind::CommandAmf3;
        self.events.push_back(Event::Other(message));
    }
}
