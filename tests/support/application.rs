//! A small application behind a webhook: it says of each question what the test tells it to say, as many at
//! once as are asked, and can be held so that it says nothing until it is let go on.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// The longest that it holds a question; longer than any webhook waits.
const HELD: Duration = Duration::from_secs(30);

pub(crate) struct Application {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    answer: fn(&Value) -> (u16, &'static str),
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    questions: Vec<Value>,
    now: usize,
    most: usize,
    held: bool,
}

impl Application {
    /// Starts one that answers with a status and a body.
    pub(crate) fn start(answer: fn(&Value) -> (u16, &'static str)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let shared = Arc::new(Shared {
            answer,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let serving = Arc::clone(&shared);
        // It ends with the test's process.
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                thread::spawn(move || serve(socket, &shared));
            }
        });
        Self { address, shared }
    }

    /// Where its questions are posted.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/ask", self.address)
    }

    /// From now on it holds questions, or answers those that it holds.
    pub(crate) fn hold(&self, held: bool) {
        self.shared.state().held = held;
        self.shared.changed.notify_all();
    }

    /// All that it was asked so far.
    pub(crate) fn questions(&self) -> Vec<Value> {
        self.shared.state().questions.clone()
    }

    /// The most questions that it was asked at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.state().most
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, question: Value) -> (u16, &'static str) {
        let answer = (self.answer)(&question);
        let mut state = self.state();
        state.questions.push(question);
        state.now += 1;
        state.most = state.most.max(state.now);
        let waited = self
            .changed
            .wait_timeout_while(state, HELD, |state| state.held);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.now -= 1;
        answer
    }
}

fn serve(mut socket: TcpStream, shared: &Shared) {
    let mut read = Vec::new();
    while let Some(body) = request(&mut socket, &mut read) {
        let question = serde_json::from_slice(&body).expect("a question is JSON");
        let (status, text) = shared.answer(question);
        let length = text.len();
        let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\n\r\n{text}");
        if socket.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The body of the next request; `None` when the edge has hung up.
fn request(socket: &mut TcpStream, read: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            let length: usize = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))?
                .parse()
                .ok()?;
            let whole = end + 4 + length;
            if read.len() >= whole {
                let body = read[end + 4..whole].to_vec();
                read.drain(..whole);
                return Some(body);
            }
        }
        let mut piece = [0; 4096];
        let count = socket.read(&mut piece).ok()?;
        if count == 0 {
            return None;
        }
        read.extend_from_slice(&piece[..count]);
    }
}
