//! How many sessions a second a server takes as far as the answer to `connect`: so many clients at
//! once, each of which connects, is answered, hangs up by reset and comes again.
//!
//! A [`Place`] and a number of clients go in, [`Rate`] comes out. Nothing counts but answers.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rtmp::Limits;
use rtmp::client::{ConnectOptions, Event, Output, Session};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::dial::dial;
use crate::proc;
use crate::target::{self, Kind, Place, Setting};

/// Enough for all that is said before the answer.
const READ: usize = 8 * 1024;
/// From the start to the window.
const SETTLE: Duration = Duration::from_secs(1);
/// How long a server may take to serve its first client: an edge must first get its settings.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// From one try to the next before the first answer.
const AGAIN: Duration = Duration::from_millis(200);

/// What came of it.
pub(crate) struct Rate {
    pub(crate) kind: Kind,
    pub(crate) at_once: u32,
    /// Answers in a second.
    pub(crate) per_second: f64,
    /// Clients that were not answered, or not let in.
    pub(crate) failed: u64,
    /// Shares of their processors.
    pub(crate) server: f64,
    pub(crate) load: f64,
}

#[derive(Default)]
struct Counts {
    answered: Cell<u64>,
    failed: Cell<u64>,
    number: Cell<u32>,
}

/// Measures one server for so long.
///
/// # Errors
/// When the server does not work at all.
pub(crate) async fn run(
    kind: Kind,
    at_once: u32,
    window: Duration,
    setting: &Setting,
) -> Result<Rate> {
    let target = target::start(kind, Duration::ZERO, setting).await?;
    let clock = Clock::start();
    let began = Instant::now();
    while let Err(error) = enter(&target.place, 0, clock).await {
        if began.elapsed() > PATIENCE {
            return Err(error);
        }
        sleep(AGAIN).await;
    }
    let counts = Rc::new(Counts::default());
    let measured = async {
        let mut crowd = JoinSet::new();
        for _ in 0..at_once {
            crowd.spawn_local(come_again(target.place.clone(), clock, Rc::clone(&counts)));
        }
        sleep(SETTLE).await;
        let (answered, failed) = (counts.answered.get(), counts.failed.get());
        let processors = (proc::cpu_of(target.pid)?, proc::cpu_of(std::process::id())?);
        let opened = Instant::now();
        sleep(window).await;
        let seconds = opened.elapsed().as_secs_f64();
        let server = proc::cpu_of(target.pid)?.saturating_sub(processors.0);
        let load = proc::cpu_of(std::process::id())?.saturating_sub(processors.1);
        Ok(Rate {
            kind,
            at_once,
            per_second: (counts.answered.get() - answered) as f64 / seconds,
            failed: counts.failed.get() - failed,
            server: server.as_secs_f64() / seconds,
            load: load.as_secs_f64() / seconds,
        })
    };
    LocalSet::new().run_until(measured).await
}

async fn come_again(place: Place, clock: Clock, counts: Rc<Counts>) {
    loop {
        let number = counts.number.get();
        counts.number.set(number.wrapping_add(1));
        let entered = timeout(ANSWER, enter(&place, number, clock)).await;
        let count = match entered {
            Ok(Ok(())) => &counts.answered,
            Ok(Err(_)) | Err(_) => &counts.failed,
        };
        count.set(count.get() + 1);
    }
}

/// One client's way in.
async fn enter(place: &Place, number: u32, clock: Clock) -> Result<()> {
    let mut socket = dial(place.address, number, None).await?;
    let options = ConnectOptions::new(&place.app, &place.tc_url);
    let mut session = Session::new(options, Limits::default(), clock.now());
    let mut input = [0; READ];
    loop {
        while let Some(output) = session.poll_output() {
            match output {
                Output::Send(bytes) => socket.write_all(&bytes).await?,
                Output::Event(Event::Connected { .. }) => return Ok(()),
                Output::Event(Event::Rejected { code, .. }) => bail!("`{code}`"),
                Output::Event(_) => {}
            }
        }
        let count = socket.read(&mut input).await?;
        if count == 0 {
            bail!("the server closed the connection");
        }
        session.handle(&input[..count], clock.now())?;
    }
}
