//! A stream of numbered pictures, sent at an even pace: which of them came to a viewer, and how long each was on
//! its way. A picture holds its number and filling; there are 25 a second, each 25th a keyframe.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rtmp::{Message, MessageKind};

use super::eventually::comes_true;
use super::viewer::Viewer;

/// Between two pictures.
const STEP: Duration = Duration::from_millis(40);
/// Pictures from one keyframe to the next.
pub(crate) const GROUP: u32 = 25;
/// FLV's first byte of a video message: a keyframe, or another picture, of AVC; then what it is, and no offset.
const HEADER: [u8; 5] = [0x17, 0, 0, 0, 0];
const KEYFRAME: [u8; 5] = [0x17, 1, 0, 0, 0];
const PICTURE: [u8; 5] = [0x27, 1, 0, 0, 0];

/// A publisher that sends until it is dropped.
pub(crate) struct Steady {
    /// When each picture was sent.
    sent: Arc<Mutex<Vec<Instant>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Steady {
    /// Begins to publish at this rate.
    ///
    /// # Panics
    /// When the address does not let it.
    pub(crate) fn publish(address: &str, app: &str, stream: &str, bits_per_second: usize) -> Self {
        let mut publisher = Viewer::publish(address, app, stream);
        publisher.is_told("NetStream.Publish.Start");
        let sent: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let ends: Arc<AtomicBool> = Arc::default();
        let (times, over) = (Arc::clone(&sent), Arc::clone(&ends));
        let filling = vec![0; bits_per_second / 8 / 25];
        let thread = std::thread::spawn(move || {
            let begun = Instant::now();
            let video = |at: u32, head: [u8; 5], rest: &[u8]| {
                Message::new(MessageKind::Video, at, 0, [&head[..], rest].concat())
            };
            publisher.sends(&[video(0, HEADER, &[1, 100, 0, 31, 255, 225, 0, 0])]);
            for number in 0_u32.. {
                comes_true((STEP * number).saturating_sub(begun.elapsed()), || {
                    over.load(Ordering::Relaxed)
                });
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let head = if number % GROUP == 0 {
                    KEYFRAME
                } else {
                    PICTURE
                };
                let picture = [&number.to_be_bytes()[..], &filling].concat();
                lock(&times).push(Instant::now());
                publisher.sends(&[video(number * 40, head, &picture)]);
            }
        });
        Steady {
            sent,
            ends,
            thread: Some(thread),
        }
    }

    /// How long each picture that came to a viewer after a time was on its way.
    pub(crate) fn delays(&self, viewer: &Viewer, since: Instant) -> Vec<Duration> {
        let sent = lock(&self.sent);
        let came = numbers(viewer).into_iter().zip(viewer.arrived_at());
        came.map(|(number, at)| (sent[number as usize], at))
            .filter(|(sent, _)| *sent >= since)
            .map(|(sent, at)| at.saturating_duration_since(sent))
            .collect()
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it panicked of was said by its own thread.
            let _ = thread.join();
        }
    }
}

fn lock(times: &Mutex<Vec<Instant>>) -> std::sync::MutexGuard<'_, Vec<Instant>> {
    times.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The numbers of the pictures that came to a viewer, in their order.
pub(crate) fn numbers(viewer: &Viewer) -> Vec<u32> {
    let number = |frame: &bytes::Bytes| {
        let first = frame.first_chunk().expect("a picture has its number");
        u32::from_be_bytes(*first)
    };
    viewer.frames.iter().map(number).collect()
}

/// The value below which so many of a hundred lie.
pub(crate) fn percentile(values: &mut [Duration], hundredths: usize) -> Duration {
    values.sort_unstable();
    values[(values.len() - 1) * hundredths / 100]
}
