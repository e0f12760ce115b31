//! An encoder inside the demo: publishes the clip through an edge, again and again, as an encoder in a studio
//! would its camera.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use rtmp::client::{ConnectOptions, Event, Output, PublishKind, Session};
use rtmp::{Limits, Message, MessageKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use super::clip::Clip;
use super::dial::{PATIENCE, dial};

/// What metadata begins with when it is published: the AMF string `@setDataFrame`.
const SET_DATA_FRAME: &[u8] = b"\x02\x00\x0d@setDataFrame";

/// Where to publish, from where.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    /// The address to come from.
    pub(crate) from: IpAddr,
    /// The edge.
    pub(crate) edge: SocketAddr,
    /// The application.
    pub(crate) app: &'static str,
    /// The stream.
    pub(crate) stream: &'static str,
}

/// How far publishing has come.
enum Phase {
    Asked,
    /// Since then the clip runs: so many of its frames have been sent.
    Sending {
        since: Instant,
        sent: u64,
    },
    Over,
}

impl Encoder {
    /// Publishes until the edge ends it.
    pub(crate) async fn publish(&self, clip: &Clip) -> io::Result<()> {
        let mut socket = dial(self.from, self.edge).await?;
        let mut options =
            ConnectOptions::new(self.app, &format!("rtmp://{}/{}", self.edge, self.app));
        options.flash_version = "StudioEncoder/3.0".to_owned();
        let mut session = Session::new(options, Limits::default(), Duration::ZERO);
        session.publish(self.stream, PublishKind::Live);
        let begun = Instant::now();
        let mut phase = Phase::Asked;
        let mut input = vec![0; 4 * 1024];
        loop {
            take_output(&mut session, &mut socket, &mut phase, clip).await?;
            let due = match &phase {
                Phase::Asked => session.next_deadline().map(|at| begun + at),
                Phase::Sending { since, sent } => Some(*since + clip.time_of(*sent)),
                Phase::Over => return Ok(()),
            };
            tokio::select! {
                read = socket.read(&mut input) => {
                    let count = read?;
                    if count == 0 {
                        return Ok(());
                    }
                    session.handle(&input[..count], begun.elapsed()).map_err(io::Error::other)?;
                }
                () = sleep_until(due.unwrap_or(begun)), if due.is_some() => match &mut phase {
                    Phase::Sending { sent, .. } => {
                        session.send_media(&clip.frame(*sent));
                        *sent += 1;
                    }
                    Phase::Asked | Phase::Over => {
                        session.handle_timeout(begun.elapsed()).map_err(io::Error::other)?;
                    }
                },
            }
        }
    }
}

async fn take_output(
    session: &mut Session,
    socket: &mut TcpStream,
    phase: &mut Phase,
    clip: &Clip,
) -> io::Result<()> {
    let mut out = BytesMut::new();
    while let Some(output) = session.poll_output() {
        match output {
            Output::Send(bytes) => out.extend_from_slice(&bytes),
            Output::Event(Event::Rejected { .. }) => *phase = Phase::Over,
            Output::Event(Event::Status { level, code, .. }) => {
                if level == "error" {
                    *phase = Phase::Over;
                } else if code == "NetStream.Publish.Start" && matches!(phase, Phase::Asked) {
                    for header in &clip.headers {
                        session.send_media(&to_publish(header));
                    }
                    *phase = Phase::Sending {
                        since: Instant::now(),
                        sent: 0,
                    };
                }
            }
            Output::Event(_) => {}
        }
    }
    if !out.is_empty() {
        timeout(PATIENCE, socket.write_all(&out)).await??;
    }
    Ok(())
}

/// Metadata is published under a word that has it kept for viewers.
fn to_publish(header: &Message) -> Message {
    if header.kind != MessageKind::DataAmf0 {
        return header.clone();
    }
    let mut payload = SET_DATA_FRAME.to_vec();
    payload.extend_from_slice(&header.payload);
    Message::new(header.kind, 0, 0, payload)
}
