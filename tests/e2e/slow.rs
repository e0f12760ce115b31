//! Slow viewers lose media, never memory, and never at the expense of others.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::harness::eventually::{comes_true, eventually};
use crate::harness::long;
use crate::harness::memory;
use crate::harness::steady::{GROUP, Steady, numbers, percentile};
use crate::harness::tls::TlsFront;
use crate::harness::viewer::{Crowd, Viewer};
use crate::harness::world::World;
use crate::tls;

const SOON: Duration = Duration::from_secs(10);
/// What a slow viewer may cost in process and kernel together (laws.md, 3.4).
const MOST_HELD: u64 = 320 << 10;
/// What slow viewers may add to the delay of others.
const MOST_ADDED: Duration = Duration::from_millis(50);

/// Viewers that read without looking, until they are told to stop.
fn drain(mut crowd: Crowd, step: Duration, bytes: usize, stop: &AtomicBool) -> Crowd {
    while !stop.load(Ordering::Relaxed) {
        for viewer in &mut crowd.0 {
            viewer.skip(bytes);
        }
        comes_true(step, || stop.load(Ordering::Relaxed));
    }
    crowd
}

/// Stops them when it is dropped, however the test ends.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The delays of what comes to these in so long.
fn delays(steady: &Steady, watching: &mut Crowd, span: Duration) -> Vec<Duration> {
    let since = Instant::now();
    comes_true(span, || {
        watching.step();
        false
    });
    let crowd = watching.0.iter();
    crowd
        .flat_map(|viewer| steady.delays(viewer, since))
        .collect()
}

#[test]
fn slow_readers_cost_little_memory_and_delay_nobody() {
    const BITS: usize = 1_000_000;
    /// A tenth of that rate, in so many bytes so often.
    const SIP: (Duration, usize) = (Duration::from_millis(200), BITS / 8 / 10 / 5);
    /// Of the good ones, those whose pictures are looked at.
    const WATCHED: usize = 25;
    let count = if long() { 500 } else { 100 };
    let span = Duration::from_secs(if long() { 25 } else { 12 });
    let world = World::start(1);
    let edge = world.edges[0].rtmp();
    let steady = Steady::publish(edge, "live", "s", BITS);
    let mut watched = Crowd::of(WATCHED, edge, "live", "s");
    let mut good = Crowd::of(count - WATCHED, edge, "live", "s");
    good.is_told("NetStream.Play.Start");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stops = Stops(&stop);
        scope.spawn(|| drain(good, Duration::from_millis(20), usize::MAX, &stop));
        watched.watches(25);
        let mut alone = delays(&steady, &mut watched, span);
        let before = memory::of_process(world.edges[0].process_id());
        let mut slow = Crowd::of(count, edge, "live", "s");
        slow.is_told("NetStream.Play.Start");
        let ports: HashSet<u16> = slow.0.iter().map(Viewer::port).collect();
        let slow = scope.spawn(|| drain(slow, SIP.0, SIP.1, &stop));
        let mut beside = delays(&steady, &mut watched, span);
        let process = memory::of_process(world.edges[0].process_id()).saturating_sub(before);
        let port = edge.rsplit(':').next().and_then(|port| port.parse().ok());
        let sockets = memory::of_sockets(port.unwrap(), &ports);
        drop(stops);
        let slow = slow.join().unwrap();
        let (alone, beside) = (percentile(&mut alone, 99), percentile(&mut beside, 99));
        let kernel: u64 = sockets.iter().sum();
        println!(
            "{count} slow readers: {} KiB each in the process, {} KiB in the kernel; \
             p99 of {count} others {} ms without them, {} ms beside them",
            (process / count as u64) >> 10,
            (kernel / count as u64) >> 10,
            alone.as_millis(),
            beside.as_millis()
        );
        assert_eq!(sockets.len(), count);
        assert!(slow.0.iter().all(|viewer| viewer.closed.is_none()));
        assert!((process + kernel) / count as u64 <= MOST_HELD);
        assert!(beside <= alone + MOST_ADDED);
    });
    for viewer in &watched.0 {
        let numbers = numbers(viewer);
        assert!(numbers.windows(2).all(|two| two[0] + 1 == two[1]));
    }
}

/// What became of viewers that stopped reading.
struct Lagged {
    /// Of the one that went on: its last picture before a gap, and the first one behind it.
    jumps: Vec<(u32, u32)>,
    /// When the one that did not was ended; known in the long form only.
    ended: Option<Duration>,
}

impl Lagged {
    fn told(&self) -> String {
        let Lagged { jumps, ended } = self;
        format!(
            "who was behind jumped from and to {jumps:?}; who read nothing was ended after {ended:?}"
        )
    }
}

/// What becomes, at this address, of a viewer that stops reading for some seconds and of one that stops for good.
fn lags(world: &World, address: &str, stream: &str) -> Lagged {
    /// Chosen, because what programs and the kernel hold between the two is filled in some seconds.
    const BITS: usize = 16_000_000;
    let steady = Steady::publish(world.edges[0].rtmp(), "live", stream, BITS);
    let mut healthy = Viewer::play(world.edges[0].rtmp(), "live", stream);
    let mut behind = Viewer::play(address, "live", stream);
    let mut stalled = Viewer::play(address, "live", stream);
    for viewer in [&mut healthy, &mut behind, &mut stalled] {
        viewer.watches(10);
    }
    let since = Instant::now();
    let streams = format!("/streams?stream={stream}");
    eventually(SOON * 3, "both have fallen behind", || {
        healthy.step();
        let shed = world.api.items(&streams).first()?["shed"].as_u64();
        (shed >= Some(2)).then_some(())
    });
    let enough = behind.frames.len() + 300;
    eventually(SOON * 3, "it goes on", || {
        healthy.step();
        behind.step();
        (behind.frames.len() >= enough).then_some(())
    });
    let came = numbers(&behind);
    let jumps: Vec<(u32, u32)> = came
        .windows(2)
        .filter(|two| two[0] + 1 != two[1])
        .map(|two| (two[0], two[1]))
        .collect();
    assert!(!jumps.is_empty());
    for (from, to) in jumps.iter().copied() {
        assert!(to % GROUP == 0 && to > from, "it goes on at a keyframe");
        // What is older than 5 s is given up at once, what is newer is not.
        assert!(to - from >= GROUP, "{from} to {to}");
    }
    assert!(behind.timestamps.is_sorted() && behind.closed.is_none());
    let seen = numbers(&healthy);
    assert!(seen.windows(2).all(|two| two[0] + 1 == two[1]));
    let ended = long().then(|| {
        let query = format!("state=ended&stream={stream}");
        let ended = eventually(SOON * 6, "who reads nothing is ended", || {
            healthy.step();
            behind.step();
            let sessions = world.sessions(&query);
            sessions.into_iter().find(|one| one["action"] == "play")
        });
        let after = since.elapsed();
        assert_eq!(ended["reason"], "too_slow", "{ended}");
        assert!(after >= Duration::from_secs(30) && after < Duration::from_secs(45));
        after
    });
    drop(steady);
    Lagged { jumps, ended }
}

#[test]
fn who_falls_behind_goes_on_at_the_newest_keyframe_and_who_reads_nothing_is_ended() {
    let world = World::start(1);
    let lagged = lags(&world, world.edges[0].rtmp(), "plain");
    println!("{}", lagged.told());
}

#[test]
fn who_falls_behind_inside_tls_is_treated_as_outside_of_it() {
    let folder = tls::folder();
    let mut world = tls::world(&folder, &["a.pem"]);
    let front = TlsFront::into_tls(&world.edges[0].rtmps());
    let lagged = lags(&world, &front.address(), "sealed");
    println!("{}", lagged.told());
}
