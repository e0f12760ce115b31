//! What one client does, by message stream.
//!
//! Roles go in and out; what happens to any of them comes out with its message stream. The
//! invariant: at most one role a message stream, of which the wire allows few. It does not know
//! the session.

use std::time::Duration;

use futures_util::future::select_all;

use super::mixing::Own;
use super::publishing::{Claim, Happened, Publishing};
use super::viewing::{Place, Playing, Stream, Waiting};
use super::watching::{Opened, Opening, Watching};
use crate::live::{HubState, Over, SeatHandle};
use crate::recorded::{self, Told};
use contract::reason::Reason;

/// What the client does on one message stream.
pub(super) enum Role {
    /// It wants a stream that is not there yet.
    Waiting(Waiting),
    /// It plays.
    Playing(Playing),
    /// It wants a recorded stream that is being looked for.
    Opening(Opening),
    /// It watches a recorded stream.
    Watching(Box<Watching>),
    /// It wants to publish what another client publishes.
    Claiming(Box<Claim>),
    /// It publishes.
    Publishing(Box<Publishing>),
}

/// What happened to a role.
pub(super) enum RoleEvent {
    State(HubState),
    Over(Over),
    /// A stream that the session writes itself has more.
    Newer,
    Publishing(Happened),
    /// A recorded stream was found, or was not.
    Opened(Box<Result<Opened, Reason>>),
    /// What the viewer of a recorded stream is to be told.
    Told(Told),
}

impl Role {
    /// When [`super::driver::Driver::time_is_up`] wants to be called.
    fn deadline(&self) -> Option<Duration> {
        match self {
            Self::Waiting(waiting) => Some(waiting.until),
            Self::Playing(playing) => playing.until,
            Self::Opening(_) | Self::Watching(_) | Self::Claiming(_) | Self::Publishing(_) => None,
        }
    }

    async fn next(&mut self) -> RoleEvent {
        match self {
            Self::Waiting(waiting) => RoleEvent::State(waiting.stream.changed().await),
            Self::Playing(Playing { stream, place, .. }) => match place {
                Place::Seat(seat) => tokio::select! {
                    state = stream.changed() => RoleEvent::State(state),
                    over = seat.over() => RoleEvent::Over(over),
                },
                Place::Own(own) => tokio::select! {
                    state = stream.changed() => RoleEvent::State(state),
                    () = own.newer() => RoleEvent::Newer,
                },
            },
            Self::Opening(opening) => RoleEvent::Opened(Box::new(opening.next().await)),
            Self::Watching(watching) => RoleEvent::Told(watching.seat.told().await),
            Self::Claiming(claim) => RoleEvent::Publishing(claim.next().await),
            Self::Publishing(publishing) => RoleEvent::Publishing(publishing.next().await),
        }
    }
}

/// The roles of one client by their message streams: nearly always one, so a search is short.
#[derive(Default)]
pub(super) struct Roles {
    all: Vec<(u32, Role)>,
}

impl Roles {
    pub(super) fn get(&self, stream_id: u32) -> Option<&Role> {
        let mut all = self.all.iter();
        all.find_map(|(id, role)| (*id == stream_id).then_some(role))
    }

    pub(super) fn get_mut(&mut self, stream_id: u32) -> Option<&mut Role> {
        let mut all = self.all.iter_mut();
        all.find_map(|(id, role)| (*id == stream_id).then_some(role))
    }

    /// Gives a message stream its role, in the place of any that it had.
    pub(super) fn put(&mut self, stream_id: u32, role: Role) {
        match self.get_mut(stream_id) {
            Some(place) => *place = role,
            None => {
                self.all.reserve_exact(1);
                self.all.push((stream_id, role));
            }
        }
    }

    /// Takes a message stream's role away.
    pub(super) fn take(&mut self, stream_id: u32) -> Option<Role> {
        let place = self.all.iter().position(|(id, _)| *id == stream_id)?;
        Some(self.all.remove(place).1)
    }

    pub(super) fn clear(&mut self) {
        self.all.clear();
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Role> {
        self.all.iter_mut().map(|(_, role)| role)
    }

    /// Whether a stream is being taken from another client, or waits for a server that takes it: its
    /// publisher's messages wait in the socket meanwhile.
    pub(super) fn are_claiming(&self) -> bool {
        self.all.iter().any(|(_, role)| match role {
            Role::Claiming(_) => true,
            Role::Publishing(publishing) => publishing.is_full(),
            Role::Waiting(_) | Role::Playing(_) | Role::Opening(_) | Role::Watching(_) => false,
        })
    }

    /// The message stream whose media a worker writes to the socket, if one does.
    pub(super) fn seated(&self) -> Option<(u32, &SeatHandle)> {
        self.all.iter().find_map(|(id, role)| match role {
            Role::Playing(Playing {
                place: Place::Seat(seat),
                ..
            }) => Some((*id, seat)),
            Role::Playing(_)
            | Role::Waiting(_)
            | Role::Opening(_)
            | Role::Watching(_)
            | Role::Claiming(_)
            | Role::Publishing(_) => None,
        })
    }

    /// The streams that the session writes itself.
    pub(super) fn owns(&mut self) -> impl Iterator<Item = (u32, &Stream, &mut Own)> {
        self.all.iter_mut().filter_map(|(id, role)| match role {
            Role::Playing(Playing {
                stream,
                place: Place::Own(own),
                ..
            }) => Some((*id, &*stream, &mut **own)),
            Role::Playing(_)
            | Role::Waiting(_)
            | Role::Opening(_)
            | Role::Watching(_)
            | Role::Claiming(_)
            | Role::Publishing(_) => None,
        })
    }

    /// One of the streams that the session writes itself.
    pub(super) fn own(&mut self, stream_id: u32) -> Option<&mut Own> {
        let mut owns = self.owns();
        owns.find_map(|(id, _, own)| (id == stream_id).then_some(own))
    }

    /// The streams that it plays or waits for.
    pub(super) fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.all.iter().filter_map(|(_, role)| match role {
            Role::Waiting(Waiting { stream, .. }) | Role::Playing(Playing { stream, .. }) => {
                Some(stream)
            }
            Role::Opening(_) | Role::Watching(_) | Role::Claiming(_) | Role::Publishing(_) => None,
        })
    }

    /// A message stream that plays.
    pub(super) fn playing(&self) -> Option<u32> {
        let mut all = self.all.iter();
        all.find_map(|(id, role)| matches!(role, Role::Playing(_)).then_some(*id))
    }

    /// The message stream on which a recorded stream is watched, and its seat.
    pub(super) fn watching(&self) -> Option<(u32, &recorded::SeatHandle)> {
        self.all.iter().find_map(|(id, role)| match role {
            Role::Watching(watching) => Some((*id, &watching.seat)),
            Role::Playing(_)
            | Role::Waiting(_)
            | Role::Opening(_)
            | Role::Claiming(_)
            | Role::Publishing(_) => None,
        })
    }

    /// The earliest time at which one of them is [`Roles::due`].
    pub(super) fn deadline(&self) -> Option<Duration> {
        let deadlines = self.all.iter().filter_map(|(_, role)| role.deadline());
        deadlines.min()
    }

    /// A message stream whose time has come.
    pub(super) fn due(&self, now: Duration) -> Option<u32> {
        let mut all = self.all.iter();
        all.find_map(|(id, role)| role.deadline().is_some_and(|due| due <= now).then_some(*id))
    }

    /// What happens next to any of them. Nothing is lost when this is not waited for to its end.
    pub(super) async fn next(&mut self) -> (u32, RoleEvent) {
        match &mut self.all[..] {
            [] => std::future::pending().await,
            [(id, role)] => (*id, role.next().await),
            several => {
                let waits = several
                    .iter_mut()
                    .map(|(id, role)| Box::pin(async { (*id, role.next().await) }));
                select_all(waits).await.0
            }
        }
    }
}
