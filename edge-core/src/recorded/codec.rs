//! Pieces and heads as bytes, for the store.
//!
//! Messages go in, bytes come out, and back without copying. What cannot be read is nothing: the
//! store's checksums make that a matter of versions, not of damage.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::{Item, Piece, Until};

/// Bytes of one entry in a part's note.
const NOTE: usize = 4 + 1 + 4 + 4 + 4;
/// Bytes of one entry in the table before the messages.
const ENTRY: usize = 4 + 4;

/// A piece's place in a part, as the part's note says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceNote {
    /// Where the piece begins in time.
    pub from: u32,
    /// Where it ends.
    pub until: Until,
    /// Where its bytes begin in the part.
    pub offset: u32,
    /// How many there are.
    pub length: u32,
}

/// Several pieces as the bytes of one part, with their note.
#[derive(Debug, Default)]
pub struct Coded {
    body: BytesMut,
    notes: Vec<PieceNote>,
}

impl Coded {
    /// Adds a piece; false where the part has become too large for it.
    pub fn push(&mut self, piece: &Piece) -> bool {
        let before = self.body.len();
        put_items(&mut self.body, &piece.items);
        let place = (
            u32::try_from(before),
            u32::try_from(self.body.len() - before),
        );
        let (Ok(offset), Ok(length)) = place else {
            self.body.truncate(before);
            return false;
        };
        self.notes.push(PieceNote {
            from: piece.from,
            until: piece.until,
            offset,
            length,
        });
        true
    }

    /// Bytes so far.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len()
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// The note, the body, and what the note says.
    #[must_use]
    pub fn finish(self) -> (Bytes, Bytes, Vec<PieceNote>) {
        let mut note = BytesMut::with_capacity(self.notes.len() * NOTE);
        for one in &self.notes {
            note.put_u32(one.from);
            put_until(&mut note, one.until);
            note.put_u32(one.offset);
            note.put_u32(one.length);
        }
        (note.freeze(), self.body.freeze(), self.notes)
    }
}

impl PieceNote {
    /// Reads a part's note.
    #[must_use]
    pub fn parse(note: &Bytes) -> Option<Vec<Self>> {
        let mut rest = note.clone();
        let mut notes = Vec::new();
        while rest.has_remaining() {
            notes.push(Self {
                from: rest.try_get_u32().ok()?,
                until: until(&mut rest)?,
                offset: rest.try_get_u32().ok()?,
                length: rest.try_get_u32().ok()?,
            });
        }
        Some(notes)
    }

    /// The piece, from the bytes of its part.
    #[must_use]
    pub fn piece(&self, body: &Bytes) -> Option<Piece> {
        let from = usize::try_from(self.offset).ok()?;
        let to = from.checked_add(usize::try_from(self.length).ok()?)?;
        if to > body.len() {
            return None;
        }
        let mut rest = body.slice(from..to);
        Some(Piece {
            from: self.from,
            until: self.until,
            items: items(&mut rest)?,
        })
    }
}

fn put_until(out: &mut BytesMut, until: Until) {
    let (kind, at) = match until {
        Until::Next(at) => (0, at),
        Until::End(at) => (1, at),
    };
    out.put_u8(kind);
    out.put_u32(at);
}

fn until(rest: &mut Bytes) -> Option<Until> {
    let (kind, at) = (rest.try_get_u8().ok()?, rest.try_get_u32().ok()?);
    match kind {
        0 => Some(Until::Next(at)),
        1 => Some(Until::End(at)),
        _ => None,
    }
}

/// Writes messages: their number, a table of times and lengths, their chunks.
pub(super) fn put_items(out: &mut BytesMut, items: &[Item]) {
    out.put_u32(u32::try_from(items.len()).unwrap_or(u32::MAX));
    for item in items {
        out.put_u32(item.timestamp);
        out.put_u32(u32::try_from(item.bytes.len()).unwrap_or(u32::MAX));
    }
    for item in items {
        out.put_slice(&item.bytes);
    }
}

/// Reads messages back, sharing the bytes.
pub(super) fn items(rest: &mut Bytes) -> Option<Vec<Item>> {
    let count = usize::try_from(rest.try_get_u32().ok()?).ok()?;
    // What is there bounds what is taken.
    let table = count
        .checked_mul(ENTRY)
        .filter(|table| *table <= rest.len())?;
    let mut table = rest.split_to(table);
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        let timestamp = table.try_get_u32().ok()?;
        let length = usize::try_from(table.try_get_u32().ok()?).ok()?;
        if length > rest.len() {
            return None;
        }
        items.push(Item::of_chunks(timestamp, rest.split_to(length))?);
    }
    Some(items)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recorded::Head;
    use crate::recorded::fixture::recording;

    fn pieces() -> Vec<Piece> {
        let items: Vec<Item> = recording(3).iter().map(Item::new).collect();
        let (first, second) = items.split_at(7);
        let piece = |from, until, items: &[Item]| Piece {
            from,
            until,
            items: items.to_vec(),
        };
        vec![
            piece(0, Until::Next(2_000), first),
            piece(2_000, Until::End(2_510), second),
            piece(9_000, Until::End(9_000), &[]),
        ]
    }

    #[test]
    fn pieces_survive_the_way_there_and_back() {
        let mut coded = Coded::default();
        assert!(coded.is_empty());
        for piece in &pieces() {
            assert!(coded.push(piece));
        }
        let (note, body, notes) = coded.finish();
        assert_eq!(PieceNote::parse(&note).as_ref(), Some(&notes));
        let back: Vec<Piece> = notes.iter().map(|one| one.piece(&body).unwrap()).collect();
        assert_eq!(back, pieces());
    }

    #[test]
    fn what_is_cut_short_is_nothing() {
        let mut coded = Coded::default();
        coded.push(&pieces()[0]);
        let (note, body, notes) = coded.finish();
        for cut in 0..body.len() {
            assert!(notes[0].piece(&body.slice(..cut)).is_none(), "{cut}");
        }
        for cut in 1..note.len() {
            assert!(PieceNote::parse(&note.slice(..cut)).is_none(), "{cut}");
        }
        let mut huge = Bytes::from_static(&[0xff; 8]);
        assert!(items(&mut huge).is_none());
    }

    /// Reads bytes as everything that the store may hold, and uses what comes of it as a viewer does.
    fn use_all(note: &Bytes, body: &Bytes) {
        for one in PieceNote::parse(note).unwrap_or_default() {
            let Some(piece) = one.piece(body) else {
                continue;
            };
            let sum: usize = piece.items.iter().map(|item| item.bytes.len()).sum();
            assert!(sum <= body.len(), "no more comes out than there is");
            for item in &piece.items {
                let (header, rest) = item.addressed(5);
                assert_eq!(header.len() + rest.len(), item.bytes.len());
                assert!(item.at(9).body().len() >= item.body().len());
            }
        }
        if let Some(head) = Head::parse(body) {
            assert!(head.headers_at(7).len() <= body.len());
            let _ = head.length_ms();
            assert!(head.is_same(&head) == head.is_whole());
            assert_eq!(Head::parse(&head.encode()), Some(head));
        }
    }

    #[test]
    fn any_altered_byte_reads_as_nothing_or_as_something_to_use() {
        let mut coded = Coded::default();
        assert!(pieces().iter().all(|piece| coded.push(piece)));
        let (note, body, _) = coded.finish();
        let mut head = Head::default();
        for item in recording(3).iter().map(Item::new) {
            head.keep(&item);
            head.begin(&item);
        }
        let head = head.encode();
        let altered = |whole: &Bytes, check: &dyn Fn(&Bytes)| {
            for at in 0..whole.len() {
                for bit in 0..8 {
                    let mut bytes = whole.to_vec();
                    bytes[at] ^= 1 << bit;
                    check(&bytes.into());
                }
            }
        };
        altered(&note, &|note| use_all(note, &body));
        altered(&body, &|body| use_all(&note, body));
        altered(&head, &|head| use_all(&note, head));
    }

    proptest! {
        #[test]
        fn any_bytes_read_as_nothing_or_as_something_to_use(
            note in proptest::collection::vec(any::<u8>(), 0..120),
            body in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            use_all(&note.into(), &body.into());
        }
    }
}
