//! Which of several tracks a stream goes by: where there are many, a viewer begins at a keyframe of
//! one of them, and that one's codec is the stream's.
//!
//! Messages go in, in the stream's order; out comes each one's [`Look`], in which only the leading
//! track's keyframes are keyframes. The leading track is the lowest number that is alive: encoders
//! send tracks of the same moment in the order of their numbers, so that who begins with the first
//! gets the others' keyframes too. It does not know time or viewers.

use rtmp::Message;

use super::{Look, Track, Tracks, look};

/// After so many keyframes of other tracks without a single message of the leading one it is gone.
/// Chosen, because that is a whole group of pictures even of eight tracks.
const GONE: u32 = 16;

/// The leading tracks of one stream.
#[derive(Debug, Clone, Default)]
pub struct Lead {
    video: Option<u8>,
    audio: Option<u8>,
    /// Keyframes of other tracks since the leading one's last message.
    others: u32,
}

impl Lead {
    /// Looks at the stream's next message.
    #[must_use]
    pub fn look(&mut self, message: &Message) -> Look {
        let mut seen = look(message);
        match seen.track {
            Track::Video => {
                if !self.video_leads(&seen) {
                    seen.keyframe = false;
                    seen.codec = None;
                }
            }
            Track::Audio => {
                if !follows(&mut self.audio, &seen.tracks) {
                    seen.codec = None;
                }
            }
            Track::Data => {}
        }
        seen
    }

    fn video_leads(&mut self, seen: &Look) -> bool {
        if seen.keyframe && self.others >= GONE {
            self.video = None;
        }
        let leads = follows(&mut self.video, &seen.tracks);
        if leads {
            self.others = 0;
        } else if seen.keyframe {
            self.others += 1;
        }
        leads
    }
}

/// Whether the leading track is among these, which it becomes if it has a lower number.
fn follows(lead: &mut Option<u8>, tracks: &Tracks) -> bool {
    let Some(lowest) = tracks.lowest() else {
        return false;
    };
    let known = *lead.get_or_insert(lowest);
    if lowest < known {
        *lead = Some(lowest);
    }
    lowest < known || tracks.contains(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtmp::MessageKind;

    fn video(lead: &mut Lead, body: &[u8]) -> (bool, String) {
        let message = Message::new(MessageKind::Video, 0, 1, body.to_vec());
        let look = lead.look(&message);
        let codec = look.codec.map(|codec| codec.to_string());
        (look.keyframe, codec.unwrap_or_default())
    }

    #[track_caller]
    fn check(lead: &mut Lead, body: &[u8], keyframe: bool, codec: &str) {
        assert_eq!(video(lead, body), (keyframe, codec.to_owned()), "{body:x?}");
    }

    const SECOND_KEY: &[u8] = b"\x96\x01hvc1\x01";
    const THIRD_KEY: &[u8] = b"\x96\x01av01\x02";

    #[test]
    fn a_viewer_begins_with_the_first_of_several_tracks() {
        let mut lead = Lead::default();
        check(&mut lead, &[0x17, 1, 0, 0, 0], true, "avc");
        check(&mut lead, SECOND_KEY, false, "");
        check(&mut lead, THIRD_KEY, false, "");
        check(&mut lead, &[0x27, 1, 0, 0, 0], false, "avc");
        // Both in one message.
        let both = b"\x96\x11hvc1\x00\0\0\x01k\x01\0\0\x01k";
        check(&mut lead, both, true, "hvc1");
    }

    #[test]
    fn without_a_track_0_the_lowest_leads() {
        let mut lead = Lead::default();
        check(&mut lead, THIRD_KEY, true, "av01");
        check(&mut lead, SECOND_KEY, true, "hvc1");
        check(&mut lead, THIRD_KEY, false, "");
    }

    #[test]
    fn a_track_that_ended_no_longer_leads() {
        let mut lead = Lead::default();
        check(&mut lead, SECOND_KEY, true, "hvc1");
        for _ in 0..GONE {
            check(&mut lead, THIRD_KEY, false, "");
        }
        check(&mut lead, THIRD_KEY, true, "av01");
        // It may return.
        check(&mut lead, SECOND_KEY, true, "hvc1");
    }

    #[test]
    fn the_first_sound_names_the_codec() {
        let mut lead = Lead::default();
        for (body, codec) in [
            (&b"\x90Opus"[..], "Opus"),
            (b"\x95\x00fLaC\x01", ""),
            (b"\x91Opus", "Opus"),
        ] {
            let message = Message::new(MessageKind::Audio, 0, 1, body.to_vec());
            let seen = lead.look(&message).codec.map(|codec| codec.to_string());
            assert_eq!(seen.unwrap_or_default(), codec);
        }
    }
}
