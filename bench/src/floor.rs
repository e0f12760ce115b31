//! The least that giving a stream to many viewers can cost: a server that only writes the same
//! bytes to each socket, once a video frame or once what came has waited for so long.
//!
//! It speaks just enough RTMP for one publisher and its viewers and does nothing else: no routes,
//! no rules, no bounds for slow viewers (who is not taken whole is given the rest before the next
//! frame). What it costs is the kernel's price; a server's own work is what it costs beyond that.

use std::cell::RefCell;
use std::io::{ErrorKind, Write};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use rtmp::chunk::{CHUNK_SIZE, ChunkStreamId, encode_shared};
use rtmp::server::{Event, Output, Session};
use rtmp::{Limits, Message, MessageKind};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use crate::clock::Clock;
use crate::frame::{AAC_HEADER, AVC_HEADER};

const READ: usize = 64 * 1024;

/// The one stream.
#[derive(Default)]
struct Stream {
    viewers: Vec<Viewer>,
    /// What came since the last writing.
    batch: BytesMut,
    /// Where in the batch its last keyframe begins.
    keyframe: Option<usize>,
    /// Whether the batch waits for its time.
    waits: bool,
    /// Sequence headers, for those who come.
    headers: Vec<Bytes>,
    /// All from the last keyframe on that was written, for those who come.
    group: BytesMut,
}

struct Viewer {
    socket: Rc<TcpStream>,
    /// What did not fit in its socket.
    rest: BytesMut,
}

/// Listens on a free port, says where on the standard output, and serves until it is killed.
///
/// # Errors
/// When it cannot listen.
pub(crate) async fn listen(gather: Duration) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "floor {}", listener.local_addr()?)?;
    serve(listener, gather).await
}

async fn serve(listener: TcpListener, gather: Duration) -> Result<()> {
    let stream = Rc::new(RefCell::new(Stream::default()));
    let input = Rc::new(RefCell::new(vec![0; READ]));
    let clock = Clock::start();
    LocalSet::new()
        .run_until(async move {
            loop {
                let (socket, _) = listener.accept().await?;
                socket.set_nodelay(true)?;
                let (stream, input) = (Rc::clone(&stream), Rc::clone(&input));
                tokio::task::spawn_local(async move {
                    let socket = Rc::new(socket);
                    // Who goes has gone; a measurement counts that at the other end.
                    let _ = attend(&socket, &stream, &input, clock, gather).await;
                    let mut stream = stream.borrow_mut();
                    stream
                        .viewers
                        .retain(|viewer| !Rc::ptr_eq(&viewer.socket, &socket));
                });
            }
        })
        .await
}

/// One connection, from its handshake to its end.
async fn attend(
    socket: &Rc<TcpStream>,
    stream: &Rc<RefCell<Stream>>,
    input: &RefCell<Vec<u8>>,
    clock: Clock,
    gather: Duration,
) -> Result<()> {
    let mut session = Session::new(Limits::default(), clock.now());
    session.set_admitted(true);
    loop {
        socket.readable().await?;
        {
            let mut input = input.borrow_mut();
            let count = match socket.try_read(&mut input) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            };
            session.handle(&input[..count], clock.now())?;
        }
        let mut plays = false;
        let mut out = BytesMut::new();
        while let Some(output) = session.poll_output() {
            match output {
                Output::Send(bytes) => out.extend_from_slice(&bytes),
                Output::Event(Event::Connect(connect)) => {
                    session.accept_connect(connect.transaction, Vec::new());
                }
                Output::Event(Event::Publish(publish)) => {
                    session.accept_publish(publish.stream_id);
                }
                Output::Event(Event::Play(play)) => {
                    session.start_play(play.stream_id, "bench", true, false);
                    plays = true;
                }
                Output::Event(Event::Media(message)) => take(stream, &message, gather),
                Output::Event(_) => {}
            }
        }
        if !out.is_empty() {
            write_all(socket, &out).await?;
        }
        if plays {
            stream.borrow_mut().seat(socket);
        }
    }
}

async fn write_all(socket: &TcpStream, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        socket.writable().await?;
        match socket.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Takes a message of the publisher. From a video frame on what has come waits for so long.
fn take(stream: &Rc<RefCell<Stream>>, message: &Message, gather: Duration) {
    let mut held = stream.borrow_mut();
    let bytes = encode_shared(message, ChunkStreamId::of(message.kind), CHUNK_SIZE);
    if [AVC_HEADER, AAC_HEADER].contains(&&message.payload[..]) {
        held.headers.push(bytes);
        return;
    }
    if message.payload.first() == Some(&0x17) {
        held.keyframe = Some(held.batch.len());
    }
    held.batch.extend_from_slice(&bytes);
    if message.kind != MessageKind::Video || held.waits {
        return;
    }
    if gather.is_zero() {
        held.write();
        return;
    }
    held.waits = true;
    let stream = Rc::clone(stream);
    tokio::task::spawn_local(async move {
        tokio::time::sleep(gather).await;
        stream.borrow_mut().write();
    });
}

impl Stream {
    /// Sends to all what has come.
    fn write(&mut self) {
        self.waits = false;
        let batch = self.batch.split().freeze();
        self.viewers.retain_mut(|viewer| viewer.send(&batch));
        let from = self.keyframe.take().inspect(|_| self.group.clear());
        self.group.extend_from_slice(&batch[from.unwrap_or(0)..]);
    }

    /// Takes a viewer, which begins at the last keyframe.
    fn seat(&mut self, socket: &Rc<TcpStream>) {
        let mut viewer = Viewer {
            socket: Rc::clone(socket),
            rest: BytesMut::new(),
        };
        for header in &self.headers {
            viewer.rest.extend_from_slice(header);
        }
        viewer.rest.extend_from_slice(&self.group);
        if viewer.send(&[]) {
            self.viewers.push(viewer);
        }
    }
}

impl Viewer {
    /// Writes without waiting; false when the connection is broken.
    fn send(&mut self, batch: &[u8]) -> bool {
        let mut bytes = self.rest.split();
        let all = if bytes.is_empty() {
            batch
        } else {
            bytes.extend_from_slice(batch);
            &bytes
        };
        let count = self.write(all);
        if let Some(count) = count {
            self.rest.extend_from_slice(&all[count..]);
        }
        count.is_some()
    }

    fn write(&self, bytes: &[u8]) -> Option<usize> {
        if bytes.is_empty() {
            return Some(0);
        }
        match self.socket.try_write(bytes) {
            Ok(count) => Some(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(0),
            Err(_) => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::check::Faults;
    use crate::publisher::Publisher;
    use crate::tally::Tally;
    use crate::target::Place;
    use crate::viewer::{self, Shared};

    async fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !holds() {
            assert!(Instant::now() < deadline, "{what}");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn publisher_and_viewers_agree_on_every_message() {
        agree(Duration::ZERO).await;
        agree(Duration::from_millis(50)).await;
    }

    async fn agree(gather: Duration) {
        let local = LocalSet::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = Place::at(listener.local_addr().unwrap());
        local.spawn_local(serve(listener, gather));
        let clock = Clock::start();
        let publisher = Publisher::start(place.clone(), 1.0, clock).unwrap();
        let shared = Rc::new(Shared {
            place,
            clock,
            door: Arc::new(Semaphore::new(2)),
            tally: RefCell::new(Tally::new()),
            input: RefCell::new(vec![0; READ]),
        });
        local
            .run_until(async {
                until("the publisher publishes", || publisher.publishes()).await;
                for number in 0..5 {
                    tokio::task::spawn_local(viewer::watch(Rc::clone(&shared), number));
                }
                shared.tally.borrow_mut().window_is_open = true;
                until("a second of frames at five viewers", || {
                    shared.tally.borrow().latencies.total() > 5 * 30
                })
                .await;
            })
            .await;
        publisher.stop().unwrap();
        let tally = shared.tally.borrow();
        assert_eq!(tally.joins.total(), 5);
        assert_eq!(tally.faults, Faults::default());
        assert_eq!(tally.ended(), 0);
    }
}
