//! The command line as it is written. What the values mean is settled in [`crate::settings`], so that
//! all faults are told at once.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Weir puts a managed cluster of edge servers in front of media applications.
#[derive(Debug, Parser)]
#[command(name = "weir", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// How log lines are written to the standard error; what is logged is set by RUST_LOG, for
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
    /// Run an edge that has joined, or join one to a server
    Edge(Box<EdgeOptions>),
    /// Try it: a server, two edges and an origin on this machine, set up and in use
    Demo(DemoOptions),
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

/// `weir edge`. What is not said here comes from the environment (`WEIR_EDGE_RTMP` and so on), then from
/// the file, then from the usual values.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct EdgeOptions {
    /// Joining.
    #[command(subcommand)]
    pub(crate) verb: Option<EdgeVerb>,
    /// Where the edge keeps its credential, settings and totals [usually: weir-edge]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<String>,
    /// Where it serves RTMP, or `off` [usually: 0.0.0.0:1935]
    #[arg(long, value_name = "ADDR")]
    pub(crate) rtmp: Option<String>,
    /// Where it serves RTMP inside TLS, or `off` [usually: off]
    #[arg(long, value_name = "ADDR")]
    pub(crate) rtmps: Option<String>,
    /// Where it serves HTTP, or `off` [usually: 0.0.0.0:8080]
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<String>,
    /// Where it answers for its health and metrics, or `off` [usually: 127.0.0.1:9090]
    #[arg(long, value_name = "ADDR")]
    pub(crate) status: Option<String>,
    /// Where clients and other edges reach its RTMP side, when that is not where it listens
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise_rtmp: Option<String>,
    /// Where clients reach its RTMP side inside TLS
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise_rtmps: Option<String>,
    /// Where clients and other edges reach its HTTP side
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise_http: Option<String>,
    /// A certificate: a file with chain and key, or `CHAIN:KEY`; once for each. The first stands
    /// for all names that no other has
    #[arg(long = "certificate", value_name = "FILE")]
    pub(crate) certificates: Vec<String>,
    /// How many days it goes on without hearing of the server, at least 7 [usually: 30]
    #[arg(long, value_name = "DAYS")]
    pub(crate) grace_days: Option<String>,
    /// How much of recorded streams it keeps in memory, 0 for nothing, -1 for no bound [usually: 128]
    #[arg(long, value_name = "MIB", allow_hyphen_values = true)]
    pub(crate) store_memory_mib: Option<String>,
    /// How much of recorded streams it keeps on disk, 0 for nothing, -1 for no bound [usually: 4096]
    #[arg(long, value_name = "MIB", allow_hyphen_values = true)]
    pub(crate) store_disk_mib: Option<String>,
    /// Which files it writes of what its sessions do: off, w3c, json or both [usually: off]
    #[arg(long, value_name = "FORM")]
    pub(crate) session_log: Option<String>,
    /// The largest of these files [usually: 64]
    #[arg(long, value_name = "MIB")]
    pub(crate) session_log_mib: Option<String>,
    /// How many full ones of each form are kept [usually: 16]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) session_log_files: Option<String>,
    /// How often they say how far a session has come, 0 for never [usually: 60]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) session_log_checkpoint_s: Option<String>,
    /// A TOML file with the same settings: `rtmp = "0.0.0.0:1935"`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// What else can be done with an edge.
#[derive(Debug, Subcommand)]
pub(crate) enum EdgeVerb {
    /// Enroll this machine with a join token that the console made
    Join(EdgeJoin),
}

/// `weir edge join`.
#[derive(Debug, Args)]
pub(crate) struct EdgeJoin {
    /// The join token: `weir_join_…`
    #[arg(env = "WEIR_JOIN_TOKEN", hide_env_values = true)]
    pub(crate) token: String,
    /// Where the edge keeps its credential, settings and totals
    #[arg(
        long,
        value_name = "DIR",
        default_value = "weir-edge",
        env = "WEIR_EDGE_DATA"
    )]
    pub(crate) data: PathBuf,
    /// What people call it, when the token does not say
    #[arg(long)]
    pub(crate) name: Option<String>,
}

/// `weir demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// Where the demo keeps its data, to go on with it later [usually: a temporary directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Ends by itself after so many seconds
    #[arg(long = "for", value_name = "SECONDS")]
    pub(crate) seconds: Option<u64>,
}
