//! The first bytes of FLV video and audio bodies, plain and enhanced (veovera Enhanced RTMP v2).
//!
//! Bytes in, a [`Look`] out. Reads a byte only after having seen that it is there.

use super::{Codec, Look, Slot, Track};

/// Codec numbers of plain FLV. 12 is the number that Chinese encoders use for HEVC.
const AVC: u8 = 7;
const HEVC: u8 = 12;
const AAC: u8 = 10;
/// The audio format that says that an enhanced header follows.
const ENHANCED_AUDIO: u8 = 9;

/// Packet types of Enhanced RTMP that video and audio share.
const SEQUENCE_START: u8 = 0;
const SEQUENCE_END: u8 = 2;
/// For video: color and the like; for audio: which channel is where.
const METADATA: u8 = 4;
const MPEG2_SEQUENCE_START: u8 = 5;
const MOD_EX: u8 = 7;
/// Of ModEx parts that may stand before the packet. Chosen, because the specification knows one.
const MAX_MOD_EX: usize = 8;

/// Looks at the body of a video message.
pub(super) fn video(body: &[u8]) -> Look {
    let mut look = Look::plain(Track::Video);
    let Some(first) = body.first() else {
        return look;
    };
    let key = (first >> 4) & 0b111 == 1;
    if first & 0x80 == 0 {
        let codec = first & 0x0f;
        look.codec = plain_video(codec);
        let framed = codec == AVC || codec == HEVC;
        match body.get(1) {
            Some(0) if framed => look.slot = Some(Slot::Video(0)),
            // 2 is the end of the sequence.
            Some(2) if framed => {}
            Some(_) | None => look.keyframe = key,
        }
        return look;
    }
    let Some(packet) = enhanced(body, 6) else {
        return look;
    };
    look.codec = packet.codec;
    match packet.kind {
        SEQUENCE_START | MPEG2_SEQUENCE_START => look.slot = Some(Slot::Video(packet.track)),
        METADATA => look.slot = Some(Slot::VideoMetadata),
        SEQUENCE_END => {}
        _ => look.keyframe = key,
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
            look.slot = Some(Slot::Audio(0));
        }
        return look;
    }
    let Some(packet) = enhanced(body, 5) else {
        return look;
    };
    look.codec = packet.codec;
    match packet.kind {
        SEQUENCE_START => look.slot = Some(Slot::Audio(packet.track)),
        METADATA => look.slot = Some(Slot::AudioChannels),
        _ => {}
    }
    look
}

struct Packet {
    kind: u8,
    codec: Option<Codec>,
    track: u8,
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
    let mut track = 0;
    let mut codec = None;
    if kind == multitrack {
        let wrapped = *rest.first()?;
        rest = &rest[1..];
        kind = wrapped & 0x0f;
        // 2: many tracks, each with a codec of its own behind its number.
        if wrapped >> 4 != 2 {
            codec = four_cc(rest);
            rest = rest.get(4..)?;
        }
        track = *rest.first()?;
    } else {
        codec = four_cc(rest);
    }
    Some(Packet { kind, codec, track })
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

    fn check(look: Look, codec: &str, keyframe: bool, slot: Option<Slot>) {
        let seen = look.codec.map(|codec| codec.to_string());
        assert_eq!(seen.unwrap_or_default(), codec, "{look:?}");
        assert_eq!((look.keyframe, look.slot), (keyframe, slot), "{look:?}");
    }

    #[test]
    fn tells_plain_video_apart() {
        check(
            video(&[0x17, 0, 0, 0, 0]),
            "avc",
            false,
            Some(Slot::Video(0)),
        );
        check(video(&[0x17, 1, 0, 0, 0]), "avc", true, None);
        check(video(&[0x27, 1, 0, 0, 0]), "avc", false, None);
        check(video(&[0x17, 2, 0, 0, 0]), "avc", false, None);
        check(video(&[0x1c, 0]), "hevc", false, Some(Slot::Video(0)));
        check(video(&[0x12]), "h263", true, None);
        check(video(&[0x57, 0]), "avc", false, Some(Slot::Video(0)));
        check(video(&[]), "", false, None);
    }

    #[test]
    fn tells_enhanced_video_apart() {
        check(video(b"\x90hvc1"), "hvc1", false, Some(Slot::Video(0)));
        check(video(b"\x91hvc1\0\0\0"), "hvc1", true, None);
        check(video(b"\xa1hvc1\0\0\0"), "hvc1", false, None);
        check(video(b"\x93av01"), "av01", true, None);
        check(video(b"\xa3av01"), "av01", false, None);
        check(video(b"\x92av01"), "av01", false, None);
        check(video(b"\x94hvc1"), "hvc1", false, Some(Slot::VideoMetadata));
        // One track of several: its number follows the codec.
        check(
            video(b"\x96\x00hvc1\x02"),
            "hvc1",
            false,
            Some(Slot::Video(2)),
        );
        check(video(b"\x96\x01hvc1\x02"), "hvc1", true, None);
        // A part of one byte stands before the packet.
        check(video(b"\x97\x00\x00\x01vp09"), "vp09", true, None);
        check(video(b"\x91hv"), "", true, None);
        check(video(b"\x97"), "", false, None);
        check(video(b"\x97\xff\xff"), "", false, None);
    }

    #[test]
    fn tells_audio_apart() {
        check(audio(&[0xaf, 0, 0x12]), "aac", false, Some(Slot::Audio(0)));
        check(audio(&[0xaf, 1]), "aac", false, None);
        check(audio(&[0x2f]), "mp3", false, None);
        check(audio(b"\x90Opus"), "Opus", false, Some(Slot::Audio(0)));
        check(audio(b"\x91Opus"), "Opus", false, None);
        check(audio(b"\x94Opus"), "Opus", false, Some(Slot::AudioChannels));
        check(
            audio(b"\x95\x00Opus\x01"),
            "Opus",
            false,
            Some(Slot::Audio(1)),
        );
        check(audio(&[]), "", false, None);
    }
}
