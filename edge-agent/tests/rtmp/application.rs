//! An interactive application behind an edge, and its clients: both say and hear whole messages as they are.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rtmp::amf::Value;
use rtmp::command::Command;
use rtmp::control::UserControl;
use rtmp::{Limits, Message, MessageKind, client, server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{DEADLINE, picture};

/// Bytes of each piece of a flood.
pub(crate) const PIECE: usize = 60_000;

/// An application that answers calls, keeps all that it hears, and hands shared objects back.
pub(crate) struct Application {
    pub(crate) at: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) heard: Arc<Mutex<Vec<Message>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Application {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (counted, keeps) = (connections.clone(), heard.clone());
        let task = tokio::spawn(async move {
            let mut clients = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                clients.spawn(serve(socket, at, keeps.clone()));
            }
        });
        Self {
            at,
            connections,
            heard,
            task,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn heard(&self) -> Vec<Message> {
        self.heard.lock().unwrap().clone()
    }

    /// Gone, with every connection.
    pub(crate) async fn die(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

async fn serve(mut socket: TcpStream, at: SocketAddr, heard: Arc<Mutex<Vec<Message>>>) {
    let mut session = server::Session::new(Limits::default(), Duration::ZERO);
    let mut buffer = vec![0; 65_536];
    loop {
        while let Some(output) = session.poll_output() {
            match output {
                server::Output::Send(bytes) => {
                    if socket.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                server::Output::Event(server::Event::Connect(connect)) => {
                    session.begin_tunnel();
                    session.set_admitted(true);
                    let object = Value::Object(connect.object.clone());
                    let arguments = [object].into_iter().chain(connect.arguments.clone());
                    let said = Command::new("connect", connect.transaction, arguments.collect());
                    heard.lock().unwrap().push(said.message(0));
                    let info = Value::object([
                        ("code", "NetConnection.Connect.Success".into()),
                        ("description", format!("welcome to rtmp://{at}/live").into()),
                    ]);
                    let values = vec![Value::Null, info];
                    let answer = Command::new("_result", connect.transaction, values);
                    session.send_message(&answer.message(0));
                }
                server::Output::Event(server::Event::Other(message)) => {
                    heard.lock().unwrap().push(message.clone());
                    if !answer(&mut session, &message) {
                        return;
                    }
                }
                server::Output::Event(_) => {}
            }
        }
        match socket.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                let now = Duration::ZERO;
                if session.handle(&buffer[..count], now).is_err() {
                    return;
                }
            }
        }
    }
}

/// Does what is asked; false to hang up.
fn answer(session: &mut server::Session, message: &Message) -> bool {
    if matches!(
        message.kind,
        MessageKind::SharedObjectAmf0 | MessageKind::SharedObjectAmf3
    ) {
        session.send_message(message);
    }
    let Ok(command) = Command::parse(message) else {
        return true;
    };
    let is_command = matches!(
        message.kind,
        MessageKind::CommandAmf0 | MessageKind::CommandAmf3
    );
    if !is_command {
        return true;
    }
    let transaction = command.transaction;
    match command.name.as_str() {
        "createStream" => {
            let values = vec![Value::Null, Value::Number(5.0)];
            session.send_message(&Command::new("_result", transaction, values).message(0));
        }
        "play" => {
            session.send_message(&UserControl::StreamBegin(5).message());
            let info = Value::object([("code", "NetStream.Play.Start".into())]);
            let status = Command::new("onStatus", 0.0, vec![Value::Null, info]);
            session.send_message(&status.message(message.stream_id));
            for number in 0..20 {
                let picture = picture(number);
                session.send_message(&Message {
                    stream_id: message.stream_id,
                    ..picture
                });
            }
        }
        // The arguments go back as they came.
        "echo" => {
            let answer = Command {
                name: "_result".to_owned(),
                ..command
            };
            session.send_message(&answer.amf3_message(0));
        }
        "flood" => {
            let pieces = command.number(1).unwrap_or_default() as u32;
            for number in 0..pieces {
                let piece = Message::new(MessageKind::Other(77), number, 0, vec![7; PIECE]);
                session.send_message(&piece);
            }
        }
        "hang up" => return false,
        _ => {}
    }
    true
}

/// A client that says and hears whole messages.
pub(crate) struct Caller {
    pub(crate) socket: TcpStream,
    session: client::Session,
}

impl Caller {
    /// After the handshake.
    pub(crate) async fn dial(at: SocketAddr) -> Self {
        let socket = TcpStream::connect(at).await.unwrap();
        let session = client::Session::tunnel(Limits::default(), Duration::ZERO);
        let mut caller = Self { socket, session };
        let work = async {
            while !caller.session.is_connected() {
                caller.flush().await;
                assert!(caller.fill().await, "closed within the handshake");
            }
            caller.flush().await;
        };
        timeout(DEADLINE, work).await.unwrap();
        caller
    }

    /// Connected to `live`; what was answered.
    pub(crate) async fn connect(at: SocketAddr, more: &[(&str, Value)]) -> (Self, Command) {
        let mut caller = Self::dial(at).await;
        let all = [
            ("app", "live".into()),
            ("tcUrl", format!("rtmp://{at}/live").into()),
        ];
        let object = Value::object(all.into_iter().chain(more.iter().cloned()));
        let connect = Command::new("connect", 1.0, vec![object, "room 7".into()]);
        caller.say(&connect.message(0)).await;
        let answer = caller.command("_result").await;
        (caller, answer)
    }

    pub(crate) async fn say(&mut self, message: &Message) {
        self.session.send_message(message);
        self.flush().await;
    }

    async fn flush(&mut self) {
        while let Some(bytes) = self.session.take_send() {
            // The edge may have closed already; what it said before still counts.
            let _ = self.socket.write_all(&bytes).await;
        }
    }

    async fn fill(&mut self) -> bool {
        let mut buffer = vec![0; 65_536];
        match self.socket.read(&mut buffer).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                let handled = self.session.handle(&buffer[..count], Duration::ZERO);
                handled.unwrap();
                true
            }
        }
    }

    /// The next message; `None` when the edge closed.
    pub(crate) async fn hear(&mut self) -> Option<Message> {
        let work = async {
            loop {
                while let Some(output) = self.session.poll_output() {
                    match output {
                        client::Output::Send(bytes) => {
                            let _ = self.socket.write_all(&bytes).await;
                        }
                        client::Output::Event(client::Event::Other(message)) => {
                            return Some(message);
                        }
                        client::Output::Event(_) => {}
                    }
                }
                if !self.fill().await {
                    return None;
                }
            }
        };
        timeout(DEADLINE, work).await.unwrap()
    }

    /// Goes on to the next command of this name.
    pub(crate) async fn command(&mut self, name: &str) -> Command {
        while let Some(message) = self.hear().await {
            if let Ok(command) = Command::parse(&message)
                && command.name == name
            {
                return command;
            }
        }
        panic!("the edge closed without {name}");
    }
}
