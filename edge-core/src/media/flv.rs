//! The first bytes of FLV video and audio bodies, plain and enhanced (veovera Enhanced RTMP v2).
//!
//! Bytes in, a [`Look`] out. Reads a byte only after having seen that it is there.

use super::{Codec, Look, Slot, Track, Tracks};

/// Codec numbers of plain FLV. 12 is the number that Chinese encoders use for HEVC.
const AVC: u8 = 7;
const HEVC: u8 = 12;
const AAC: u8 = 10;
/// The audio format that says that an enhanced header follows.
const ENHANCED_AUDIO: u8 = 9;

/// Frame types of video.
const KEY: u8 = 1;
/// No picture but a word to the player, such as that a seek begins.
const COMMAND: u8 = 5;

/// Packet types of Enhanced RTMP that video and audio share.
const SEQUENCE_START: u8 = 0;
const SEQUENCE_END: u8 = 2;
/// For video: color and the like; for audio: which channel is where.
const METADATA: u8 = 4;
const MPEG2_SEQUENCE_START: u8 = 5;
const MOD_EX: u8 = 7;
/// Packet types that wrap those of several tracks.
const VIDEO_MULTITRACK: u8 = 6;
const AUDIO_MULTITRACK: u8 = 5;
/// How they do it: one track, many of one codec, or many with a codec each.
const ONE_TRACK: u8 = 0;
const MANY_CODECS: u8 = 2;
/// Of ModEx parts that may stand before the packet. Chosen, because the specification knows one.
const MAX_MOD_EX: usize = 8;
/// Of tracks in one message: as many as there are numbers.
const MAX_TRACKS: usize = 256;

/// Looks at the body of a video message.
pub(super) fn video(body: &[u8]) -> Look {
    let mut look = Look::plain(Track::Video);
    let Some(first) = body.first() else {
        return look;
    };
    let frame = (first >> 4) & 0b111;
    if first & 0x80 == 0 {
        let codec = first & 0x0f;
        look.codec = plain_video(codec);
        let framed = codec == AVC || codec == HEVC;
        match body.get(1) {
            Some(_) if frame == COMMAND => {}
            Some(0) if framed => look.slot = Some(Slot::Video),
            // 2 is the end of the sequence.
            Some(2) if framed => {}
            Some(_) | None => look.keyframe = frame == KEY,
        }
        return look;
    }
    let Some(packet) = enhanced(body, VIDEO_MULTITRACK) else {
        return look;
    };
    // What follows a command is its number; only metadata is sent as one with a codec behind it.
    if frame == COMMAND && packet.kind != METADATA {
        return look;
    }
    look.codec = packet.codec;
    look.tracks = packet.tracks;
    match packet.kind {
        SEQUENCE_START | MPEG2_SEQUENCE_START => look.slot = Some(Slot::Video),
        METADATA => look.slot = Some(Slot::VideoMetadata),
        SEQUENCE_END => {}
        _ => look.keyframe = frame == KEY,
    }
    look
}

/// Looks at the body of an audio message.
pub(super) fn audio(body: &[u8]) -> Look {
    let mut look = Look::plain(Track::Audio);
    let Some(first) = body.first() else {
        return look;
    };
    let format = first >> 4;
    if format != ENHANCED_AUDIO {
        look.codec = plain_audio(format);
        if format == AAC && body.get(1) == Some(&0) {
            look.slot = Some(Slot::Audio);
        }
        return look;
    }
    let Some(packet) = enhanced(body, AUDIO_MULTITRACK) else {
        return look;
    };
    look.codec = packet.codec;
    look.tracks = packet.tracks;
    match packet.kind {
        SEQUENCE_START => look.slot = Some(Slot::Audio),
        METADATA => look.slot = Some(Slot::AudioChannels),
        _ => {}
    }
    look
}

struct Packet {
    kind: u8,
    /// Of the first track, where there are several.
    codec: Option<Codec>,
    tracks: Tracks,
}

/// Reads an enhanced header; `multitrack` is the packet type that wraps others. `None` where it is
/// cut short.
fn enhanced(body: &[u8], multitrack: u8) -> Option<Packet> {
    let (first, mut rest) = body.split_first()?;
    let mut kind = first & 0x0f;
    for _ in 0..MAX_MOD_EX {
        if kind != MOD_EX {
            break;
        }
        let mut size = usize::from(*rest.first()?) + 1;
        rest = &rest[1..];
        if size == 256 {
            size = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])) + 1;
            rest = &rest[2..];
        }
        kind = rest.get(size)? & 0x0f;
        rest = &rest[size + 1..];
    }
    if kind == multitrack {
        return wrapped(rest);
    }
    Some(Packet {
        kind,
        codec: four_cc(rest),
        tracks: Tracks::FIRST,
    })
}

/// Reads what stands behind the packet type that wraps others.
fn wrapped(body: &[u8]) -> Option<Packet> {
    let (first, mut rest) = body.split_first()?;
    let (how, kind) = (first >> 4, first & 0x0f);
    let each = usize::from(how == MANY_CODECS) * 4;
    let codec = four_cc(rest);
    if each == 0 {
        rest = rest.get(4..)?;
    }
    let mut tracks = Tracks::one(*rest.get(each)?);
    if how != ONE_TRACK {
        // Codec, number and size stand before each track; what is cut short names no further one.
        for _ in 0..MAX_TRACKS {
            let Some([track, high, middle, low]) = rest.get(each..each + 4) else {
                break;
            };
            tracks.insert(*track);
            let size = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
            let Some(next) = rest.get(each + 4 + size..) else {
                break;
            };
            rest = next;
        }
    }
    Some(Packet {
        kind,
        codec,
        tracks,
    })
}

fn four_cc(bytes: &[u8]) -> Option<Codec> {
    let code: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    let printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    code.iter().all(printable).then_some(Codec::FourCc(code))
}

fn plain_video(codec: u8) -> Option<Codec> {
    Some(Codec::Known(match codec {
        2 => "h263",
        3 | 6 => "screen",
        4 | 5 => "vp6",
        AVC => "avc",
        HEVC => "hevc",
        _ => return None,
    }))
}

fn plain_audio(format: u8) -> Option<Codec> {
    Some(Codec::Known(match format {
        0 | 3 => "pcm",
        1 => "adpcm",
        2 | 14 => "mp3",
        4..=6 => "nellymoser",
        7 | 8 => "g711",
        AAC => "aac",
        11 => "speex",
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(look: Look, codec: &str, keyframe: bool, slot: Option<Slot>) {
        let seen = look.codec.map(|codec| codec.to_string());
        assert_eq!(seen.unwrap_or_default(), codec, "{look:?}");
        assert_eq!((look.keyframe, look.slot), (keyframe, slot), "{look:?}");
    }

    #[track_caller]
    fn check_tracks(look: Look, slot: Option<Slot>, tracks: &[u8]) {
        assert_eq!(look.slot, slot, "{look:?}");
        let seen: Vec<u8> = (0..=255).filter(|one| look.tracks.contains(*one)).collect();
        assert_eq!(seen, tracks, "{look:?}");
    }

    const VIDEO: Option<Slot> = Some(Slot::Video);
    const AUDIO: Option<Slot> = Some(Slot::Audio);

    #[test]
    fn tells_plain_video_apart() {
        check(video(&[0x17, 0, 0, 0, 0]), "avc", false, VIDEO);
        check(video(&[0x17, 1, 0, 0, 0]), "avc", true, None);
        check(video(&[0x27, 1, 0, 0, 0]), "avc", false, None);
        check(video(&[0x17, 2, 0, 0, 0]), "avc", false, None);
        check(video(&[0x1c, 0]), "hevc", false, VIDEO);
        check(video(&[0x12]), "h263", true, None);
        // A seek begins: what looks like settings of a decoder is no such thing.
        check(video(&[0x57, 0]), "avc", false, None);
        check(video(&[]), "", false, None);
    }

    #[test]
    fn tells_enhanced_video_apart() {
        for codec in ["avc1", "hvc1", "av01", "vp09", "vp08", "vvc1", "zzz9"] {
            let body = |first: u8| [&[first], codec.as_bytes(), &[0, 0, 0]].concat();
            check(video(&body(0x90)), codec, false, VIDEO);
            check(video(&body(0x91)), codec, true, None);
            check(video(&body(0xa1)), codec, false, None);
            check(video(&body(0x92)), codec, false, None);
            check(video(&body(0x93)), codec, true, None);
            check(video(&body(0xa3)), codec, false, None);
            check(video(&body(0x95)), codec, false, VIDEO);
            for metadata in [0x94, 0xd4] {
                let look = video(&body(metadata));
                check(look, codec, false, Some(Slot::VideoMetadata));
            }
        }
        // A command has a number behind it, and no codec.
        check(video(b"\xd0\x00"), "", false, None);
        check(video(b"\xd0hvc1"), "", false, None);
        // A part of one byte stands before the packet.
        check(video(b"\x97\x00\x00\x01vp09"), "vp09", true, None);
        // Nanoseconds, then a part of 257 bytes.
        let long = [
            &b"\x97\x02\x00\x0f\xff\x07\xff\x01\x00"[..],
            &[7; 257],
            b"\x01vp09",
        ];
        check(video(&long.concat()), "vp09", true, None);
        check(video(b"\x91\0\0\0\0"), "", true, None);
        check(video(b"\x91hv"), "", true, None);
        check(video(b"\x97"), "", false, None);
        check(video(b"\x97\xff\xff"), "", false, None);
    }

    #[test]
    fn tells_audio_apart() {
        check(audio(&[0xaf, 0, 0x12]), "aac", false, AUDIO);
        check(audio(&[0xaf, 1]), "aac", false, None);
        check(audio(&[0x2f]), "mp3", false, None);
        for codec in ["Opus", "fLaC", "ac-3", "ec-3", "mp4a", ".mp3", "zzz9"] {
            let body = |first: u8| [&[first], codec.as_bytes(), &[0]].concat();
            check(audio(&body(0x90)), codec, false, AUDIO);
            check(audio(&body(0x91)), codec, false, None);
            check(audio(&body(0x92)), codec, false, None);
            check(audio(&body(0x94)), codec, false, Some(Slot::AudioChannels));
        }
        check(audio(b"\x97\x00\x00\x01Opus"), "Opus", false, None);
        check(audio(&[]), "", false, None);
    }

    #[test]
    fn tells_tracks_apart() {
        check_tracks(video(&[0x17, 0, 0, 0, 0]), VIDEO, &[0]);
        check_tracks(video(b"\x90hvc1"), VIDEO, &[0]);
        // One of several: its number follows the codec.
        check_tracks(video(b"\x96\x00hvc1\x02"), VIDEO, &[2]);
        check(video(b"\x96\x01hvc1\x02"), "hvc1", true, None);
        let metadata = video(b"\xd6\x04hvc1\x02\x02");
        check_tracks(metadata, Some(Slot::VideoMetadata), &[2]);
        // Many of one codec: number, size, body.
        let many = b"\x96\x10hvc1\x00\0\0\x02ab\x05\0\0\x01c";
        check_tracks(video(many), VIDEO, &[0, 5]);
        check(video(many), "hvc1", false, VIDEO);
        // Many with a codec each.
        let mixed = b"\x96\x20hvc1\x01\0\0\x02abav01\xff\0\0\x01c";
        check_tracks(video(mixed), VIDEO, &[1, 255]);
        check(video(mixed), "hvc1", false, VIDEO);
        // Cut short, and with a size that is not there.
        check_tracks(video(&many[..12]), VIDEO, &[0]);
        check_tracks(video(b"\x96\x10hvc1\x03\xff\xff\xffa"), VIDEO, &[3]);
        check_tracks(video(b"\x96\x20hvc1"), None, &[0]);
        check_tracks(audio(b"\x95\x00Opus\x01"), AUDIO, &[1]);
        let channels = audio(b"\x95\x04Opus\x01\x01");
        check_tracks(channels, Some(Slot::AudioChannels), &[1]);
    }

    #[test]
    fn takes_every_beginning_of_every_body() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let body = [first, second, b'h', b'v', b'c', b'1', 1, 0, 0, 9, 1];
                for length in 0..=body.len() {
                    // That it returns is all that is asked.
                    let (picture, sound) = (video(&body[..length]), audio(&body[..length]));
                    assert_eq!((picture.track, sound.track), (Track::Video, Track::Audio));
                }
            }
        }
    }
}
