//! What the server is started with.

use std::net::SocketAddr;
use std::path::PathBuf;

use url::Url;

/// The few settings that need a restart; everything else lives in the database.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the databases stand. Made where it is missing.
    pub data_dir: PathBuf,
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where people and edges reach the server; nothing means at the listening address.
    pub public_url: Option<Url>,
}
