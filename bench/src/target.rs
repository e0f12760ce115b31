//! What is measured: a server under test, started for one run, and where it is published to and
//! played from.

mod floor;
mod nginx;
mod weir;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;

use crate::process::Process;

/// The servers that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// nginx with its RTMP module.
    Nginx,
    /// A server that only writes the same bytes to all, batched as ours does.
    Floor,
    /// An edge of ours, before nginx with its RTMP module as the origin.
    Weir,
}

impl Kind {
    /// All, in the order of the tables.
    pub(crate) const ALL: [Self; 3] = [Self::Nginx, Self::Floor, Self::Weir];

    /// As it stands in the tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx-rtmp",
            Self::Floor => "floor",
            Self::Weir => "weir",
        }
    }
}

/// Where a stream is published to and played from.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) app: String,
    pub(crate) tc_url: String,
    pub(crate) stream: String,
}

impl Place {
    /// `live/bench` at an address.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self {
            address,
            app: "live".to_owned(),
            tc_url: format!("rtmp://{address}/live"),
            stream: "bench".to_owned(),
        }
    }
}

/// How targets are started.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The processors of the server under test, as `taskset` reads them.
    pub(crate) server_processors: String,
    /// Those of all that is needed beside it, and of the load.
    pub(crate) load_processors: String,
    pub(crate) nginx: PathBuf,
    pub(crate) nginx_module: PathBuf,
    pub(crate) weir: PathBuf,
}

/// A server under test at work; all of it ends when this is dropped.
pub(crate) struct Target {
    pub(crate) place: Place,
    /// The process that is measured.
    pub(crate) pid: u32,
    /// In the order in which they end: whoever depends on another first.
    _processes: Vec<Process>,
    _folder: TempDir,
}

/// Starts a server that gathers media for so long.
///
/// # Errors
/// When it does not serve.
pub(crate) async fn start(kind: Kind, gather: Duration, setting: &Setting) -> Result<Target> {
    let folder = tempfile::tempdir()?;
    match kind {
        Kind::Nginx => {
            let (process, place) =
                nginx::start(setting, &setting.server_processors, folder.path()).await?;
            Ok(Target {
                place,
                pid: process.pid(),
                _processes: vec![process],
                _folder: folder,
            })
        }
        Kind::Floor => {
            let (process, place) = floor::start(setting, gather, folder.path()).await?;
            Ok(Target {
                place,
                pid: process.pid(),
                _processes: vec![process],
                _folder: folder,
            })
        }
        Kind::Weir => {
            let processors = &setting.load_processors;
            let (origin, behind) = nginx::start(setting, processors, folder.path()).await?;
            let (edge, server, place) =
                weir::start(setting, gather, folder.path(), behind.address).await?;
            Ok(Target {
                place,
                pid: edge.pid(),
                _processes: vec![edge, server, origin],
                _folder: folder,
            })
        }
    }
}
