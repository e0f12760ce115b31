//! The RTMP side between players and an origin that comes and goes.

use std::net::SocketAddr;
use std::time::Duration;

use contract::id::{OriginId, RouteId};
use contract::pattern::Pattern;
use contract::protocol::Plane;
use contract::reason::Reason;
use contract::route::{CacheSettings, LiveSettings, Route, RouteAction, RouteKind, StreamMode};
use contract::rule::Effect;
use edge_agent::agent::{Agent, join};
use rtmp::Limits;
use rtmp::client::{ConnectOptions, Event, Output, Session};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::support::server::Server;
use crate::support::studio::Studio;
use crate::support::{config, snapshot};

const PATIENCE: Duration = Duration::from_secs(10);

fn route() -> Route {
    Route {
        id: RouteId::from_bits(1),
        name: "live".parse().unwrap(),
        enabled: true,
        order: 0,
        plane: Plane::Rtmp,
        kind: RouteKind::Implicit,
        host: Pattern::any(),
        port: None,
        app: Pattern::parse("live*").unwrap(),
        action: RouteAction::Serve,
        upstreams: vec![OriginId::from_bits(1)],
        rewrite: None,
        identity: Vec::new(),
        default_effect: Effect::Allow,
        webhook: None,
        mode: StreamMode::default(),
        live: LiveSettings::default(),
        cache: CacheSettings::default(),
        query: contract::query::QueryRule::default(),
        limits: Default::default(),
    }
}

struct Edge {
    server: Server,
    agent: Agent,
    rtmp: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Edge {
    async fn start(studio: &Studio) -> Self {
        let server = Server::start().await;
        server.publish(1, &snapshot(vec![studio.record()], vec![route()]));
        let dir = tempfile::tempdir().unwrap();
        join(dir.path(), &server.token(), None).await.unwrap();
        let mut config = config(dir.path());
        config.rtmp = config.http;
        let agent = Agent::start(config).await.unwrap();
        server
            .report(|report| report.settings.applied.is_some())
            .await;
        let rtmp = agent.addresses().rtmp.unwrap();
        Self {
            server,
            agent,
            rtmp,
            _dir: dir,
        }
    }
}

/// A player on its socket.
struct Player {
    socket: TcpStream,
    session: Session,
    began: Instant,
    media: Vec<u32>,
    /// Sent together with `play`.
    behind_play: Vec<u8>,
    closed: bool,
}

impl Player {
    async fn start(at: SocketAddr, behind_play: &[u8]) -> Self {
        let options = ConnectOptions::new("live", &format!("rtmp://{at}/live"));
        let mut session = Session::new(options, Limits::default(), Duration::ZERO);
        session.play("clip", -1_000.0);
        Self {
            socket: TcpStream::connect(at).await.unwrap(),
            session,
            began: Instant::now(),
            media: Vec::new(),
            behind_play: behind_play.to_vec(),
            closed: false,
        }
    }

    async fn step(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Send(bytes) => {
                    let mut bytes = bytes.to_vec();
                    if bytes.windows(4).any(|part| part == b"play") {
                        bytes.append(&mut self.behind_play);
                    }
                    // What was closed is seen by the read.
                    let _ = self.socket.write_all(&bytes).await;
                }
                Output::Event(Event::Media(message)) => self.media.push(message.timestamp),
                Output::Event(_) => {}
            }
        }
        let mut input = vec![0; 16 << 10];
        match self.socket.read(&mut input).await {
            Ok(count) if count > 0 => {
                let now = self.began.elapsed();
                self.session.handle(&input[..count], now).unwrap();
            }
            Ok(_) | Err(_) => self.closed = true,
        }
    }

    /// Goes on until it has got so many messages, or was closed.
    async fn get(&mut self, messages: usize) {
        let work = async {
            while self.media.len() < messages && !self.closed {
                self.step().await;
            }
        };
        timeout(PATIENCE, work).await.expect("nothing comes");
    }
}

#[tokio::test]
async fn what_comes_together_with_play_is_obeyed_too() {
    let studio = Studio::start().await;
    let edge = Edge::start(&studio).await;
    let mut player = Player::start(edge.rtmp, b"").await;
    player.get(5).await;
    // The stream is there, so `play` is answered at once; a chunk without a header follows it.
    let mut hostile = Player::start(edge.rtmp, b"\xe8").await;
    hostile.get(usize::MAX).await;
    assert!(hostile.closed);
    edge.server
        .report(|report| {
            let faults = |reason| reason == Some(Reason::ProtocolFault);
            report.sessions.iter().any(|one| faults(one.reason))
        })
        .await;
    let more = player.media.len() + 5;
    player.get(more).await;
    assert!(!player.closed);
    edge.agent.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn players_stay_however_often_the_origin_goes_and_comes() {
    let studio = Studio::start().await;
    let edge = Edge::start(&studio).await;
    let mut player = Player::start(edge.rtmp, b"").await;
    player.get(5).await;
    for _ in 0..2 {
        studio.cut();
        // Longer than a stream that was lost is waited for.
        let more = player.media.len() + 250;
        player.get(more).await;
        assert!(!player.closed);
    }
    assert!(player.media.is_sorted(), "{:?}", player.media);
    edge.agent.stop(Duration::from_secs(5)).await;
}
