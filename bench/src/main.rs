//! `bench-rtmp`: what it costs a server to give one RTMP stream to many viewers.
//!
//! Starts each server under test on one processor, publishes one stream to it and plays it with
//! many viewers from another, checks every message, and prints a table. README.md says how to read it.

mod check;
mod clock;
mod connect;
mod dial;
mod floor;
mod frame;
mod framing;
mod histogram;
mod http;
mod proc;
mod process;
mod publisher;
mod report;
mod run;
mod tally;
mod target;
mod viewer;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser;

use run::{Outcome, Plan};
use target::{Kind, Setting};

/// nginx-rtmp is measured with so many viewers at most: beyond, it never catches up again.
const MOST_FOR_NGINX: usize = 2_000;

/// Files that this process needs beside its viewers' sockets.
const OTHER_FILES: usize = 64;

/// Measures RTMP servers with many viewers of one stream.
#[derive(Parser)]
#[command(name = "bench-rtmp", version)]
struct Options {
    #[command(subcommand)]
    part: Option<Part>,
    /// Numbers of viewers.
    #[arg(long, value_delimiter = ',', default_value = "100,500,1000")]
    viewers: Vec<usize>,
    /// How long each window is open.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Bit rates of the stream, audio included.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    mbit: Vec<f64>,
    /// How many milliseconds media is gathered before it is written; 0 writes on each video frame.
    #[arg(long, value_delimiter = ',', default_value = "0")]
    gather: Vec<u64>,
    /// Measures these servers only.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Kind>,
    /// How many viewers arrive in a second; all within two seconds unless said.
    #[arg(long)]
    arrivals: Option<u32>,
    /// After each window so many more viewers come and stop reading.
    #[arg(long, default_value_t = 0)]
    stalled: u32,
    /// Measures our edge also with two threads on both processors, the load on both too.
    #[arg(long)]
    spread: bool,
    /// Measures sessions a second through `connect` instead, with so many clients at once.
    #[arg(long)]
    connect: Option<u32>,
    /// How often each run is repeated; the one that other programs disturbed least counts.
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// One run of 3 s with 50 viewers, to see that all works.
    #[arg(long)]
    quick: bool,
    /// The processor of the server under test.
    #[arg(long, default_value_t = 0)]
    server_processor: usize,
    /// The processor that this program was pinned to, and that origins are pinned to.
    #[arg(long, default_value_t = 1)]
    load_processor: usize,
    /// The program nginx.
    #[arg(long, default_value = "nginx")]
    nginx: PathBuf,
    /// Its RTMP module.
    #[arg(long, default_value = "/usr/lib/nginx/modules/ngx_rtmp_module.so")]
    nginx_module: PathBuf,
    /// The program weir, in release form.
    #[arg(long, default_value = "weir")]
    weir: PathBuf,
}

/// What else this program can be.
#[derive(clap::Subcommand)]
enum Part {
    /// Serves one stream at the least possible cost; started by the measurement itself
    #[command(hide = true)]
    Floor {
        /// How many milliseconds it gathers media.
        gather: u64,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.part {
        Some(Part::Floor { gather }) => floor::listen(Duration::from_millis(gather)).await,
        None => measure(options).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to hear of it when this cannot be printed.
            let _ = writeln!(std::io::stderr(), "bench-rtmp: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(mut options: Options) -> Result<()> {
    if options.quick {
        options.viewers = vec![50];
        options.seconds = 3;
        options.repeat = 1;
    }
    let most = options.viewers.iter().max().copied().unwrap_or(0) + options.stalled as usize;
    let files = proc::open_files_limit()?;
    if most.saturating_add(OTHER_FILES) > files {
        bail!("{most} viewers need more than the {files} open files that `ulimit -n` allows");
    }
    let setting = Setting {
        server_processors: options.server_processor.to_string(),
        load_processors: options.load_processor.to_string(),
        nginx: options.nginx.clone(),
        nginx_module: options.nginx_module.clone(),
        weir: options.weir.clone(),
    };
    if let Some(at_once) = options.connect {
        let window = Duration::from_secs(options.seconds);
        let mut rates = Vec::new();
        for kind in options.kinds() {
            rates.push(connect::run(kind, at_once, window, &setting).await?);
        }
        writeln!(std::io::stdout(), "{}", report::rates(&rates))?;
        return Ok(());
    }
    let mut outcomes = Vec::new();
    for plans in options.plans() {
        outcomes.extend(calmest(plans, options.repeat.max(1), &setting).await?);
    }
    writeln!(std::io::stdout(), "{}", report::markdown(&outcomes))?;
    Ok(())
}

impl Options {
    fn kinds(&self) -> Vec<Kind> {
        if self.only.is_empty() {
            Kind::ALL.to_vec()
        } else {
            self.only.clone()
        }
    }

    /// What is to be run; those that are to be compared stand together.
    fn plans(&self) -> Vec<Vec<Plan>> {
        let mut all = Vec::new();
        for mbit in &self.mbit {
            for viewers in &self.viewers {
                for gather in &self.gather {
                    all.push(self.together(*mbit, *viewers, Duration::from_millis(*gather)));
                }
            }
        }
        all
    }

    fn together(&self, mbit: f64, viewers: usize, gather: Duration) -> Vec<Plan> {
        let plan = |kind| Plan {
            kind,
            viewers,
            window: Duration::from_secs(self.seconds),
            mbit,
            gather,
            arrivals: self.arrivals,
            stalled: self.stalled,
            spread: false,
        };
        let kinds = self.kinds().into_iter();
        // nginx has no such setting.
        let kinds = kinds
            .filter(|kind| *kind != Kind::Nginx || (gather.is_zero() && viewers <= MOST_FOR_NGINX));
        let mut plans: Vec<Plan> = kinds.map(plan).collect();
        if self.spread {
            plans.push(Plan {
                spread: true,
                ..plan(Kind::Weir)
            });
        }
        plans
    }
}

/// Runs the plans in turns, so that a noisy minute hits all alike, and keeps each one's calmest run.
async fn calmest(plans: Vec<Plan>, repeat: usize, setting: &Setting) -> Result<Vec<Outcome>> {
    let mut best: Vec<Option<Outcome>> = plans.iter().map(|_| None).collect();
    for round in 1..=repeat {
        for (plan, best) in plans.iter().zip(&mut best) {
            let outcome = run::run(*plan, setting).await?;
            let progress = format!(
                "{} with {} viewers of {} Mbit/s, {}, round {round}: {:.2} CPU s/GiB",
                plan.name(),
                plan.viewers,
                plan.mbit,
                plan.flushing(),
                outcome.cpu_per_gib()
            );
            writeln!(std::io::stderr(), "{progress}")?;
            let is_calmer = best
                .as_ref()
                .is_none_or(|best| outcome.disturbance() < best.disturbance());
            if is_calmer {
                *best = Some(outcome);
            }
        }
    }
    Ok(best.into_iter().flatten().collect())
}
