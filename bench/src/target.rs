//! What is measured: a server under test, started for one run, and where it is published to and
//! played from.

mod floor;
mod nginx;
mod weir;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use tempfile::TempDir;

use crate::process::Process;

/// The servers that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// nginx with its RTMP module.
    Nginx,
    /// A server that only writes the same bytes to all, on each video frame.
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
    /// The processor of the server under test.
    pub(crate) server_processor: usize,
    /// The processor of all that is needed beside it, and of the load.
    pub(crate) load_processor: usize,
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

/// Starts a server.
///
/// # Errors
/// When it does not serve.
pub(crate) async fn start(kind: Kind, setting: &Setting) -> Result<Target> {
    let folder = tempfile::tempdir()?;
    match kind {
        Kind::Nginx => {
            let (process, place) =
                nginx::start(setting, setting.server_processor, folder.path()).await?;
            Ok(Target {
                place,
                pid: process.pid(),
                _processes: vec![process],
                _folder: folder,
            })
        }
        Kind::Floor => {
            let (process, place) = floor::start(setting, folder.path()).await?;
            Ok(Target {
                place,
                pid: process.pid(),
                _processes: vec![process],
                _folder: folder,
            })
        }
        Kind::Weir => {
            let processor = setting.load_processor;
            let (origin, behind) = nginx::start(setting, processor, folder.path()).await?;
            let (edge, server, place) = weir::start(setting, folder.path(), behind.address).await?;
            Ok(Target {
                place,
                pid: edge.pid(),
                _processes: vec![edge, server, origin],
                _folder: folder,
            })
        }
    }
}
