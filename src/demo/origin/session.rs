//! One RTMP client of the demo's origin: bytes from its socket into a session, what the session wants
//! back onto it.
//!
//! Everyone may connect, publish a free name and play. A connection plays one stream at a time. A client
//! that takes nothing for [`PATIENCE`] is let go.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use rtmp::server::{Event, Output, Session};
use rtmp::{Limits, Message, MessageKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, sleep_until, timeout};

use super::studio::{Publisher, Studio, Watching};
use crate::demo::clip;

/// How long a write may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages put into one write.
const AT_ONCE: usize = 64;

struct Connection<'s> {
    studio: &'s Studio,
    session: Session,
    app: String,
    publishers_by_stream: HashMap<u32, Publisher>,
    playing: Option<Playing>,
}

struct Playing {
    stream_id: u32,
    watching: Watching,
    /// It fell behind: pictures are left out up to the next one that can be begun with.
    until_keyframe: bool,
}

/// Serves one client to its end.
pub(super) async fn serve(mut socket: TcpStream, studio: &Studio) -> io::Result<()> {
    let begun = Instant::now();
    let mut connection = Connection {
        studio,
        session: Session::new(Limits::default(), Duration::ZERO),
        app: String::new(),
        publishers_by_stream: HashMap::new(),
        playing: None,
    };
    let mut input = vec![0; 16 * 1024];
    loop {
        let output = connection.take_output();
        if !output.is_empty() {
            timeout(PATIENCE, socket.write_all(&output)).await??;
        }
        let deadline = connection.session.next_deadline();
        tokio::select! {
            read = socket.read(&mut input) => {
                let count = read?;
                if count == 0 {
                    return Ok(());
                }
                connection
                    .session
                    .handle(&input[..count], begun.elapsed())
                    .map_err(io::Error::other)?;
            }
            () = next(&mut connection) => {}
            () = sleep_until(begun + deadline.unwrap_or_default()), if deadline.is_some() => {
                connection.session.handle_timeout(begun.elapsed()).map_err(io::Error::other)?;
            }
        }
    }
}

/// Waits for what is being watched and hands it to the session; for ever when nothing is.
async fn next(connection: &mut Connection<'_>) {
    let Some(playing) = &mut connection.playing else {
        return std::future::pending().await;
    };
    let mut received = playing.watching.live.recv().await;
    for left in (0..AT_ONCE).rev() {
        match received {
            Ok(message) => playing.send(&mut connection.session, message),
            Err(RecvError::Lagged(_)) => playing.until_keyframe = true,
            Err(RecvError::Closed) => {
                connection.session.stream_eof(playing.stream_id);
                connection.playing = None;
                return;
            }
        }
        if left == 0 {
            return;
        }
        received = match playing.watching.live.try_recv() {
            Ok(message) => Ok(message),
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Lagged(count)) => Err(RecvError::Lagged(count)),
            Err(TryRecvError::Closed) => Err(RecvError::Closed),
        };
    }
}

impl Playing {
    fn send(&mut self, session: &mut Session, message: Message) {
        if clip::is_keyframe(&message) {
            self.until_keyframe = false;
        }
        if self.until_keyframe && message.kind == MessageKind::Video {
            return;
        }
        session.send_message(&Message {
            stream_id: self.stream_id,
            ..message
        });
    }
}

impl Connection<'_> {
    /// All that is to be written now.
    fn take_output(&mut self) -> BytesMut {
        let mut out = BytesMut::new();
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Send(bytes) => out.extend_from_slice(&bytes),
                Output::Event(event) => self.hear(event),
            }
        }
        out
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Connect(connect) => {
                self.app = without_query(&connect.app).to_owned();
                self.session.set_admitted(true);
                self.session.accept_connect(connect.transaction, Vec::new());
            }
            Event::Publish(publish) => self.publish(publish.stream_id, &publish.name),
            Event::Play(play) => self.play(play.stream_id, &play.name, play.reset),
            Event::Media(message) => {
                if let Some(publisher) = self.publishers_by_stream.get(&message.stream_id) {
                    publisher.send(&message);
                }
            }
            Event::CloseStream { stream_id } | Event::DeleteStream { stream_id } => {
                self.publishers_by_stream.remove(&stream_id);
                if self
                    .playing
                    .as_ref()
                    .is_some_and(|playing| playing.stream_id == stream_id)
                {
                    self.playing = None;
                }
            }
            // A live stream has no length and no place to seek to; the rest asks for nothing.
            Event::ReleaseStream { .. }
            | Event::FcPublish { .. }
            | Event::FcUnpublish { .. }
            | Event::FcSubscribe { .. }
            | Event::GetStreamLength { .. }
            | Event::CreateStream { .. }
            | Event::Pause { .. }
            | Event::Seek { .. }
            | Event::ReceiveAudio { .. }
            | Event::ReceiveVideo { .. }
            | Event::Command { .. }
            | Event::Other(_)
            | Event::BufferLength { .. }
            | Event::PingResponse { .. } => {}
        }
    }

    fn publish(&mut self, stream_id: u32, name: &str) {
        let path = self.path(name);
        match self.studio.publish(&path) {
            Some(publisher) => {
                self.publishers_by_stream.insert(stream_id, publisher);
                self.session.accept_publish(stream_id);
            }
            None => self.refuse(
                stream_id,
                "NetStream.Publish.BadName",
                "this name is being published",
            ),
        }
    }

    fn play(&mut self, stream_id: u32, name: &str, reset: bool) {
        let Some(mut watching) = self.studio.watch(&self.path(name)) else {
            self.refuse(
                stream_id,
                "NetStream.Play.StreamNotFound",
                "nobody publishes this",
            );
            return;
        };
        self.session.start_play(stream_id, name, reset, false);
        let first = std::mem::take(&mut watching.first);
        let mut playing = Playing {
            stream_id,
            watching,
            until_keyframe: false,
        };
        for message in first {
            playing.send(&mut self.session, message);
        }
        self.playing = Some(playing);
    }

    fn refuse(&mut self, stream_id: u32, code: &str, description: &str) {
        self.session
            .status(stream_id, "error", code, description, Vec::new());
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{}", self.app, without_query(name))
    }
}

fn without_query(text: &str) -> &str {
    text.split_once('?').map_or(text, |(before, _)| before)
}
