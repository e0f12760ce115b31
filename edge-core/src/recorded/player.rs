//! One viewer of a recording: where it is, and what is due when.
//!
//! What the player asks for, the messages at its place and the time go in; how many of them are due
//! comes out. The invariants: it is sent no more than it said it buffers ahead of the time that
//! passed; paused it is sent nothing; it goes on exactly where it was. It does not know where
//! messages come from or how they are written.

use std::time::Duration;

use super::{Item, Until};
use crate::media::Track;

/// What is sent ahead to a player that does not say what it buffers; ffmpeg and librtmp say 3 s.
const BUFFER_MS: u32 = 3_000;
/// What is sent ahead at least. Chosen, because below a second every hiccup is seen.
const MIN_BUFFER_MS: u32 = 1_000;

/// Where a viewer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It wants to be here; which piece that is will be found.
    Seek(u32),
    /// In a piece, with the number of the next message.
    In {
        /// Where the piece begins.
        from: u32,
        /// The next of its messages.
        next: usize,
    },
    /// At the end.
    Ended,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// So many of the messages.
    Items(usize),
    /// Nothing before this time.
    At(Duration),
    /// Nothing until the player asks for it.
    Paused,
    /// Nothing more: what it asked for ends here.
    Ended,
}

/// One viewer.
#[derive(Debug)]
pub struct Player {
    place: Place,
    /// Where what it asked for ends.
    until: Option<u32>,
    buffer_ms: u32,
    paused: bool,
    audio: bool,
    video: bool,
    /// It was at this time of the recording at that time of ours.
    clock: Option<(u32, Duration)>,
    /// What stands before this is sent without waiting, because the picture is made of it.
    wanted: u32,
}

impl Player {
    /// A viewer that wants to see from here on, for so long.
    #[must_use]
    pub fn new(start: u32, length: Option<u32>) -> Self {
        Self {
            place: Place::Seek(start),
            until: length.map(|length| start.saturating_add(length.max(1))),
            buffer_ms: BUFFER_MS,
            paused: false,
            audio: true,
            video: true,
            clock: None,
            wanted: start,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// The time of the recording at which it is, roughly: what is fetched for it follows this.
    #[must_use]
    pub fn position(&self) -> u32 {
        match self.place {
            Place::Seek(at) => at,
            Place::In { from, .. } => from,
            Place::Ended => u32::MAX,
        }
    }

    /// The player says what it buffers.
    pub fn buffers(&mut self, length_ms: u32) {
        self.buffer_ms = length_ms.max(MIN_BUFFER_MS);
    }

    /// Holds, or goes on.
    pub fn pause(&mut self, paused: bool, now: Duration) {
        if paused == self.paused {
            return;
        }
        self.paused = paused;
        if let Some((at, since)) = self.clock {
            // While it holds, `since` tells how long it had played.
            let played = milliseconds(now.saturating_sub(since));
            self.clock = Some(if paused {
                (at.saturating_add(played), now)
            } else {
                (at, now)
            });
        }
    }

    /// Goes on elsewhere.
    pub fn seek(&mut self, to: u32) {
        self.place = Place::Seek(to);
        self.wanted = to;
        self.clock = None;
    }

    /// Whether sound is wanted.
    pub fn want_audio(&mut self, wanted: bool) {
        self.audio = wanted;
    }

    /// Whether pictures are wanted.
    pub fn want_video(&mut self, wanted: bool) {
        self.video = wanted;
    }

    /// Whether a message goes to this player; settings always do.
    #[must_use]
    pub fn wants(&self, item: &Item) -> bool {
        item.look.slot.is_some()
            || match item.look.track {
                Track::Audio => self.audio,
                Track::Video => self.video,
                Track::Data => true,
            }
    }

    /// The piece in which it wants to be begins here.
    pub fn resolve(&mut self, from: u32) {
        self.place = Place::In { from, next: 0 };
    }

    /// Its piece is sent; this is how it ended.
    pub fn turn(&mut self, until: Until) {
        self.place = match until {
            Until::Next(from) => Place::In { from, next: 0 },
            Until::End(_) => Place::Ended,
        };
    }

    /// What is due of the messages from its place on, at most some; they count as sent.
    pub fn due(&mut self, items: &[Item], most: usize, now: Duration) -> Due {
        let Some(first) = items.first() else {
            return Due::Items(0);
        };
        if self.paused {
            return Due::Paused;
        }
        let (at, since) = *self
            .clock
            .get_or_insert((first.timestamp.max(self.wanted), now));
        let passed = milliseconds(now.saturating_sub(since));
        let ahead = at.saturating_add(passed).saturating_add(self.buffer_ms);
        let ends = |item: &&Item| self.until.is_none_or(|until| item.timestamp < until);
        let count = items
            .iter()
            .take(most)
            .take_while(ends)
            .take_while(|item| item.timestamp <= ahead)
            .count();
        if count > 0 {
            if let Place::In { next, .. } = &mut self.place {
                *next += count;
            }
            return Due::Items(count);
        }
        if !ends(&first) {
            return Due::Ended;
        }
        let wait = first.timestamp.saturating_sub(ahead).max(1);
        Due::At(now + Duration::from_millis(wait.into()))
    }
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::fixture::{audio, inter, key, recording, video_header};

    const MOST: usize = 1_000;

    fn items() -> Vec<Item> {
        recording(60)[3..].iter().map(Item::new).collect()
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(100_000 + ms)
    }

    /// Sends what is due; returns the time of the last message sent in all.
    fn run(player: &mut Player, items: &[Item], sent: &mut usize, now: Duration) -> Option<u32> {
        // Each round sends something, so there are only so many.
        while let Due::Items(count @ 1..) = player.due(&items[*sent..], MOST, now) {
            *sent += count;
        }
        sent.checked_sub(1).map(|last| items[last].timestamp)
    }

    #[test]
    fn a_player_is_sent_its_buffer_and_then_real_time() {
        let (items, mut sent) = (items(), 0);
        let mut player = Player::new(0, None);
        player.resolve(0);
        player.buffers(5_000);
        assert_eq!(run(&mut player, &items, &mut sent, at(0)), Some(5_000));
        let Due::At(next) = player.due(&items[sent..], MOST, at(0)) else {
            unreachable!("nothing is due");
        };
        assert_eq!(next, at(10));
        assert_eq!(run(&mut player, &items, &mut sent, at(2_000)), Some(7_000));
        player.buffers(36_000_000);
        assert_eq!(run(&mut player, &items, &mut sent, at(2_000)), Some(59_510));
    }

    #[test]
    fn a_pause_stops_the_clock() {
        let (items, mut sent) = (items(), 0);
        let mut player = Player::new(0, None);
        player.resolve(0);
        run(&mut player, &items, &mut sent, at(1_000));
        player.pause(true, at(2_000));
        assert_eq!(player.due(&items[sent..], MOST, at(9_000)), Due::Paused);
        player.pause(false, at(10_000));
        // It had played for 1 s, and buffers 3.
        assert_eq!(run(&mut player, &items, &mut sent, at(10_000)), Some(4_000));
        assert_eq!(run(&mut player, &items, &mut sent, at(11_000)), Some(5_000));
    }

    #[test]
    fn a_seek_sends_the_picture_at_once_and_paces_from_where_it_went() {
        let (items, mut sent) = (items(), 0);
        let mut player = Player::new(0, None);
        player.resolve(0);
        run(&mut player, &items, &mut sent, at(0));
        player.seek(21_500);
        assert_eq!(player.position(), 21_500);
        player.resolve(20_000);
        sent = items
            .iter()
            .position(|item| item.timestamp == 20_000)
            .unwrap_or(0);
        assert_eq!(run(&mut player, &items, &mut sent, at(50)), Some(24_500));
    }

    #[test]
    fn what_was_asked_for_ends_where_it_was_to_end() {
        let (items, mut sent) = (items(), 0);
        let mut player = Player::new(0, Some(2_000));
        player.resolve(0);
        assert_eq!(run(&mut player, &items, &mut sent, at(9_000)), Some(1_510));
        assert_eq!(player.due(&items[sent..], MOST, at(9_000)), Due::Ended);
        player.turn(Until::End(0));
        assert_eq!(player.place(), Place::Ended);
    }

    #[test]
    fn a_player_without_ears_is_sent_no_sound() {
        let mut player = Player::new(0, None);
        player.want_audio(false);
        let wants = |player: &Player, message| player.wants(&Item::new(&message));
        assert!(!wants(&player, audio(0)) && wants(&player, inter(0)));
        player.want_video(false);
        assert!(!wants(&player, key(0)) && wants(&player, video_header(0)));
    }
}
