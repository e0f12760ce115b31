//! The file of one stored part: what it is, a note, its bytes, each under a checksum.
//!
//! Parts go in, bytes of a file come out, and back. The invariant: what was torn or altered anywhere
//! reads as nothing, never as something else. It does not know directories.

use std::io::{self, Read};

use bytes::{BufMut as _, Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

/// What a file begins with; another format begins otherwise.
const MARK: &[u8; 8] = b"weirpt1\n";
/// Mark, length of the head, checksum of the head.
const PREFIX: usize = 8 + 4 + 32;
/// Bounds of what a head says. Chosen: an object's name holds an application and a stream (or a
/// URL), a note some bytes for each place in a part.
pub(super) const MAX_OBJECT: usize = 16 << 10;
pub(super) const MAX_NOTE: usize = 256 << 10;
const MAX_HEAD: usize = MAX_OBJECT + MAX_NOTE + 64;

/// The head of a file: all that is needed to know what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) object: String,
    pub(super) part: u64,
    pub(super) note: Bytes,
    /// Bytes of the body.
    pub(super) size: u64,
    sum: [u8; 32],
}

impl Head {
    /// Bytes of the whole file.
    pub(super) fn file_size(&self) -> u64 {
        (PREFIX + self.encoded_len()) as u64 + self.size
    }

    fn encoded_len(&self) -> usize {
        2 + self.object.len() + 8 + 4 + self.note.len() + 8 + 32
    }

    fn encode(&self) -> BytesMut {
        let mut out = BytesMut::with_capacity(self.encoded_len());
        out.put_u16(u16::try_from(self.object.len()).unwrap_or(u16::MAX));
        out.put_slice(self.object.as_bytes());
        out.put_u64(self.part);
        out.put_u32(u32::try_from(self.note.len()).unwrap_or(u32::MAX));
        out.put_slice(&self.note);
        out.put_u64(self.size);
        out.put_slice(&self.sum);
        out
    }

    fn parse(bytes: &Bytes) -> Option<Self> {
        use bytes::Buf as _;
        let mut rest = bytes.clone();
        let length = usize::from(rest.try_get_u16().ok()?);
        let object = String::from_utf8(take(&mut rest, length)?.to_vec()).ok()?;
        let part = rest.try_get_u64().ok()?;
        let length = usize::try_from(rest.try_get_u32().ok()?).ok()?;
        let note = take(&mut rest, length)?;
        let size = rest.try_get_u64().ok()?;
        let sum = rest.as_ref().try_into().ok()?;
        Some(Self {
            object,
            part,
            note,
            size,
            sum,
        })
    }

    /// Reads the head of a file; `None` where it is not whole.
    pub(super) fn read(file: &mut impl Read) -> io::Result<Option<Self>> {
        let mut prefix = [0; PREFIX];
        if !filled(file, &mut prefix)? || prefix[..8] != *MARK {
            return Ok(None);
        }
        let length = prefix[8..12].try_into().map_or(0, u32::from_be_bytes);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_HEAD {
            return Ok(None);
        }
        let mut head = vec![0; length];
        if !filled(file, &mut head)? || Sha256::digest(&head)[..] != prefix[12..] {
            return Ok(None);
        }
        Ok(Self::parse(&Bytes::from(head)))
    }
}

/// The bytes of a part's file before its body. `None` for a name or note that is too long.
pub(super) fn lead(object: &str, part: u64, note: &Bytes, body: &[u8]) -> Option<Bytes> {
    if object.len() > MAX_OBJECT || note.len() > MAX_NOTE {
        return None;
    }
    let head = Head {
        object: object.to_owned(),
        part,
        note: note.clone(),
        size: body.len() as u64,
        sum: Sha256::digest(body).into(),
    };
    let head = head.encode();
    let mut out = BytesMut::with_capacity(PREFIX + head.len());
    out.put_slice(MARK);
    out.put_u32(u32::try_from(head.len()).ok()?);
    out.put_slice(&Sha256::digest(&head));
    out.put_slice(&head);
    Some(out.freeze())
}

/// Reads a file whole: the body of exactly this part, or nothing.
pub(super) fn read(file: &mut impl Read, object: &str, part: u64) -> io::Result<Option<Bytes>> {
    let Some(head) = Head::read(file)? else {
        return Ok(None);
    };
    if head.object != object || head.part != part {
        return Ok(None);
    }
    let Ok(size) = usize::try_from(head.size) else {
        return Ok(None);
    };
    // What the file has bounds what is taken, not what it says.
    let mut body = Vec::new();
    file.take(head.size + 1).read_to_end(&mut body)?;
    let whole = body.len() == size && Sha256::digest(&body)[..] == head.sum;
    Ok(whole.then(|| Bytes::from(body)))
}

fn take(rest: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= rest.len()).then(|| rest.split_to(length))
}

/// Whether there was as much as was wanted.
fn filled(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn whole() -> Vec<u8> {
        let body = b"some media";
        let mut whole = lead("a/b", 7, &Bytes::from_static(b"note"), body)
            .unwrap()
            .to_vec();
        whole.extend_from_slice(body);
        whole
    }

    #[test]
    fn a_part_reads_back_as_it_was_written() {
        let whole = whole();
        let head = Head::read(&mut &whole[..]).unwrap().unwrap();
        assert_eq!(
            (head.object.as_str(), head.part, &head.note[..], head.size),
            ("a/b", 7, &b"note"[..], 10)
        );
        assert_eq!(head.file_size(), whole.len() as u64);
        let body = read(&mut &whole[..], "a/b", 7).unwrap().unwrap();
        assert_eq!(&body[..], b"some media");
        assert!(read(&mut &whole[..], "a/b", 8).unwrap().is_none());
        assert!(read(&mut &whole[..], "a/c", 7).unwrap().is_none());
    }

    #[test]
    fn any_damage_reads_as_nothing() {
        let whole = whole();
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            assert!(read(&mut &altered[..], "a/b", 7).unwrap().is_none(), "{at}");
            let cut = &whole[..at];
            assert!(read(&mut &cut[..], "a/b", 7).unwrap().is_none(), "cut {at}");
        }
        let mut longer = whole;
        longer.push(0);
        assert!(read(&mut &longer[..], "a/b", 7).unwrap().is_none());
    }
}
