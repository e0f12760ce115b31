//! An HTTP client that reads as much as it wants and when it wants, or not at all.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);

/// An answer that is read bit by bit.
pub(crate) struct Reader {
    stream: TcpStream,
    /// The head of the answer, to the empty line.
    pub(crate) head: String,
    over: Vec<u8>,
}

impl Reader {
    /// Asks for this path, and reads the head of the answer.
    #[track_caller]
    pub(crate) fn get(address: &str, path: &str) -> Self {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        let mut stream = TcpStream::connect(address).expect("the edge listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a deadline can be set");
        stream
            .write_all(request.as_bytes())
            .expect("the edge takes a request");
        let mut reader = Reader {
            stream,
            head: String::new(),
            over: Vec::new(),
        };
        loop {
            if let Some(end) = reader.over.windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = reader.over.split_off(end + 4);
                let head = std::mem::replace(&mut reader.over, rest);
                reader.head = String::from_utf8_lossy(&head).into_owned();
                return reader;
            }
            reader.more();
        }
    }

    #[track_caller]
    fn more(&mut self) {
        let mut buffer = vec![0; 64 << 10];
        let length = self
            .stream
            .read(&mut buffer)
            .expect("an answer comes in time");
        assert!(length > 0, "it ended early, after {}", self.head);
        self.over.extend_from_slice(&buffer[..length]);
    }

    /// The next so many bytes of the body.
    #[track_caller]
    pub(crate) fn read(&mut self, length: u64) -> Vec<u8> {
        let length = usize::try_from(length).expect("tests are small");
        while self.over.len() < length {
            self.more();
        }
        self.over.drain(..length).collect()
    }

    /// All that still comes, until the end or the connection breaks.
    pub(crate) fn rest(mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.over);
        // A connection that is reset has said what it had to say.
        let _ = self.stream.read_to_end(&mut rest);
        rest
    }
}
