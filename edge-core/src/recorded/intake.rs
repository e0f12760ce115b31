//! Makes pieces of what a server sends of a recording.
//!
//! The messages of one fetch go in, in order; finished pieces come out, and what grows may be
//! looked at. The invariants: a piece begins where every other fetch would begin it; what a server
//! says to its own players is no part of a recording; a piece is bounded.

use rtmp::{Message, MessageKind, data};

use super::{Head, Item, Piece, Until};
use crate::media::Track;

/// Data by which a server speaks to its own players.
const OF_THE_SERVER: [&str; 2] = ["|RtmpSampleAccess", "onPlayStatus"];
/// Sound without pictures is cut where a new stretch of so many milliseconds begins.
const AUDIO_PIECE_MS: u32 = 1_000;
/// A piece is cut at the latest when it has so many bytes. Chosen, because it is held in memory: 30
/// seconds without a keyframe at 4 Mbit/s.
const MAX_PIECE_BYTES: usize = 16 << 20;

/// What a fetch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The recording from its begin.
    Begin,
    /// What follows a piece that ends exactly here.
    Exact(u32),
    /// What a viewer needs that seeks to here.
    Seek(u32),
}

impl Goal {
    /// The time that is wanted.
    #[must_use]
    pub fn at(self) -> u32 {
        match self {
            Self::Begin => 0,
            Self::Exact(at) | Self::Seek(at) => at,
        }
    }
}

/// What a message brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Nothing for a viewer.
    Nothing,
    /// The piece that grows has one message more.
    Item,
    /// A piece is finished, and the next one begun.
    Piece(Piece),
    /// The server began after what is wanted, at this time: it has to be asked for an earlier one.
    Late(u32),
}

/// One fetch's messages on their way to pieces.
#[derive(Debug)]
pub struct Intake {
    goal: Goal,
    takes_late: bool,
    growing: Option<Piece>,
    bytes: usize,
    video: bool,
    last: u32,
}

impl Intake {
    /// The intake of a fetch.
    #[must_use]
    pub fn new(goal: Goal) -> Self {
        Self {
            goal,
            takes_late: false,
            growing: (goal == Goal::Begin).then(|| begin(0)),
            bytes: 0,
            video: false,
            last: 0,
        }
    }

    /// From now on what begins too late is taken: the server has nothing earlier.
    pub fn take_late(&mut self) {
        self.takes_late = true;
    }

    /// The piece that grows, from its begin; its end is not known yet.
    #[must_use]
    pub fn growing(&self) -> Option<(u32, &[Item])> {
        let piece = self.growing.as_ref()?;
        Some((piece.from, &piece.items))
    }

    /// The time of the newest message taken.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.last
    }

    /// Takes the next message.
    pub fn take(&mut self, message: &Message, head: &mut Head) -> Taken {
        if !message.kind.is_timed() || is_of_the_server(message) {
            return Taken::Nothing;
        }
        let item = Item::new(message);
        if self.growing.is_some() {
            return self.grow(item, head);
        }
        if item.look.slot.is_some() {
            head.keep(&item);
            return Taken::Nothing;
        }
        if !self.may_begin(&item, head) {
            return Taken::Nothing;
        }
        let (at, from) = (self.goal.at(), item.timestamp);
        if from > at && !self.takes_late {
            return Taken::Late(from);
        }
        if from < at && matches!(self.goal, Goal::Exact(_)) {
            return Taken::Nothing;
        }
        self.growing = Some(begin(from));
        self.push(item);
        Taken::Item
    }

    fn may_begin(&self, item: &Item, head: &Head) -> bool {
        let sound = item.look.track == Track::Audio && !self.video && !head.has_video();
        item.look.keyframe || sound
    }

    fn grow(&mut self, item: Item, head: &mut Head) -> Taken {
        head.keep(&item);
        if self.goal == Goal::Begin {
            head.begin(&item);
        }
        let Some(piece) = &mut self.growing else {
            return Taken::Nothing;
        };
        self.video |= item.look.track == Track::Video;
        let (from, at) = (piece.from, item.timestamp);
        let sound = item.look.track == Track::Audio && item.look.slot.is_none();
        let without_pictures = sound && !self.video && !head.has_video();
        let cut = at > from
            && (item.look.keyframe
                || (without_pictures && at / AUDIO_PIECE_MS > from / AUDIO_PIECE_MS)
                || self.bytes >= MAX_PIECE_BYTES);
        if !cut {
            self.push(item);
            return Taken::Item;
        }
        piece.until = Until::Next(at);
        let finished = std::mem::replace(piece, begin(at));
        self.bytes = 0;
        self.push(item);
        Taken::Piece(finished)
    }

    fn push(&mut self, item: Item) {
        self.last = self.last.max(item.timestamp);
        self.bytes += item.bytes.len();
        if let Some(piece) = &mut self.growing {
            piece.items.push(item);
        }
    }

    /// The server says that this was all: the last piece, if any was begun.
    #[must_use]
    pub fn end(&mut self, head: &mut Head) -> Option<Piece> {
        if self.goal == Goal::Begin {
            head.end();
        }
        let piece = self.growing.take()?;
        Some(Piece {
            until: Until::End(self.last),
            ..piece
        })
    }
}

/// A piece that nobody knows the end of.
fn begin(from: u32) -> Piece {
    Piece {
        from,
        until: Until::End(from),
        items: Vec::new(),
    }
}

fn is_of_the_server(message: &Message) -> bool {
    let data = matches!(message.kind, MessageKind::DataAmf0 | MessageKind::DataAmf3);
    data && data::name(message).is_some_and(|name| OF_THE_SERVER.contains(&name.as_str()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::recorded::fixture::{
        audio, audio_header, inter, key, metadata, recording, video, video_header,
    };
    use rtmp::amf::Value;

    fn pieces(intake: &mut Intake, head: &mut Head, messages: &[Message]) -> Vec<Piece> {
        let mut all: Vec<Piece> = messages
            .iter()
            .filter_map(|message| match intake.take(message, head) {
                Taken::Piece(piece) => Some(piece),
                Taken::Nothing | Taken::Item => None,
                Taken::Late(at) => panic!("late at {at}"),
            })
            .collect();
        all.extend(intake.end(head));
        all
    }

    #[test]
    fn a_recording_is_cut_at_its_keyframes_and_nothing_is_lost() {
        let (mut intake, mut head) = (Intake::new(Goal::Begin), Head::default());
        let mut sent = recording(5);
        let access = data::message(1, 0, &["|RtmpSampleAccess".into(), Value::Boolean(true)]);
        sent.insert(0, access);
        let all = pieces(&mut intake, &mut head, &sent);
        let bounds: Vec<_> = all.iter().map(|piece| (piece.from, piece.until)).collect();
        let expected = [
            (0, Until::Next(2_000)),
            (2_000, Until::Next(4_000)),
            (4_000, Until::End(4_510)),
        ];
        assert_eq!(bounds, expected);
        let items: Vec<Item> = all.into_iter().flat_map(|piece| piece.items).collect();
        let expected: Vec<Item> = recording(5).iter().map(Item::new).collect();
        assert_eq!(items, expected);
        assert!(head.is_whole() && head.length_ms() == Some(5_000));
    }

    #[test]
    fn pieces_of_any_later_fetch_are_those_of_the_first() {
        let (mut first, mut head) = (Intake::new(Goal::Begin), Head::default());
        let all = pieces(&mut first, &mut head, &recording(20));
        for (goal, begins) in [
            (Goal::Exact(6_000), 6_000),
            (Goal::Seek(6_000), 6_000),
            (Goal::Seek(7_999), 6_000),
        ] {
            // Servers begin at the keyframe, and say the headers again.
            for early in [6_000, 5_000] {
                if early < begins && matches!(goal, Goal::Seek(_)) {
                    continue;
                }
                let mut sent = vec![metadata(20.0), video_header(early), audio_header(early)];
                let rest = recording(20);
                sent.extend(
                    rest[3..]
                        .iter()
                        .filter(|one| one.timestamp >= early)
                        .cloned(),
                );
                let mut intake = Intake::new(goal);
                let later = pieces(&mut intake, &mut head, &sent);
                assert_eq!(later, all[3..], "{goal:?} {early}");
            }
        }
    }

    #[test]
    fn a_server_that_begins_too_late_is_told_of() {
        let mut head = Head::default();
        for goal in [Goal::Exact(6_000), Goal::Seek(7_000)] {
            let mut intake = Intake::new(goal);
            assert_eq!(intake.take(&inter(7_500), &mut head), Taken::Nothing);
            assert_eq!(intake.take(&key(8_000), &mut head), Taken::Late(8_000));
            intake.take_late();
            assert_eq!(intake.take(&key(8_000), &mut head), Taken::Item);
            assert_eq!(intake.growing().unwrap().0, 8_000);
        }
    }

    #[test]
    fn sound_alone_is_cut_each_second_wherever_a_fetch_begins() {
        let sent = |from: u32| -> Vec<Message> {
            let mut all = vec![audio_header(from)];
            all.extend((from..5_000).step_by(230).map(audio));
            all
        };
        let (mut intake, mut head) = (Intake::new(Goal::Begin), Head::default());
        let all = pieces(&mut intake, &mut head, &sent(0));
        let from: Vec<u32> = all.iter().map(|piece| piece.from).collect();
        assert_eq!(from, [0, 1_150, 2_070, 3_220, 4_140]);
        let mut intake = Intake::new(Goal::Exact(2_070));
        assert_eq!(pieces(&mut intake, &mut head, &sent(0)), all[2..]);
    }

    #[test]
    fn a_piece_without_end_is_cut_all_the_same() {
        let (mut intake, mut head) = (Intake::new(Goal::Begin), Head::default());
        let mut sent = vec![key(0)];
        sent.extend((1..20).map(|at| video(at * 40, 2, 1 << 20)));
        let all = pieces(&mut intake, &mut head, &sent);
        assert_eq!(all.len(), 2);
        assert!(all[0].size() <= MAX_PIECE_BYTES + (2 << 20));
    }

    #[test]
    fn an_empty_recording_is_one_empty_piece() {
        let (mut intake, mut head) = (Intake::new(Goal::Begin), Head::default());
        let all = pieces(&mut intake, &mut head, &[]);
        assert_eq!((all.len(), all[0].until), (1, Until::End(0)));
        assert!(head.is_whole());
        assert_eq!(Intake::new(Goal::Seek(9)).end(&mut head), None);
    }
}
