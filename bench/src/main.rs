//! `bench-rtmp`: what it costs a server to give one RTMP stream to many viewers.
//!
//! Starts each server under test on one processor, publishes one stream to it and plays it with
//! many viewers from another, checks every message, and prints a table. README.md says how to read it.

mod check;
mod clock;
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
    /// Bit rate of the stream, audio included.
    #[arg(long, default_value_t = 1.0)]
    mbit: f64,
    /// Measures one server only.
    #[arg(long)]
    only: Option<Kind>,
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
    Floor,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.part {
        Some(Part::Floor) => floor::listen().await,
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
    let most = options.viewers.iter().max().copied().unwrap_or(0);
    let files = proc::open_files_limit()?;
    if most.saturating_add(OTHER_FILES) > files {
        bail!("{most} viewers need more than the {files} open files that `ulimit -n` allows");
    }
    let setting = Setting {
        server_processor: options.server_processor,
        load_processor: options.load_processor,
        nginx: options.nginx,
        nginx_module: options.nginx_module,
        weir: options.weir,
    };
    let kinds = match options.only {
        Some(kind) => vec![kind],
        None => Kind::ALL.to_vec(),
    };
    let mut outcomes = Vec::new();
    for viewers in options.viewers {
        let plans = kinds.iter().map(|kind| Plan {
            kind: *kind,
            viewers,
            window: Duration::from_secs(options.seconds),
            mbit: options.mbit,
        });
        outcomes.extend(calmest(plans.collect(), options.repeat.max(1), &setting).await?);
    }
    writeln!(std::io::stdout(), "{}", report::markdown(&outcomes))?;
    Ok(())
}

/// Runs the plans in turns, so that a noisy minute hits all alike, and keeps each one's calmest run.
async fn calmest(plans: Vec<Plan>, repeat: usize, setting: &Setting) -> Result<Vec<Outcome>> {
    let mut best: Vec<Option<Outcome>> = plans.iter().map(|_| None).collect();
    for round in 1..=repeat {
        for (plan, best) in plans.iter().zip(&mut best) {
            let outcome = run::run(*plan, setting).await?;
            let progress = format!(
                "{} with {} viewers, round {round}: {:.2} CPU s/GiB",
                plan.kind.name(),
                plan.viewers,
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
