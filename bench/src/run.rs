//! One run: a server, a publisher, so many viewers, a window in which all is measured; where it is
//! asked for, then others that stop reading, and a second window while they do.
//!
//! In goes a [`Plan`], out comes an [`Outcome`]. The order is fixed: memory is read when the
//! publisher is there and no viewer is, then all viewers join, then it settles, then the window
//! opens. The invariant: nothing counts that lies outside the window, but joins and faults, which
//! count from the first byte on.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep, sleep_until};

use crate::check::Faults;
use crate::clock::Clock;
use crate::histogram::Histogram;
use crate::proc;
use crate::process;
use crate::publisher::Publisher;
use crate::tally::Tally;
use crate::target::{self, Kind, Setting, Target};
use crate::viewer::{self, Shared};

/// So many viewers may be between `connect` and `play` at once.
const AT_THE_DOOR: usize = 100;

/// How much a viewer reads at once. Chosen, because a keyframe of 4 Mbit/s fits.
const READ: usize = 256 * 1024;

/// From the first frame to the first viewer: long enough for one whole second of stream.
const WARM_UP: Duration = Duration::from_millis(1_500);

/// In this time viewers arrive one after the other: two keyframes' distance, so that the wait for
/// a keyframe is seen from every place between two.
const ARRIVAL: Duration = Duration::from_secs(2);

/// But never more a second than this. Chosen, because a door that is full says nothing of fan-out.
const MOST_ARRIVALS: u32 = 2_000;

/// From the last join to the window.
const SETTLE: Duration = Duration::from_secs(2);

/// How long a publisher, or all viewers together, may take to come in.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a viewer that reads nothing may stay: the 30 s that are promised, and some to see by
/// how much they are missed.
const STALLED_PATIENCE: Duration = Duration::from_secs(45);

/// From one try to publish to the next.
const AGAIN: Duration = Duration::from_millis(200);

const LOOK_EACH: Duration = Duration::from_millis(20);

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) viewers: usize,
    pub(crate) window: Duration,
    pub(crate) mbit: f64,
    /// How long the server gathers media; zero writes on each video frame.
    pub(crate) gather: Duration,
    /// How many viewers arrive in a second; none is all within two seconds.
    pub(crate) arrivals: Option<u32>,
    /// Viewers that come after the window and stop reading.
    pub(crate) stalled: u32,
    /// Whether server and load use the processors of both, with as many threads.
    pub(crate) spread: bool,
}

impl Plan {
    /// As it stands in the tables.
    pub(crate) fn name(&self) -> &'static str {
        match (self.kind, self.spread) {
            (kind, false) => kind.name(),
            (_, true) => "weir, 2 threads",
        }
    }

    /// When it writes.
    pub(crate) fn flushing(&self) -> String {
        if self.gather.is_zero() {
            "on frames".to_owned()
        } else {
            format!("{} ms", self.gather.as_millis())
        }
    }
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) plan: Plan,
    /// How long the window was open.
    pub(crate) window: Duration,
    /// Bytes that viewers received in the window.
    pub(crate) bytes: u64,
    /// Processor time of the server in the window.
    pub(crate) server_cpu: Duration,
    /// Processor time of this process in the window.
    pub(crate) load_cpu: Duration,
    /// How long the server, and this process, had work and no processor.
    pub(crate) waited: (Duration, Duration),
    /// Bytes of the server's memory, and of socket buffers, for all viewers together.
    pub(crate) memory: i64,
    pub(crate) socket_memory: i64,
    pub(crate) latencies: Histogram,
    pub(crate) joins: Histogram,
    pub(crate) faults: Faults,
    /// Viewers that ended by themselves, with the commonest reason.
    pub(crate) lost: u64,
    pub(crate) why: Option<String>,
    /// The worst delay of the publisher.
    pub(crate) publisher_late: Duration,
    pub(crate) stall: Option<Stall>,
}

/// What came of viewers that stopped reading.
pub(crate) struct Stall {
    /// How many did.
    pub(crate) viewers: u64,
    /// Latencies of the others meanwhile.
    pub(crate) latencies: Histogram,
    /// Bytes of the server's memory, and of socket buffers of both ends, that came with them.
    pub(crate) memory: i64,
    pub(crate) socket_memory: i64,
    /// How long after they stopped reading they were ended.
    pub(crate) ends: Histogram,
}

/// Runs a plan.
///
/// # Errors
/// When the server or the publisher does not work; viewers that fail are part of the outcome.
pub(crate) async fn run(plan: Plan, setting: &Setting) -> Result<Outcome> {
    if !plan.spread {
        return LocalSet::new().run_until(run_local(plan, setting)).await;
    }
    let both = format!("{},{}", setting.server_processors, setting.load_processors);
    process::move_to(&both)?;
    let spread = Setting {
        server_processors: both.clone(),
        load_processors: both,
        ..setting.clone()
    };
    let outcome = LocalSet::new().run_until(run_local(plan, &spread)).await;
    process::move_to(&setting.load_processors)?;
    outcome
}

async fn run_local(plan: Plan, setting: &Setting) -> Result<Outcome> {
    let target = target::start(plan.kind, plan.gather, setting).await?;
    let clock = Clock::start();
    let publisher = publish(&target, plan.mbit, clock).await?;
    sleep(WARM_UP).await;
    let memory = Memory::read(&target)?;

    let shared = Rc::new(Shared {
        place: target.place.clone(),
        clock,
        door: Arc::new(Semaphore::new(AT_THE_DOOR)),
        tally: RefCell::new(Tally::new()),
        input: RefCell::new(vec![0; READ]),
    });
    let mut crowd = JoinSet::new();
    let viewers = u32::try_from(plan.viewers.max(1))?;
    let step = match plan.arrivals {
        Some(a_second) => Duration::from_secs(1) / a_second.max(1),
        None => (ARRIVAL / viewers).max(Duration::from_secs(1) / MOST_ARRIVALS),
    };
    let first = Instant::now();
    for number in 0..viewers {
        let shared = Rc::clone(&shared);
        crowd.spawn_local(async move {
            sleep_until(first + step * number).await;
            viewer::watch(shared, number).await;
        });
    }
    let until = first + step * viewers + PATIENCE;
    while Instant::now() < until && !all_are_in(&shared, plan.viewers) {
        sleep(LOOK_EACH).await;
    }
    sleep(SETTLE).await;
    publisher.take_latest();

    let (before, opened) = (Reading::take(&target, &shared)?, Instant::now());
    shared.tally.borrow_mut().window_is_open = true;
    sleep(plan.window).await;
    shared.tally.borrow_mut().window_is_open = false;
    let (after, window) = (Reading::take(&target, &shared)?, opened.elapsed());
    let publisher_late = publisher.take_latest();
    let held = Memory::read(&target)?;
    let memory = held.since(&memory);
    let latencies = shared.tally.borrow_mut().take_latencies();
    let stall = match plan.stalled {
        0 => None,
        _ => Some(stall(&plan, &target, &shared, &mut crowd, &held).await?),
    };

    crowd.shutdown().await;
    publisher.stop()?;
    drop(target);
    let mut tally = shared.tally.borrow_mut();
    // Who never saw a keyframe is lost too, even if its connection stands.
    let silent = (plan.viewers as u64).saturating_sub(tally.joins.total() + tally.ended());
    let lost = tally.ended() + silent;
    let commonest = tally.ends.iter().max_by_key(|(_, count)| **count);
    Ok(Outcome {
        plan,
        window,
        bytes: after.bytes - before.bytes,
        server_cpu: after.server.saturating_sub(before.server),
        load_cpu: after.load.saturating_sub(before.load),
        waited: (
            after.waited.0.saturating_sub(before.waited.0),
            after.waited.1.saturating_sub(before.waited.1),
        ),
        memory: memory.0,
        socket_memory: memory.1,
        why: commonest
            .map(|(why, _)| why.clone())
            .or_else(|| (silent > 0).then(|| "no keyframe came".to_owned())),
        lost,
        latencies,
        joins: std::mem::replace(&mut tally.joins, Histogram::new()),
        faults: tally.faults,
        publisher_late,
        stall,
    })
}

/// Lets viewers come that stop reading, beside those who watch.
async fn stall(
    plan: &Plan,
    target: &Target,
    shared: &Rc<Shared>,
    crowd: &mut JoinSet<()>,
    before: &Memory,
) -> Result<Stall> {
    let stalled = u64::from(plan.stalled);
    let first = u32::try_from(plan.viewers)?;
    let step = ARRIVAL / plan.stalled.max(1);
    let begin = Instant::now();
    for number in 0..plan.stalled {
        let shared = Rc::clone(shared);
        crowd.spawn_local(async move {
            sleep_until(begin + step * number).await;
            viewer::stall(shared, first + number).await;
        });
    }
    while begin.elapsed() < PATIENCE && shared.tally.borrow().stalled < stalled {
        sleep(LOOK_EACH).await;
    }
    let begin = Instant::now();
    shared.tally.borrow_mut().window_is_open = true;
    sleep(plan.window).await;
    shared.tally.borrow_mut().window_is_open = false;
    let (memory, socket_memory) = Memory::read(target)?.since(before);
    let latencies = shared.tally.borrow_mut().take_latencies();
    while begin.elapsed() < STALLED_PATIENCE && shared.tally.borrow().stalled_ends.total() < stalled
    {
        sleep(LOOK_EACH).await;
    }
    let tally = shared.tally.borrow();
    Ok(Stall {
        viewers: tally.stalled,
        latencies,
        memory,
        socket_memory,
        ends: tally.stalled_ends.clone(),
    })
}

/// Publishes, again and again while the server refuses: an edge must first get its settings.
async fn publish(target: &Target, mbit: f64, clock: Clock) -> Result<Publisher> {
    let begin = Instant::now();
    loop {
        let publisher = Publisher::start(target.place.clone(), mbit, clock)?;
        while !publisher.has_ended() {
            if publisher.publishes() {
                return Ok(publisher);
            }
            sleep(LOOK_EACH).await;
        }
        let ended = publisher.stop();
        if begin.elapsed() > PATIENCE {
            ended?;
            bail!("the publisher ended before it began");
        }
        sleep(AGAIN).await;
    }
}

fn all_are_in(shared: &Shared, viewers: usize) -> bool {
    let tally = shared.tally.borrow();
    tally.joins.total() + tally.ended() >= viewers as u64
}

/// What grows during the window.
struct Reading {
    server: Duration,
    load: Duration,
    waited: (Duration, Duration),
    bytes: u64,
}

impl Reading {
    fn take(target: &Target, shared: &Shared) -> Result<Self> {
        Ok(Self {
            server: proc::cpu_of(target.pid)?,
            load: proc::cpu_of(std::process::id())?,
            waited: (proc::waited(target.pid)?, proc::waited(std::process::id())?),
            bytes: shared.tally.borrow().bytes,
        })
    }
}

/// What viewers cost in memory.
struct Memory {
    server: u64,
    sockets: u64,
}

impl Memory {
    fn read(target: &Target) -> Result<Self> {
        Ok(Self {
            server: proc::memory_of(target.pid)?,
            sockets: proc::socket_memory()?,
        })
    }

    /// What came on top: of the server, of sockets.
    fn since(&self, before: &Self) -> (i64, i64) {
        let step = |now: u64, before: u64| now.cast_signed() - before.cast_signed();
        (
            step(self.server, before.server),
            step(self.sockets, before.sockets),
        )
    }
}
