//! A client's socket, plain or inside TLS, as one type: readiness of the runtime, reads and
//! vectored writes that do not wait.
//!
//! A plain socket hands slices to the kernel as they are. Inside TLS the same slices are encrypted
//! record by record, and that is their only copy. The invariants: at most [`SEALED`] bytes are
//! encrypted ahead of what the kernel takes; what was taken goes out in order, whoever of its
//! session and its worker writes next; a plain socket carries no TLS state.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::ServerConnection;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::coop;

/// Bytes that may be encrypted before the kernel takes them: two records. Chosen, because they
/// count to what a slow viewer may hold (laws.md, 3.4) and a write takes no more at once anyway.
pub const SEALED: usize = 32 << 10;
/// Slices that are looked at at once.
const SLICES: usize = 64;
/// Reads from the kernel in one call. Chosen, because each takes about 4 KiB and a session is fed
/// 64 KiB at most.
const READS: usize = 32;

/// A client's socket.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    tls: Option<Box<Mutex<Tls>>>,
}

#[derive(Debug)]
struct Tls {
    connection: ServerConnection,
    /// The next read finds something without the kernel.
    unread: bool,
}

impl Socket {
    /// TCP.
    #[must_use]
    pub fn plain(stream: TcpStream) -> Self {
        Self { stream, tls: None }
    }

    /// TLS on TCP, after the handshake.
    #[must_use]
    pub fn tls(stream: TcpStream, mut connection: ServerConnection) -> Self {
        connection.set_buffer_limit(Some(SEALED));
        let tls = Tls {
            connection,
            // The client may have spoken with the end of its handshake.
            unread: true,
        };
        Self {
            stream,
            tls: Some(Box::new(Mutex::new(tls))),
        }
    }

    fn sealed(&self) -> Option<MutexGuard<'_, Tls>> {
        let tls = self.tls.as_ref()?;
        Some(tls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Comes when a read may find something.
    ///
    /// # Errors
    /// Those of the socket; the next read tells them too.
    pub async fn readable(&self) -> io::Result<()> {
        let unread = self.sealed().is_some_and(|tls| tls.unread);
        if unread {
            coop::consume_budget().await;
            return Ok(());
        }
        self.stream.readable().await
    }

    /// Comes when the kernel may take something.
    ///
    /// # Errors
    /// Those of the socket; the next write tells them too.
    pub async fn writable(&self) -> io::Result<()> {
        self.stream.writable().await
    }

    /// Reads what is there; 0 at the end.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is there, `InvalidData` where the client breaks TLS, and those of
    /// the socket.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.sealed() {
            None => read_what_is_there(&self.stream, buffer),
            Some(mut tls) => tls.read(&self.stream, buffer),
        }
    }

    /// Writes as much as is taken now.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is taken, and those of the socket.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.sealed() {
            None => self.stream.try_write(bytes),
            Some(mut tls) => tls.write(&self.stream, &[IoSlice::new(bytes)]),
        }
    }

    /// Writes as much of the slices as is taken now.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is taken, and those of the socket.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.sealed() {
            None => self.stream.try_write_vectored(slices),
            Some(mut tls) => tls.write(&self.stream, slices),
        }
    }

    /// Gives the kernel what was taken and still waits here; true when nothing does any more.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn try_flush(&self) -> io::Result<bool> {
        match self.sealed() {
            None => Ok(true),
            Some(mut tls) => tls.flush(&self.stream),
        }
    }

    /// Whether something that was taken still waits here for [`Socket::try_flush`].
    #[must_use]
    pub fn owes(&self) -> bool {
        self.sealed()
            .is_some_and(|tls| tls.connection.wants_write())
    }

    /// Says that nothing more is written.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn shut_down(&self) -> io::Result<()> {
        if let Some(mut tls) = self.sealed() {
            tls.connection.send_close_notify();
            // What the kernel does not take now is not waited for.
            let _ = tls.flush(&self.stream);
        }
        SockRef::from(&self.stream).shutdown(Shutdown::Write)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Tls {
    fn read(&mut self, stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        let read = self.fill(stream, buffer, &mut count);
        if self.connection.wants_write() {
            // An answer of TLS itself, or the last word on why it failed.
            let _ = self.flush(stream);
        }
        // What was read comes first; how it went on is told by the next call.
        self.unread = count > 0 && !is_blocked(&read) || matches!(read, Ok(Filled::InPart));
        match read {
            Ok(_) if count > 0 => Ok(count),
            Ok(Filled::Ended) => Ok(0),
            Ok(Filled::InPart) => Err(io::ErrorKind::WouldBlock.into()),
            Err(_) if count > 0 => Ok(count),
            Err(error) => Err(error),
        }
    }

    fn fill(
        &mut self,
        stream: &TcpStream,
        buffer: &mut [u8],
        count: &mut usize,
    ) -> io::Result<Filled> {
        for _ in 0..READS {
            self.connection
                .process_new_packets()
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            while *count < buffer.len() {
                match self.connection.reader().read(&mut buffer[*count..]) {
                    Ok(0) => return Ok(Filled::Ended),
                    Ok(more) => *count += more,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // Many clients hang up without the closing words of TLS.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        return Ok(Filled::Ended);
                    }
                    Err(error) => return Err(error),
                }
            }
            if *count == buffer.len() {
                break;
            }
            self.connection.read_tls(&mut Kernel(stream))?;
        }
        Ok(Filled::InPart)
    }

    fn write(&mut self, stream: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.flush(stream)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut own = [IoSlice::new(&[]); SLICES];
        let count = slices.len().min(SLICES);
        own[..count].copy_from_slice(&slices[..count]);
        let mut left = &mut own[..count];
        IoSlice::advance_slices(&mut left, 0);
        let mut taken = 0;
        while !left.is_empty() {
            let count = self.connection.writer().write_vectored(left)?;
            taken += count;
            IoSlice::advance_slices(&mut left, count);
            // A socket that fails now fails at the next write too.
            if count == 0 || !self.flush(stream).unwrap_or(false) {
                break;
            }
        }
        Ok(taken)
    }

    fn flush(&mut self, stream: &TcpStream) -> io::Result<bool> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Kernel(stream)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// How filling a buffer went.
enum Filled {
    /// The buffer is full, or enough was read for one call.
    InPart,
    /// Nothing follows.
    Ended,
}

fn is_blocked(read: &io::Result<Filled>) -> bool {
    matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Reads once. Where that does not fill the buffer nothing is left, and the runtime is told so: by
/// itself it would say that there is more, and each piece that a client sends would cost a second,
/// empty read.
fn read_what_is_there(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut taken = None;
    let read = stream.try_io(Interest::READABLE, || {
        let count = (&*SockRef::from(stream)).read(buffer)?;
        if 0 < count && count < buffer.len() {
            taken = Some(count);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(count)
    });
    taken.map_or(read, Ok)
}

/// The kernel's side of the socket.
struct Kernel<'a>(&'a TcpStream);

impl Read for Kernel<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Kernel<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (stream, _) = listener.accept().await.unwrap();
        (Socket::plain(stream), client.unwrap())
    }

    async fn next(socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let readable = timeout(Duration::from_secs(10), socket.readable()).await;
            readable.unwrap().unwrap();
            match socket.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }

    #[tokio::test]
    async fn what_follows_a_short_read_is_told() {
        let (socket, mut client) = pair().await;
        let mut buffer = [0; 8];
        for piece in [&b"a"[..], b"bc", b"12345678", b"123456789", b"d"] {
            client.write_all(piece).await.unwrap();
            let mut heard = Vec::new();
            while heard.len() < piece.len() {
                let count = next(&socket, &mut buffer).await.unwrap();
                heard.extend_from_slice(&buffer[..count]);
            }
            assert_eq!(heard, piece);
        }
    }

    #[tokio::test]
    async fn the_end_behind_a_short_read_is_told() {
        let (socket, mut client) = pair().await;
        let mut buffer = [0; 8];
        client.write_all(b"bye").await.unwrap();
        client.shutdown().await.unwrap();
        // Both are there before the first read.
        let closed = timeout(Duration::from_secs(10), async {
            while !socket
                .stream
                .ready(Interest::READABLE)
                .await
                .unwrap()
                .is_read_closed()
            {
                tokio::task::yield_now().await;
            }
        });
        closed.await.unwrap();
        assert_eq!(next(&socket, &mut buffer).await.unwrap(), 3);
        assert_eq!(next(&socket, &mut buffer).await.unwrap(), 0);
    }
}
