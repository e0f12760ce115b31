//! An RTMP origin that plays a keyframe each 20 ms to whoever asks, and can cut everyone off.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use contract::origin::Origin as Record;
use rtmp::server::{Event, Output, Session};
use rtmp::{Limits, Message, MessageKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::origin::record;

const KEYFRAME: &[u8] = b"\x17\x01\x00\x00\x00picture";

/// An origin; it goes away when it is dropped.
pub(crate) struct Studio {
    at: SocketAddr,
    cuts: watch::Sender<u64>,
    _running: JoinSet<()>,
}

impl Studio {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let cuts = watch::Sender::new(0);
        let mut running = JoinSet::new();
        running.spawn(accept(listener, cuts.subscribe()));
        Self {
            at,
            cuts,
            _running: running,
        }
    }

    pub(crate) fn record(&self) -> Record {
        Record {
            address: format!("rtmp://{}", self.at).parse().unwrap(),
            ..record(self.at)
        }
    }

    /// Closes every connection that is there; new ones are served.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn accept(listener: TcpListener, cuts: watch::Receiver<u64>) {
    let mut sessions = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let mut cuts = cuts.clone();
        cuts.mark_unchanged();
        sessions.spawn(async move {
            tokio::select! {
                () = serve(socket) => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

async fn serve(mut socket: TcpStream) {
    let began = Instant::now();
    let mut session = Session::new(Limits::default(), Duration::ZERO);
    session.set_admitted(true);
    let mut playing = None;
    let mut ticks = interval(Duration::from_millis(20));
    let mut input = vec![0; 16 << 10];
    loop {
        while let Some(output) = session.poll_output() {
            match output {
                Output::Send(bytes) => {
                    if socket.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Output::Event(Event::Connect(connect)) => {
                    session.accept_connect(connect.transaction, Vec::new());
                }
                Output::Event(Event::Play(play)) => {
                    session.start_play(play.stream_id, &play.name, true, false);
                    playing = Some(play.stream_id);
                }
                Output::Event(_) => {}
            }
        }
        tokio::select! {
            read = socket.read(&mut input) => match read {
                Ok(count) if count > 0 => session.handle(&input[..count], began.elapsed()).unwrap(),
                Ok(_) | Err(_) => return,
            },
            _ = ticks.tick(), if playing.is_some() => {
                let at = u32::try_from(began.elapsed().as_millis()).unwrap();
                session.send_message(&Message {
                    kind: MessageKind::Video,
                    timestamp: at,
                    stream_id: playing.unwrap(),
                    payload: Bytes::from_static(KEYFRAME),
                });
            }
        }
    }
}
