//! `weir server`.

use std::net::SocketAddr;

use anyhow::Context;
use server::{Config, Server};
use url::Url;

use crate::cli::ServerOptions;
use crate::say;
use crate::settings::{Reading, Wrong};
use crate::stop::{GRACE, Signals};

/// Runs the server until it is asked to stop.
pub(crate) async fn run(options: ServerOptions) -> anyhow::Result<()> {
    let config = meant(options)?;
    let mut signals = Signals::catch()?;
    let server = Server::start(config)
        .await
        .context("the server does not start")?;
    say::line(format_args!(
        "server listening on http://{}",
        server.address()
    ));
    if let Some(link) = server.setup_link() {
        say::line(format_args!("set-up link {link}"));
    }
    say::line("ready");
    signals.asked().await;
    signals.unless_asked_again(server.stop(GRACE)).await;
    Ok(())
}

fn meant(options: ServerOptions) -> Result<Config, Wrong> {
    let mut reading = Reading::default();
    let listen = reading.value(
        "--listen",
        &options.listen,
        "an address and port such as 127.0.0.1:8080",
        |text| text.parse::<SocketAddr>().ok(),
    );
    let public_url = match &options.public_url {
        None => Some(None),
        Some(text) => reading
            .value(
                "--public-url",
                text,
                "an address such as https://console.example.org",
                public_url,
            )
            .map(Some),
    };
    let config = listen.zip(public_url).map(|(listen, public_url)| Config {
        data_dir: options.data,
        listen,
        public_url,
    });
    reading.end(config)
}

/// The console's pages name their paths from the root, so a public URL has none of its own.
fn public_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    plain.then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_a_scheme_a_host_and_nothing_else() {
        let check = |text: &str, expected: bool| {
            assert_eq!(public_url(text).is_some(), expected, "{text}");
        };
        check("https://console.example.org", true);
        check("http://10.0.0.1:8080/", true);
        check("console.example.org", false);
        check("ftp://console.example.org", false);
        check("https://console.example.org/weir", false);
        check("https://console.example.org/?a", false);
        check("https://me:pw@console.example.org/", false);
    }
}
