//! The command line as it is written. What the values mean is settled in [`crate::settings`], so that
//! all faults are told at once.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Weir puts a managed cluster of edge servers in front of media applications.
#[derive(Debug, Parser)]
#[command(name = "weir", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// How log lines are written to the standard error; what is logged is set by WEIR_LOG, for
    /// example `info` or `warn,server=debug`
    #[arg(
        long,
        global = true,
        value_name = "FORM",
        default_value = "text",
        env = "WEIR_LOG_FORM"
    )]
    pub(crate) log: LogForm,
    /// What to run.
    #[command(subcommand)]
    pub(crate) part: Part,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogForm {
    /// For people.
    Text,
    /// An object a line.
    Json,
}

/// The parts of the program.
#[derive(Debug, Subcommand)]
pub(crate) enum Part {
    /// Run the server: console, REST API and what edges ask for
    Server(ServerOptions),
}

/// `weir server`.
#[derive(Debug, Args)]
pub(crate) struct ServerOptions {
    /// Where the databases stand; made where it is missing
    #[arg(
        long,
        value_name = "DIR",
        default_value = "weir-server",
        env = "WEIR_SERVER_DATA"
    )]
    pub(crate) data: PathBuf,
    /// The address to listen on; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8080",
        env = "WEIR_SERVER_LISTEN"
    )]
    pub(crate) listen: String,
    /// Where people and edges reach the server, when that is not the address it listens on
    #[arg(long, value_name = "URL", env = "WEIR_SERVER_PUBLIC_URL")]
    pub(crate) public_url: Option<String>,
}
