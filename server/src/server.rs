//! The running server: opens the databases, listens, serves, stops.

mod listen;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::app::{self, App, Clock, setup};
use crate::config::Config;
use crate::router::router;
use crate::store::statistics::Statistics;
use crate::store::{self, Store};
use crate::tasks;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory could not be made.
    #[error("cannot make the data directory `{path}`")]
    DataDir {
        /// The directory.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The address could not be listened on.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The public URL cannot be made of the listening address.
    #[error("cannot make a URL of the address listened on")]
    PublicUrl(#[from] url::ParseError),
    /// The database could not be opened.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The stored settings could not be taken up.
    #[error("cannot take up the stored settings")]
    Settings(#[from] app::Error),
}

/// A running server. Dropped, it ends at once; [`Server::stop`] lets requests finish.
#[derive(Debug)]
pub struct Server {
    app: App,
    address: SocketAddr,
    setup_link: Option<Url>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Server {
    /// Starts a server: when this returns, it answers.
    ///
    /// # Errors
    /// Any of [`StartError`], which names what could not be opened.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let Config {
            data_dir,
            listen,
            public_url,
        } = config;
        make_private_dir(&data_dir).map_err(|source| StartError::DataDir {
            path: data_dir.display().to_string(),
            source,
        })?;
        let store = Store::open(&data_dir.join("weir.db")).await?;
        let statistics = Statistics::open(&data_dir.join("statistics.db")).await?;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|source| StartError::Listen {
                address: listen,
                source,
            })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen {
            address: listen,
            source,
        })?;
        let public_url = match public_url {
            Some(url) => url,
            None => Url::parse(&format!("http://{}/", reachable(address)))?,
        };
        let app = App::open(store, statistics, Clock::default(), public_url).await?;
        let setup_link = setup::make_link(&app).await?;

        let stop = CancellationToken::new();
        tasks::start(&app, &stop);
        let serving = tokio::spawn(listen::serve(
            listener,
            router(app.clone()),
            listen::HEAD_TIME,
            stop.clone(),
        ));
        tracing::info!(%address, public_url = %app.public_url(), "the server answers");
        Ok(Self {
            app,
            address,
            setup_link,
            stop,
            serving,
        })
    }

    /// The address that is listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The one-time set-up link, if there is no user yet.
    #[must_use]
    pub fn setup_link(&self) -> Option<&Url> {
        self.setup_link.as_ref()
    }

    /// The verbs, for a program that sets the server up itself.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Takes no new connections, lets requests finish for `grace`, closes the databases.
    pub async fn stop(mut self, grace: Duration) {
        self.stop.cancel();
        self.app.stop_waiting();
        if tokio::time::timeout(grace, &mut self.serving)
            .await
            .is_err()
        {
            tracing::warn!("requests were still running when the grace ended");
            self.serving.abort();
        }
        self.app.close().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        self.app.stop_waiting();
        self.serving.abort();
    }
}

/// Makes the directory where it is missing, for its owner alone.
fn make_private_dir(path: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// An address that others can dial: where all interfaces are listened on, the loopback one.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let loopback = if address.is_ipv4() {
        std::net::Ipv4Addr::LOCALHOST.into()
    } else {
        std::net::Ipv6Addr::LOCALHOST.into()
    };
    SocketAddr::new(loopback, address.port())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn starts_prints_a_way_in_once_and_stops() {
        let dir = tempfile::tempdir().unwrap();
        let config = || Config {
            data_dir: dir.path().join("data"),
            listen: "127.0.0.1:0".parse().unwrap(),
            public_url: None,
        };
        let server = Server::start(config()).await.unwrap();
        let link = server.setup_link().unwrap().clone();
        assert!(
            link.as_str()
                .starts_with(&format!("http://{}/setup/", server.address()))
        );
        let token = link.path().rsplit('/').next().unwrap();
        let from = app::From {
            address: server.address().ip(),
            request_id: String::new(),
        };
        setup::complete(
            server.app(),
            token,
            "Ada".parse().unwrap(),
            contract::secret::Secret::new("long enough to do"),
            from,
        )
        .await
        .unwrap();
        server.stop(Duration::from_secs(1)).await;

        let server = Server::start(config()).await.unwrap();
        assert_eq!(server.setup_link(), None);
        server.stop(Duration::from_secs(1)).await;
    }
}
