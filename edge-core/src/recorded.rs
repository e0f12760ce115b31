//! Recorded streams: what part of one is stored, what a seek needs, and how a viewer is sent it.
//!
//! A recording is cut at its keyframes into [`Piece`]s. [`Intake`] makes them of what a server
//! sends, [`Index`] knows which are there and where the holes are, [`Head`] holds what a viewer needs
//! before any of them and what tells one recording from another, [`Player`] paces one viewer.
//!
//! Messages and the time go in; pieces, places and messages to write come out. The invariants: a
//! piece holds exactly what the server sent between two keyframes, in its order, with its
//! timestamps; pieces of different fetches meet without a gap or a repetition. It does not know
//! sockets, stores, tasks or where the bytes of a piece are kept.

mod codec;
mod head;
mod index;
mod intake;
mod item;
mod player;

pub use codec::{Coded, PieceNote};
pub use head::Head;
pub use index::{Found, Index, Spot};
pub use intake::{Goal, Intake, Taken};
pub use item::{Item, Piece, Until};
pub use player::{Due, Place, Player};

#[cfg(test)]
mod fixture;
