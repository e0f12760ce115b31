//! The streams of the demo's origin: who publishes, who watches.
//!
//! Messages go in from one publisher a stream and come out to its watchers, newcomers first getting what
//! they need to begin: headers and all since the last keyframe. Everything kept is bounded; a watcher that
//! falls behind misses messages. It knows neither sockets nor sessions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rtmp::{Message, MessageKind, data};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until};

use crate::demo::clip::{self, Clip};

/// Streams at once.
const STREAMS: usize = 64;
/// Messages that a watcher may be behind: some ten seconds.
const BEHIND: usize = 1_024;
/// Messages kept since the last keyframe.
const KEPT: usize = 1_024;

/// All streams, by `application/name`.
#[derive(Debug, Clone, Default)]
pub(super) struct Studio {
    streams_by_name: Arc<Mutex<HashMap<String, Arc<Stream>>>>,
}

#[derive(Debug)]
struct Stream {
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    metadata: Option<Message>,
    video: Option<Message>,
    audio: Option<Message>,
    since_keyframe: Vec<Message>,
    /// Inside the lock, so that what is kept and what is still to come fit together.
    live: broadcast::Sender<Message>,
}

/// The right to send one stream's messages; dropped, the stream ends.
#[derive(Debug)]
pub(super) struct Publisher {
    studio: Studio,
    name: String,
    stream: Arc<Stream>,
}

/// What a watcher gets.
#[derive(Debug)]
pub(super) struct Watching {
    /// What to begin with.
    pub(super) first: Vec<Message>,
    /// What comes from now on; closed at the stream's end.
    pub(super) live: broadcast::Receiver<Message>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept is whole after every step, whoever panicked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Studio {
    /// Takes a name to publish; `None` when another has it or there is no room.
    pub(super) fn publish(&self, name: &str) -> Option<Publisher> {
        let mut streams = lock(&self.streams_by_name);
        if streams.contains_key(name) || streams.len() >= STREAMS {
            return None;
        }
        let stream = Arc::new(Stream {
            kept: Mutex::new(Kept {
                metadata: None,
                video: None,
                audio: None,
                since_keyframe: Vec::new(),
                live: broadcast::channel(BEHIND).0,
            }),
        });
        streams.insert(name.to_owned(), stream.clone());
        Some(Publisher {
            studio: self.clone(),
            name: name.to_owned(),
            stream,
        })
    }

    /// Watches a stream; `None` when nobody publishes it.
    pub(super) fn watch(&self, name: &str) -> Option<Watching> {
        let stream = lock(&self.streams_by_name).get(name)?.clone();
        let kept = lock(&stream.kept);
        let begins = kept
            .since_keyframe
            .first()
            .map_or(0, |frame| frame.timestamp);
        let headers = [&kept.metadata, &kept.video, &kept.audio];
        let first = headers
            .into_iter()
            .flatten()
            .map(|header| Message {
                timestamp: clip::header_time(header, begins),
                ..header.clone()
            })
            .chain(kept.since_keyframe.iter().cloned())
            .collect();
        Some(Watching {
            first,
            live: kept.live.subscribe(),
        })
    }
}

impl Publisher {
    /// Sends one message to all who watch.
    pub(super) fn send(&self, message: &Message) {
        let message = data::for_viewers(message);
        let mut kept = lock(&self.stream.kept);
        if clip::is_header(&message) {
            let place = if message.kind == MessageKind::Video {
                &mut kept.video
            } else if message.kind == MessageKind::Audio {
                &mut kept.audio
            } else {
                &mut kept.metadata
            };
            *place = Some(message.clone());
        } else {
            if clip::is_keyframe(&message) {
                kept.since_keyframe.clear();
            }
            if kept.since_keyframe.len() < KEPT {
                kept.since_keyframe.push(message.clone());
            }
        }
        // It fails when nobody watches.
        let _ = kept.live.send(message);
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        lock(&self.studio.streams_by_name).remove(&self.name);
    }
}

/// Publishes the clip in real time, again and again, on one timeline.
pub(super) async fn repeat(publisher: Publisher, clip: Arc<Clip>) {
    for header in &clip.headers {
        publisher.send(header);
    }
    let begun = Instant::now();
    for number in 0.. {
        sleep_until(begun + clip.time_of(number)).await;
        publisher.send(&clip.frame(number));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn video(timestamp: u32, payload: &'static [u8]) -> Message {
        Message::new(MessageKind::Video, timestamp, 1, payload)
    }

    #[test]
    fn a_newcomer_begins_with_headers_and_the_last_keyframe() {
        let studio = Studio::default();
        let publisher = studio.publish("live/a").unwrap();
        let (header, key, inter) = (b"\x17\x00h", b"\x17\x01k", b"\x27\x01i");
        publisher.send(&video(0, header));
        publisher.send(&video(0, key));
        publisher.send(&video(40, inter));
        publisher.send(&video(1_000, key));
        publisher.send(&video(1_040, inter));
        let mut watching = studio.watch("live/a").unwrap();
        assert_eq!(
            watching.first,
            [video(1_000, header), video(1_000, key), video(1_040, inter)]
        );
        publisher.send(&video(1_080, inter));
        assert_eq!(watching.live.try_recv().unwrap(), video(1_080, inter));
    }

    #[test]
    fn a_name_has_one_publisher_and_is_free_after_it() {
        let studio = Studio::default();
        let publisher = studio.publish("live/a").unwrap();
        assert!(studio.publish("live/a").is_none());
        let mut watching = studio.watch("live/a").unwrap();
        drop(publisher);
        assert_eq!(
            watching.live.try_recv(),
            Err(broadcast::error::TryRecvError::Closed)
        );
        assert!(studio.watch("live/a").is_none());
        assert!(studio.publish("live/a").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_clip_goes_on_with_rising_timestamps() {
        let studio = Studio::default();
        let publisher = studio.publish("live/clip").unwrap();
        let mut watching = studio.watch("live/clip").unwrap();
        let repeating = tokio::spawn(repeat(publisher, Arc::new(Clip::open())));
        let mut last = 0;
        while last < 2 * clip::LENGTH_MS {
            let message = watching.live.recv().await.unwrap();
            assert!(message.timestamp >= last);
            last = message.timestamp;
        }
        repeating.abort();
    }
}
