//! An HTTP/1.1 origin that a test holds in its hand: it keeps the head and the body of every request as they
//! came, byte for byte, and a function of the test writes the answer, as slowly or as badly as it likes. A
//! thread a connection, one request after the other.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a connection is quiet before it ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// Request line and fields, with their line ends.
    pub(crate) head: String,
    /// What followed, as far as the head said that something follows.
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// All values of a field, by its name in lower case.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.head
            .split("\r\n")
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    /// The first value of a field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// The bytes that `Range` asks for of an object of this length, and whether it does.
    pub(crate) fn range(&self, length: u64) -> (u64, u64, bool) {
        let Some(set) = self
            .header("range")
            .and_then(|range| range.strip_prefix("bytes="))
        else {
            return (0, length, false);
        };
        let (first, last) = set.split_once('-').expect("a range has a dash");
        let first: u64 = first.parse().expect("a range begins somewhere");
        let last = last
            .parse()
            .map_or(length, |last: u64| (last + 1).min(length));
        (first, last, true)
    }
}

/// The client's side of a connection, to write an answer to; what is written is counted.
pub(crate) struct Out {
    stream: TcpStream,
    sent: Arc<AtomicU64>,
}

impl Out {
    /// Writes bytes; fails when the client is gone.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Writes an answer whole.
    pub(crate) fn answer(
        &mut self,
        status: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        self.head(status, fields, body.len() as u64)?;
        self.write(body)
    }

    /// Writes a head for a body of this length.
    pub(crate) fn head(
        &mut self,
        status: &str,
        fields: &[(&str, &str)],
        length: u64,
    ) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {status}\r\n");
        for (name, value) in fields {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {length}\r\n\r\n");
        self.stream.write_all(head.as_bytes())
    }
}

type Answer = dyn Fn(&Received, &mut Out) -> io::Result<()> + Send + Sync;

struct Shared {
    answer: Box<Answer>,
    received: Mutex<Vec<Received>>,
    sent: Arc<AtomicU64>,
    stopped: AtomicBool,
}

/// The origin; dropped, it takes no more connections.
pub(crate) struct HttpOrigin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl HttpOrigin {
    /// Starts on a free port. After an answer that fails its connection is closed.
    pub(crate) fn start(
        answer: impl Fn(&Received, &mut Out) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            received: Mutex::default(),
            sent: Arc::default(),
            stopped: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if theirs.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&theirs);
                // A connection that breaks is none of the origin's business.
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        HttpOrigin { address, shared }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// All requests, in the order in which they came.
    pub(crate) fn received(&self) -> Vec<Received> {
        let received = self.shared.received.lock();
        received.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The requests for this path.
    pub(crate) fn requests_for(&self, path: &str) -> Vec<Received> {
        let mut received = self.received();
        received.retain(|request| request.path() == path);
        received
    }

    /// How many bytes of bodies were written, some of them perhaps to nobody.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }
}

impl Drop for HttpOrigin {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut out = Out {
        stream,
        sent: Arc::clone(&shared.sent),
    };
    while let Some(received) = receive(&mut reader)? {
        let mut all = shared
            .received
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.push(received.clone());
        drop(all);
        if let Err(error) = (shared.answer)(&received, &mut out) {
            out.stream.shutdown(std::net::Shutdown::Both)?;
            return Err(error);
        }
    }
    Ok(())
}

/// The next request; `None` when the client has ended.
fn receive(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Received>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head)? == 0 {
            return Ok(None);
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut received = Received {
        head,
        body: Vec::new(),
    };
    if received.header("transfer-encoding").is_some() {
        while !received.body.ends_with(b"0\r\n\r\n") {
            if reader.read_until(b'\n', &mut received.body)? == 0 {
                break;
            }
        }
    } else if let Some(length) = received.header("content-length") {
        let length = length.parse().unwrap_or(0);
        received.body.resize(length, 0);
        reader.read_exact(&mut received.body)?;
    }
    Ok(Some(received))
}

#[test]
fn ranges_are_cut_to_the_object() {
    let request = |range: &str| Received {
        head: format!("GET / HTTP/1.1\r\n{range}\r\n\r\n"),
        body: Vec::new(),
    };
    assert_eq!(request("Range: bytes=2-3").range(10), (2, 4, true));
    assert_eq!(request("Range: bytes=2-").range(10), (2, 10, true));
    assert_eq!(request("X: y").range(10), (0, 10, false));
}
