//! An edge's RTMP plane on loopback with an origin in this process: both speak by the `rtmp` crate,
//! so that each message and each answer can be looked at. Real programs stand in `tests/e2e`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract::directory::Directory;
use contract::id::{ClusterId, EdgeId, KeyId, OriginId, RouteId, RuleId};
use contract::origin::{Origin, Reach};
use contract::pattern::Pattern;
use contract::protocol::Plane;
use contract::route::{CacheSettings, LiveSettings, Route, RouteAction, RouteKind, StreamMode};
use contract::rule::{Effect, Rule};
use contract::secret::Secret;
use contract::snapshot::{EdgeState, Neighbor, Snapshot};
use contract::token::SigningKey;
use edge_agent::clock::Clock;
use edge_agent::context::Context;
use edge_agent::control::Settings;
use edge_agent::dial::Dialer;
use edge_agent::recorded::Recordings;
use edge_agent::sessions::{Sessions, Totals};
use edge_agent::stop::Stop;
use edge_agent::store::Store;
use edge_agent::streams::Streams;
use rtmp::client::{self, ConnectOptions};
use rtmp::{Limits, Message, MessageKind, server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, timeout};

/// Longer than anything here may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(8);

/// How an origin treats those who publish.
#[derive(Default)]
pub(crate) struct Manner {
    /// It says no to them.
    pub(crate) refuses: AtomicBool,
    /// It takes a stream from one at a time.
    pub(crate) takes_one: AtomicBool,
    publishers: AtomicUsize,
    /// It answers them only when this is no longer set.
    pub(crate) dawdles: watch::Sender<bool>,
    /// It asks them again and again whether they are there, and reads little at a time.
    pub(crate) pings: AtomicBool,
}

/// One who publishes to an origin, until its connection is gone.
struct Publisher(Arc<Manner>);

impl Publisher {
    fn of(manner: &Arc<Manner>) -> Self {
        manner.publishers.fetch_add(1, Ordering::SeqCst);
        Self(manner.clone())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.0.publishers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Bytes that an origin takes at once: little enough that messages are written in part.
const SMALL: usize = 16 << 10;
/// Reads between two questions: an origin may not ask a thousand times a second.
const TURNS: usize = 32;

/// An origin: it takes published streams and gives them to players.
pub(crate) struct FakeOrigin {
    pub(crate) at: SocketAddr,
    pub(crate) manner: Arc<Manner>,
    pub(crate) connections: Arc<AtomicUsize>,
    /// What was published to it, in order.
    pub(crate) published: Arc<Mutex<Vec<Message>>>,
    pub(crate) media: broadcast::Sender<Message>,
    task: tokio::task::JoinHandle<()>,
}

impl FakeOrigin {
    pub(crate) async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .set_recv_buffer_size(u32::try_from(SMALL).unwrap())
            .unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(64).unwrap();
        let at = listener.local_addr().unwrap();
        let manner = Arc::<Manner>::default();
        let manners = manner.clone();
        let connections = Arc::new(AtomicUsize::new(0));
        let published = Arc::new(Mutex::new(Vec::new()));
        let media = broadcast::Sender::new(1_024);
        let (counted, taken, given) = (connections.clone(), published.clone(), media.clone());
        let task = tokio::spawn(async move {
            let mut clients = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                clients.spawn(serve(socket, manners.clone(), taken.clone(), given.clone()));
            }
        });
        Self {
            at,
            manner,
            connections,
            published,
            media,
            task,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Gone, with every connection.
    pub(crate) async fn die(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

async fn serve(
    mut socket: TcpStream,
    manner: Arc<Manner>,
    published: Arc<Mutex<Vec<Message>>>,
    media: broadcast::Sender<Message>,
) {
    let mut session = server::Session::new(Limits::default(), Duration::ZERO);
    let began = Instant::now();
    let mut buffer = vec![0; SMALL];
    let mut publishing = Vec::new();
    let mut turns = 0_usize;
    let mut published_here = None;
    let mut dawdles = manner.dawdles.subscribe();
    let mut playing: Option<broadcast::Receiver<Message>> = None;
    loop {
        while let Some(output) = session.poll_output() {
            let event = match output {
                server::Output::Send(bytes) => {
                    if socket.write_all(&bytes).await.is_err() {
                        return;
                    }
                    continue;
                }
                server::Output::Event(event) => event,
            };
            match event {
                server::Event::Connect(connect) => {
                    session.set_admitted(true);
                    session.accept_connect(connect.transaction, Vec::new());
                }
                server::Event::Publish(publish) => publishing.push(publish.stream_id),
                server::Event::Play(play) => {
                    session.start_play(play.stream_id, &play.name, play.reset, false);
                    playing = Some(media.subscribe());
                }
                server::Event::Media(message) => published.lock().unwrap().push(message),
                _ => {}
            }
        }
        if !*dawdles.borrow_and_update() {
            for stream_id in publishing.drain(..) {
                let taken = manner.publishers.load(Ordering::SeqCst) > 0;
                let busy = taken && manner.takes_one.load(Ordering::SeqCst);
                if busy || manner.refuses.load(Ordering::SeqCst) {
                    let code = "NetStream.Publish.BadName";
                    session.status(stream_id, "error", code, "no", Vec::new());
                } else {
                    published_here.get_or_insert_with(|| Publisher::of(&manner));
                    session.accept_publish(stream_id);
                }
            }
        }
        if let Some(bytes) = session.poll_output() {
            let server::Output::Send(bytes) = bytes else {
                panic!("all that it was told is known");
            };
            if socket.write_all(&bytes).await.is_err() {
                return;
            }
            continue;
        }
        let message = async {
            match &mut playing {
                Some(playing) => playing.recv().await.unwrap(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = socket.read(&mut buffer) => match read {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    if session.handle(&buffer[..count], began.elapsed()).is_err() {
                        return;
                    }
                    turns += 1;
                    if manner.pings.load(Ordering::SeqCst) && turns.is_multiple_of(TURNS) {
                        session.ping(began.elapsed());
                    }
                }
            },
            message = message => session.send_message(&message),
            _ = dawdles.changed() => {}
        }
    }
}

/// An edge's RTMP plane.
pub(crate) struct Edge {
    pub(crate) at: SocketAddr,
    pub(crate) settings: watch::Sender<Arc<Settings>>,
    pub(crate) context: Context,
    pub(crate) done: tokio::task::JoinHandle<()>,
}

impl Edge {
    pub(crate) async fn start(snapshot: Snapshot) -> Self {
        let settings = watch::Sender::new(Arc::new(settings(snapshot)));
        let totals = Totals::default();
        let context = Context {
            settings: settings.subscribe(),
            sessions: Sessions::new(totals.clone(), None),
            totals,
            streams: Streams::default(),
            recordings: Recordings::new(Store::nothing()),
            dialer: Dialer::new(),
            webhooks: edge_agent::webhook::Webhooks::new(Dialer::new()),
            limits: edge_agent::limits::Limits::new(Clock::new()),
            clock: Clock::new(),
            stop: Stop::new(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let done =
            tokio::spawn(edge_agent::listen::RtmpDoor::new(context.clone()).serve(listener, None));
        Self {
            at,
            settings,
            context,
            done,
        }
    }

    pub(crate) fn apply(&self, snapshot: Snapshot) {
        self.settings.send_replace(Arc::new(settings(snapshot)));
    }
}

fn settings(snapshot: Snapshot) -> Settings {
    Settings {
        stamp: None,
        snapshot: Some(Arc::new(snapshot)),
        directory: Arc::new(Directory::default()),
    }
}

/// One edge, these origins, one route that serves `live` from them.
pub(crate) fn snapshot(origins: &[SocketAddr]) -> Snapshot {
    let edge = EdgeId::from_bits(1);
    let cluster = ClusterId::from_bits(1);
    let ids = || (1..).map(OriginId::from_bits);
    let origin = |(id, at): (OriginId, &SocketAddr)| Origin {
        id,
        name: "origin".parse().unwrap(),
        address: format!("rtmp://{at}").parse().unwrap(),
        reach: Reach {
            private: false,
            loopback: true,
        },
    };
    Snapshot {
        edge,
        cluster,
        edges: vec![Neighbor {
            id: edge,
            name: "edge".parse().unwrap(),
            cluster,
            state: EdgeState::Active,
            rtmp: None,
            rtmps: None,
            http: None,
            limits: Default::default(),
        }],
        origins: ids().zip(origins).map(origin).collect(),
        routes: vec![Route {
            id: RouteId::from_bits(1),
            name: "live".parse().unwrap(),
            enabled: true,
            order: 0,
            plane: Plane::Rtmp,
            kind: RouteKind::Implicit,
            host: Pattern::any(),
            port: None,
            app: Pattern::parse("live").unwrap(),
            action: RouteAction::Serve,
            upstreams: ids().take(origins.len()).collect(),
            rewrite: None,
            identity: Vec::new(),
            default_effect: Effect::Allow,
            webhook: None,
            mode: StreamMode::default(),
            live: LiveSettings {
                wait_ms: 1_500,
                linger_ms: 200,
                ..LiveSettings::default()
            },
            cache: CacheSettings::default(),
            query: contract::query::QueryRule::default(),
            limits: Default::default(),
        }],
        rules: Vec::new(),
        key_sets: Vec::new(),
        webhooks: Vec::new(),
        keys: vec![SigningKey {
            id: KeyId::from_bits(1),
            secret: Secret::new("0123456789abcdef0123456789abcdef"),
        }],
    }
}

/// A rule that denies everyone.
pub(crate) fn deny_all() -> Rule {
    Rule {
        id: RuleId::from_bits(1),
        name: "nobody".parse().unwrap(),
        enabled: true,
        order: 0,
        effect: Effect::Deny,
        conditions: Vec::new(),
    }
}

/// A client of ours on a socket.
pub(crate) struct Client {
    socket: TcpStream,
    pub(crate) session: client::Session,
    /// Times that it said something by itself.
    pub(crate) said: usize,
    closed: bool,
}

impl Client {
    pub(crate) async fn connect(at: SocketAddr) -> Self {
        let socket = TcpStream::connect(at).await.unwrap();
        let options = ConnectOptions::new("live", &format!("rtmp://{at}/live"));
        Self {
            socket,
            session: client::Session::new(options, Limits::default(), Duration::ZERO),
            said: 0,
            closed: false,
        }
    }

    pub(crate) async fn play(at: SocketAddr, name: &str) -> Self {
        let mut client = Self::connect(at).await;
        client.session.play(name, -1_000.0);
        client
    }

    pub(crate) async fn publish(at: SocketAddr, name: &str) -> Self {
        let mut client = Self::connect(at).await;
        client.session.publish(name, server::PublishKind::Live);
        client.status("NetStream.Publish.Start").await;
        client
    }

    /// The next thing that the edge says; `None` when it closed.
    pub(crate) async fn event(&mut self) -> Option<client::Event> {
        timeout(DEADLINE, self.next()).await.unwrap()
    }

    async fn next(&mut self) -> Option<client::Event> {
        let mut buffer = vec![0; 65_536];
        loop {
            while let Some(output) = self.session.poll_output() {
                match output {
                    client::Output::Send(bytes) => {
                        self.said += 1;
                        // The edge may have closed already; what it said before still counts.
                        let _ = self.socket.write_all(&bytes).await;
                    }
                    client::Output::Event(event) => return Some(event),
                }
            }
            if self.closed {
                return None;
            }
            match self.socket.read(&mut buffer).await {
                Ok(0) | Err(_) => self.closed = true,
                Ok(count) => {
                    let handled = self.session.handle(&buffer[..count], Duration::ZERO);
                    handled.unwrap();
                }
            }
        }
    }

    /// Goes on until this status comes; its description.
    pub(crate) async fn status(&mut self, wanted: &str) -> String {
        while let Some(event) = self.event().await {
            match event {
                client::Event::Status {
                    code, description, ..
                }
                | client::Event::Rejected {
                    code, description, ..
                } if code == wanted => return description,
                _ => {}
            }
        }
        panic!("the edge closed without {wanted}");
    }

    /// The next audio or video message.
    pub(crate) async fn media(&mut self) -> Message {
        while let Some(event) = self.event().await {
            if let client::Event::Media(message) = event
                && message.kind != MessageKind::DataAmf0
            {
                return message;
            }
        }
        panic!("the edge closed");
    }

    /// Goes on until the edge closes.
    pub(crate) async fn closed(&mut self) {
        while self.event().await.is_some() {}
    }

    pub(crate) async fn send(&mut self, message: &Message) {
        assert!(self.session.send_media(message));
        while let Some(output) = self.session.poll_output() {
            if let client::Output::Send(bytes) = output {
                self.socket.write_all(&bytes).await.unwrap();
            }
        }
    }
}

/// A picture; each tenth is a keyframe.
pub(crate) fn picture(number: u32) -> Message {
    let first = if number.is_multiple_of(10) {
        0x17
    } else {
        0x27
    };
    let mut payload = vec![first, 1, 0, 0, 0];
    payload.extend_from_slice(&number.to_be_bytes());
    Message::new(MessageKind::Video, number * 40, 1, payload)
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    let wait = async {
        while !holds() {
            looks.tick().await;
        }
    };
    assert!(timeout(DEADLINE, wait).await.is_ok(), "{what}");
}
