//! The program `weir`: its table of contents.
//!
//! Reads the command line, starts the part that was asked for, stops it on SIGTERM or SIGINT. What
//! people and scripts need stands on the standard output as stable lines ([`say`]); logs go to the
//! standard error. Exit codes: 0, 1 for a failure (one line with the chain of causes), 2 for wrong use.

mod cli;
mod demo;
mod edge;
mod log;
mod say;
mod serve;
mod settings;
mod stop;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Part};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(said) => {
            let code = if said.use_stderr() { 2 } else { 0 };
            // Nobody is left to hear of it when this cannot be printed.
            let _ = said.print();
            return ExitCode::from(code);
        }
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::failure(&error);
            ExitCode::from(if error.is::<settings::Wrong>() { 2 } else { 1 })
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let usual = match &cli.part {
        // What an operator would tell a colleague.
        Part::Server(_) | Part::Edge(_) => "info",
        // Its tour is for reading, and stands on the same terminal.
        Part::Demo(_) => "warn",
    };
    log::start(cli.log, usual);
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            match cli.part {
                Part::Server(options) => serve::run(options).await,
                Part::Edge(options) => edge::run(*options).await,
                Part::Demo(options) => demo::run(options).await,
            }
        })
}
