//! A player inside the demo: plays a stream through an edge, as any RTMP client would, and counts what it
//! gets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use rtmp::Limits;
use rtmp::client::{ConnectOptions, Event, Output, Session};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::dial::{PATIENCE, dial};

/// What to play, from where.
#[derive(Debug, Clone)]
pub(crate) struct Player {
    /// The address to come from, by which an edge may recognize a client.
    pub(crate) from: IpAddr,
    /// The edge.
    pub(crate) edge: SocketAddr,
    /// The application.
    pub(crate) app: &'static str,
    /// The stream.
    pub(crate) stream: &'static str,
    /// What the player calls itself.
    pub(crate) user_agent: &'static str,
}

/// How playing went.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Played {
    /// Messages of sound, pictures and data.
    pub(crate) messages: u64,
    /// Why the edge would not play, or stopped.
    pub(crate) refused: Option<String>,
}

impl Player {
    /// Plays for so long, or until the edge ends it.
    pub(crate) async fn play(&self, length: Duration) -> io::Result<Played> {
        let end = Instant::now() + length;
        let mut socket = dial(self.from, self.edge).await?;
        let mut session = Session::new(self.options(), Limits::default(), Duration::ZERO);
        session.play(self.stream, -2.0);
        let begun = Instant::now();
        let mut played = Played::default();
        let mut input = vec![0; 16 * 1024];
        loop {
            let over = take_output(&mut session, &mut socket, &mut played).await?;
            if over || played.refused.is_some() {
                return Ok(played);
            }
            let deadline = session.next_deadline();
            tokio::select! {
                read = socket.read(&mut input) => {
                    let count = read?;
                    if count == 0 {
                        return Ok(played);
                    }
                    session.handle(&input[..count], begun.elapsed()).map_err(io::Error::other)?;
                }
                () = sleep_until(begun + deadline.unwrap_or_default()), if deadline.is_some() => {
                    session.handle_timeout(begun.elapsed()).map_err(io::Error::other)?;
                }
                () = sleep_until(end) => {
                    session.close();
                    let soon = Instant::now() + PATIENCE;
                    timeout_at(soon, take_output(&mut session, &mut socket, &mut played)).await??;
                    return Ok(played);
                }
            }
        }
    }

    fn options(&self) -> ConnectOptions {
        let tc_url = format!("rtmp://{}/{}", self.edge, self.app);
        ConnectOptions {
            flash_version: self.user_agent.to_owned(),
            ..ConnectOptions::new(self.app, &tc_url)
        }
    }
}

/// Writes what is to be written; true when the stream is over.
async fn take_output(
    session: &mut Session,
    socket: &mut TcpStream,
    played: &mut Played,
) -> io::Result<bool> {
    let mut out = BytesMut::new();
    let mut over = false;
    while let Some(output) = session.poll_output() {
        match output {
            Output::Send(bytes) => out.extend_from_slice(&bytes),
            Output::Event(event) => over |= hear(event, played),
        }
    }
    if !out.is_empty() {
        timeout(PATIENCE, socket.write_all(&out)).await??;
    }
    Ok(over)
}

/// Notes what was said; true when the stream is over.
fn hear(event: Event, played: &mut Played) -> bool {
    match event {
        Event::Media(_) => played.messages += 1,
        Event::Rejected { description, .. } => played.refused = Some(description),
        Event::Status {
            level, description, ..
        } => {
            if level == "error" {
                played.refused = Some(description);
            }
        }
        Event::StreamEof { .. } => return true,
        Event::Connected { .. }
        | Event::StreamReady { .. }
        | Event::Answer { .. }
        | Event::Command { .. }
        | Event::StreamBegin { .. }
        | Event::StreamIsRecorded { .. }
        | Event::PingResponse { .. }
        | Event::Other(_) => {}
    }
    false
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;
    use crate::demo::origin::Origin;

    async fn origin() -> Origin {
        let any = (Ipv4Addr::LOCALHOST, 0);
        let listeners = (TcpListener::bind(any).await, TcpListener::bind(any).await);
        Origin::start(listeners.0.unwrap(), listeners.1.unwrap()).unwrap()
    }

    fn player(edge: SocketAddr, stream: &'static str) -> Player {
        Player {
            from: Ipv4Addr::LOCALHOST.into(),
            edge,
            app: "live",
            stream,
            user_agent: "test",
        }
    }

    #[tokio::test]
    async fn plays_the_origins_stream() {
        let origin = origin().await;
        let player = player(origin.rtmp, "clip");
        let played = player.play(Duration::from_millis(500)).await.unwrap();
        assert_eq!(played.refused, None);
        assert!(played.messages > 10, "{played:?}");
    }

    #[tokio::test]
    async fn is_told_that_nobody_publishes() {
        let origin = origin().await;
        let player = player(origin.rtmp, "nothing");
        let played = player.play(Duration::from_secs(5)).await.unwrap();
        assert_eq!(played.refused.as_deref(), Some("nobody publishes this"));
    }
}
