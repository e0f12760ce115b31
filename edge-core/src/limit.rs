//! Limits as an edge keeps them: who has how much now, what the other edges of the cluster have, and
//! whether there is room for one more.
//!
//! Settings, what somebody wants and the time go in; what was taken comes out as a [`Held`], which
//! gives it back when it is dropped. The invariants: a place is looked for and taken in one step,
//! so that two never take the last one; what is refused has taken nothing; who holds a place is
//! never asked for it back; an edge that does not hear of its cluster holds its equal share.
//!
//! It does not know sessions or sockets, and not how the counts travel.

mod bucket;
mod tally;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::id::EdgeId;
use contract::limit::{
    ClusterCounts, Count, Holder, LimitKind, Limits, MAX_COUNTS, SILENT_MS, share, sharers,
};
use contract::snapshot::Snapshot;

use tally::Tally;

/// What an edge counts for its limits; clones are the same counts.
#[derive(Debug, Clone, Default)]
pub struct Limiter {
    book: Arc<Mutex<Book>>,
}

/// A limiter at a moment, as admission asks it.
#[derive(Debug, Clone, Copy)]
pub struct Gate<'a> {
    /// Whom to ask.
    pub limiter: &'a Limiter,
    /// Now, by the clock that never goes back.
    pub now: Duration,
}

/// What somebody wants a place for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// To be connected, from this address.
    Connection(IpAddr),
    /// To view this stream.
    Viewer(Arc<str>),
    /// To publish.
    Publisher,
}

/// A place that was taken; given back when dropped.
#[derive(Debug)]
pub struct Held {
    limiter: Limiter,
    // Exactly as large as needed: each session keeps one or two of these.
    holders: Box<[Holder]>,
    place: Place,
}

/// Why there is no place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Whose limit it is.
    pub of: Holder,
    /// Which.
    pub kind: LimitKind,
    /// Its value.
    pub limit: u64,
    /// What this edge may have of it now.
    pub allowed: u64,
    /// What this edge has.
    pub here: u64,
    /// What the other edges have, as far as they are heard.
    pub elsewhere: u64,
}

/// Bytes of a holder's sessions since the last measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// From clients.
    pub received_bytes: u64,
    /// To clients.
    pub sent_bytes: u64,
}

#[derive(Debug, Default)]
struct Book {
    tally_by_holder: HashMap<Holder, Tally>,
    others: HashMap<(Holder, LimitKind, Option<String>), u64>,
    heard: HashSet<EdgeId>,
    heard_at: Option<Duration>,
    measured_at: Option<Duration>,
    refused: BTreeMap<(&'static str, LimitKind), u64>,
    changes: u64,
}

impl Limiter {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place of each of these holders, or of none.
    ///
    /// # Errors
    /// [`Reached`] with the first limit that leaves no room.
    pub fn take(
        &self,
        snapshot: &Snapshot,
        holders: Vec<(Holder, Limits)>,
        place: Place,
        now: Duration,
    ) -> Result<Held, Reached> {
        let mut book = self.book();
        let mut room = Room {
            snapshot,
            sharers: None,
            now,
        };
        for (holder, limits) in &holders {
            if let Err(reached) = book.check(&mut room, holder, limits, &place) {
                let refused = (reached.of.kind(), reached.kind);
                *book.refused.entry(refused).or_default() += 1;
                return Err(reached);
            }
        }
        for (holder, limits) in &holders {
            let rate = limits
                .connections_per_second
                .map(|limit| book.rate(&mut room, holder, limit));
            book.changes += u64::from(!limits.is_none() && holder.is_shared());
            let tally = book.tally_by_holder.entry(holder.clone()).or_default();
            tally.limits = *limits;
            tally.enter(&place, rate, now);
        }
        drop(book);
        Ok(Held {
            limiter: self.clone(),
            holders: holders.into_iter().map(|(holder, _)| holder).collect(),
            place,
        })
    }

    fn give_back(&self, holders: &[Holder], place: &Place) {
        let mut book = self.book();
        for holder in holders {
            if let Some(tally) = book.tally_by_holder.get_mut(holder) {
                tally.leave(place);
                let is_shared = !tally.limits.is_none() && holder.is_shared();
                book.changes += u64::from(is_shared);
            }
        }
    }

    /// What the other edges of the cluster count was heard.
    pub fn hear(&self, cluster: ClusterCounts, now: Duration) {
        let mut book = self.book();
        book.heard = cluster.heard.into_iter().collect();
        book.others = cluster
            .others
            .into_iter()
            .take(MAX_COUNTS)
            .map(|count| ((count.of, count.kind, count.item), count.count))
            .collect();
        book.heard_at = Some(now);
    }

    /// What is counted where a limit is shared: `current` says the limits of a holder as they are
    /// set now, if it knows them. At most [`MAX_COUNTS`], the largest ones first.
    #[must_use]
    pub fn counts(&self, current: impl Fn(&Holder) -> Option<Limits>) -> Vec<Count> {
        let book = self.book();
        let mut counts = Vec::new();
        for (holder, tally) in &book.tally_by_holder {
            if holder.is_shared() {
                let limits = current(holder).unwrap_or(tally.limits);
                tally.count_into(holder, &limits, &mut counts);
            }
        }
        drop(book);
        if counts.len() > MAX_COUNTS {
            counts.sort_unstable_by_key(|count: &Count| std::cmp::Reverse(count.count));
            counts.truncate(MAX_COUNTS);
        }
        counts
    }

    /// What one holder has: connections, and publishers among them.
    #[must_use]
    pub fn held_by(&self, holder: &Holder) -> (u64, u64) {
        let book = self.book();
        let tally = book.tally_by_holder.get(holder);
        tally.map_or((0, 0), |tally| (tally.connections, tally.publishers))
    }

    /// Grows whenever a place under a shared limit is taken or given back.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.book().changes
    }

    /// Takes what the sessions of each holder moved since the last time; called about once a second.
    /// Holders that have nothing any more are forgotten.
    pub fn measure(&self, moved: &HashMap<Holder, Moved>, now: Duration) {
        let mut book = self.book();
        let before = book.measured_at.replace(now);
        let since = before.map_or(Duration::ZERO, |before| now.saturating_sub(before));
        for holder in moved.keys() {
            if !book.tally_by_holder.contains_key(holder) {
                book.tally_by_holder
                    .insert(holder.clone(), Tally::default());
            }
        }
        book.tally_by_holder.retain(|holder, tally| {
            let moved = moved.get(holder).copied().unwrap_or_default();
            tally.measure(moved, since);
            !tally.is_idle(now)
        });
    }

    /// How often a limit refused somebody, by whose and which limit it was.
    #[must_use]
    pub fn refused(&self) -> BTreeMap<(&'static str, LimitKind), u64> {
        self.book().refused.clone()
    }
}

/// What is needed to know how much of a shared limit is this edge's.
struct Room<'a> {
    snapshot: &'a Snapshot,
    /// Found when a shared limit is looked at.
    sharers: Option<Vec<EdgeId>>,
    now: Duration,
}

impl Room<'_> {
    fn sharers(&mut self) -> &[EdgeId] {
        let snapshot = self.snapshot;
        self.sharers.get_or_insert_with(|| {
            let own = snapshot.own();
            own.map_or_else(|| vec![snapshot.edge], |own| sharers(own, &snapshot.edges))
        })
    }
}

/// What this edge may have of a limit.
struct Part {
    allowed: u64,
    elsewhere: u64,
    share: u64,
}

impl Book {
    fn check(
        &self,
        room: &mut Room<'_>,
        holder: &Holder,
        limits: &Limits,
        place: &Place,
    ) -> Result<(), Reached> {
        let kinds: &[LimitKind] = match place {
            Place::Connection(_) => &[
                LimitKind::Connections,
                LimitKind::ConnectionsPerAddress,
                LimitKind::ReceiveBitsPerSecond,
                LimitKind::SendBitsPerSecond,
                LimitKind::ConnectionsPerSecond,
            ],
            Place::Viewer(_) => &[LimitKind::ViewersPerStream],
            Place::Publisher => &[LimitKind::Publishers],
        };
        let tally = self.tally_by_holder.get(holder);
        for kind in kinds {
            let Some(limit) = limits.of(*kind) else {
                continue;
            };
            let here = tally.map_or(0, |tally| tally.has(*kind, place));
            let part = self.part(room, holder, *kind, item(*kind, place), limit);
            let is_full = match kind {
                LimitKind::Connections
                | LimitKind::ConnectionsPerAddress
                | LimitKind::ViewersPerStream
                | LimitKind::Publishers => here >= part.allowed,
                LimitKind::ReceiveBitsPerSecond | LimitKind::SendBitsPerSecond => {
                    here > part.allowed || part.allowed == 0
                }
                LimitKind::ConnectionsPerSecond => {
                    let rate = part.allowed.max(part.share);
                    match tally {
                        Some(tally) => !tally.bucket.has_one(rate, room.now),
                        None => rate == 0,
                    }
                }
            };
            if is_full {
                return Err(Reached {
                    of: holder.clone(),
                    kind: *kind,
                    limit,
                    allowed: part.allowed,
                    here,
                    elsewhere: part.elsewhere,
                });
            }
        }
        Ok(())
    }

    /// What this edge may have of a limit: on its own limits all of it; of a shared one what the
    /// others leave, a share being kept for those that are not heard; its own share when nobody is.
    fn part(
        &self,
        room: &mut Room<'_>,
        holder: &Holder,
        kind: LimitKind,
        item: Option<String>,
        limit: u64,
    ) -> Part {
        if !holder.is_shared() {
            return Part {
                allowed: limit,
                elsewhere: 0,
                share: limit,
            };
        }
        let own = room.snapshot.edge;
        let now = room.now;
        let sharers = room.sharers();
        let share_of = |edge: EdgeId| share(limit, edge, sharers);
        let is_heard = self
            .heard_at
            .is_some_and(|at| now.saturating_sub(at) <= Duration::from_millis(SILENT_MS));
        if !is_heard {
            return Part {
                allowed: share_of(own),
                elsewhere: 0,
                share: share_of(own),
            };
        }
        let key = (holder.clone(), kind, item);
        let elsewhere = self.others.get(&key).copied().unwrap_or(0);
        let kept: u64 = sharers
            .iter()
            .filter(|edge| **edge != own && !self.heard.contains(edge))
            .map(|edge| share_of(*edge))
            .sum();
        Part {
            allowed: limit.saturating_sub(elsewhere).saturating_sub(kept),
            elsewhere,
            share: share_of(own),
        }
    }

    /// How many connections a second this edge may let in. Its share is always its own, so that one
    /// busy edge does not keep the clients of the others out.
    fn rate(&self, room: &mut Room<'_>, holder: &Holder, limit: u64) -> u64 {
        let part = self.part(room, holder, LimitKind::ConnectionsPerSecond, None, limit);
        part.allowed.max(part.share)
    }
}

/// What has a count of its own under this limit.
fn item(kind: LimitKind, place: &Place) -> Option<String> {
    match (kind, place) {
        (LimitKind::ViewersPerStream, Place::Viewer(stream)) => Some(stream.to_string()),
        (LimitKind::ConnectionsPerAddress, Place::Connection(addr)) => Some(addr.to_string()),
        (
            LimitKind::Connections
            | LimitKind::ViewersPerStream
            | LimitKind::Publishers
            | LimitKind::ConnectionsPerSecond
            | LimitKind::ConnectionsPerAddress
            | LimitKind::ReceiveBitsPerSecond
            | LimitKind::SendBitsPerSecond,
            Place::Connection(_) | Place::Viewer(_) | Place::Publisher,
        ) => None,
    }
}

impl Held {
    /// Whose places they are.
    #[must_use]
    pub fn holders(&self) -> &[Holder] {
        &self.holders
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.limiter.give_back(&self.holders, &self.place);
    }
}

impl Reached {
    /// What the client is told: whose kind of limit it is, and its value, but no name.
    #[must_use]
    pub fn says(&self) -> String {
        let whose = match &self.of {
            Holder::Edge { .. } => "on this edge",
            Holder::Route { .. } => "for this application",
            Holder::Client { .. } => "for this client",
            Holder::Token { .. } => "for this token",
        };
        format!("{} {whose}", self.kind.sentence(self.limit))
    }
}

#[cfg(test)]
mod tests;
