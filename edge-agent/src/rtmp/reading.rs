//! Reading from and writing to a client's socket, past the runtime's own buffers: a session that is
//! idle holds none.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::Bytes;
use socket2::SockRef;
use tokio::time::{Instant, timeout_at};

use crate::socket::Socket;

/// The most that a session is fed at once.
const READ: usize = 64 << 10;
/// The most that is thrown away of what a client goes on sending after it was closed on.
const DRAINED: usize = 256 << 10;

thread_local! {
    /// One buffer a worker thread: it is full only within one call.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// Takes what is there and hands it on; `None` at the end of the stream, 0 where nothing is there.
pub(super) fn read(socket: &Socket, take: impl FnOnce(&[u8])) -> io::Result<Option<usize>> {
    BUFFER.with_borrow_mut(|buffer| match socket.try_read(buffer) {
        Ok(0) => Ok(None),
        Ok(count) => {
            take(&buffer[..count]);
            Ok(Some(count))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Some(0)),
        Err(error) => Err(error),
    })
}

/// Writes everything in as few system calls as the socket takes.
pub(super) async fn write(socket: &Socket, pieces: &[Bytes], patience: Duration) -> io::Result<()> {
    let until = Instant::now() + patience;
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|one| IoSlice::new(one)).collect();
    let mut left = &mut slices[..];
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match socket.try_write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut left, count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                timeout_at(until, socket.writable())
                    .await
                    .map_err(|_| io::ErrorKind::TimedOut)??;
            }
            Err(error) => return Err(error),
        }
    }
    while !socket.try_flush()? {
        timeout_at(until, socket.writable())
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
    }
    Ok(())
}

/// Lets the kernel give up at once what a client did not read, instead of offering it for minutes
/// more when the socket is closed.
pub(super) fn reset(socket: &Socket) {
    // A socket that is gone holds nothing.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// Ends a connection so that what was written arrives: a socket closed with unread bytes in it
/// would be reset, and the client would lose the reason that it was just told.
pub(super) async fn close(socket: &Socket, patience: Duration) {
    if socket.shut_down().is_err() {
        return;
    }
    let until = Instant::now() + patience;
    let mut drained = 0;
    while drained < DRAINED {
        match read(socket, |_| {}) {
            Ok(Some(0)) => {
                if !matches!(timeout_at(until, socket.readable()).await, Ok(Ok(()))) {
                    return;
                }
            }
            Ok(Some(count)) => drained += count,
            Ok(None) | Err(_) => return,
        }
    }
}
