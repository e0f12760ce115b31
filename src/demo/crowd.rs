//! The demo's crowd: a few players and readers that come and go, so that the console has something to show.
//! Most are let in, some are refused and try again later, as such clients do.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::USER_AGENT;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::arrangement::from;
use super::clip::Clip;
use super::encoder::Encoder;
use super::fetch::Fetcher;
use super::player::Player;

/// Where the edges are reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doors {
    pub(crate) rtmp: [SocketAddr; 2],
    pub(crate) http: [SocketAddr; 2],
}

/// One who plays for a while, rests, and plays again.
struct Habit {
    from: IpAddr,
    edge: usize,
    stream: &'static str,
    user_agent: &'static str,
    plays: Duration,
    rests: Duration,
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const HABITS: [Habit; 6] = [
    Habit {
        from: from::NEWSROOM,
        edge: 0,
        stream: "clip",
        user_agent: "WallPlayer/2.1",
        plays: seconds(600),
        rests: seconds(2),
    },
    Habit {
        from: from::LOBBY,
        edge: 1,
        stream: "clip",
        user_agent: "LobbyBox/5",
        plays: seconds(300),
        rests: seconds(3),
    },
    // It belongs to the other edge, which is where its session is relayed.
    Habit {
        from: from::LOBBY,
        edge: 0,
        stream: "clip",
        user_agent: "LobbyBox/5",
        plays: seconds(45),
        rests: seconds(15),
    },
    Habit {
        from: from::BRANCH,
        edge: 1,
        stream: "clip",
        user_agent: "DeskPlayer/1.4",
        plays: seconds(120),
        rests: seconds(8),
    },
    // It belongs to the other edge and is refused at this one.
    Habit {
        from: from::BRANCH,
        edge: 0,
        stream: "clip",
        user_agent: "DeskPlayer/1.4",
        plays: seconds(30),
        rests: seconds(25),
    },
    Habit {
        from: from::GUESTS,
        edge: 1,
        stream: "backstage",
        user_agent: "DeskPlayer/1.4",
        plays: seconds(30),
        rests: seconds(40),
    },
];

/// Lets them all in; dropping what comes back sends them home.
pub(crate) fn gather(doors: Doors) -> JoinSet<()> {
    let mut crowd = JoinSet::new();
    for habit in HABITS {
        let player = Player {
            from: habit.from,
            edge: doors.rtmp[habit.edge],
            app: "live",
            stream: habit.stream,
            user_agent: habit.user_agent,
        };
        crowd.spawn(play_by(player, habit.plays, habit.rests));
    }
    crowd.spawn(publish(Encoder {
        from: from::ENCODER,
        edge: doors.rtmp[0],
        app: "studio",
        stream: "desk",
    }));
    crowd.spawn(follow_parts(from::NEWSROOM, doors.http[0]));
    crowd.spawn(follow_parts(from::LOBBY, doors.http[1]));
    crowd.spawn(knock(from::GUESTS, doors.http[1]));
    crowd
}

async fn play_by(player: Player, plays: Duration, rests: Duration) {
    loop {
        match player.play(plays).await {
            Ok(played) => tracing::debug!(?played, "a player of the demo rests"),
            Err(error) => tracing::debug!(%error, "a player of the demo lost its edge"),
        }
        sleep(rests).await;
    }
}

async fn publish(encoder: Encoder) {
    let clip = Clip::open();
    loop {
        if let Err(error) = encoder.publish(&clip).await {
            tracing::debug!(%error, "the demo's encoder lost its edge");
        }
        sleep(Duration::from_secs(5)).await;
    }
}

/// Asks for what there is, then for the next part of it, each second, as players of segments do.
async fn follow_parts(from: IpAddr, edge: SocketAddr) {
    let fetcher = Fetcher::new(Some(from));
    for number in (0..12).cycle() {
        get(&fetcher, edge, "/vod/parts.json").await;
        get(&fetcher, edge, &format!("/vod/parts/{number}.flv")).await;
        sleep(Duration::from_secs(1)).await;
    }
}

async fn knock(from: IpAddr, edge: SocketAddr) {
    let fetcher = Fetcher::new(Some(from));
    loop {
        get(&fetcher, edge, "/vod/clip.flv").await;
        sleep(Duration::from_secs(50)).await;
    }
}

async fn get(fetcher: &Fetcher, edge: SocketAddr, path: &str) {
    let request = Request::get(format!("http://{edge}{path}"))
        .header(USER_AGENT, "PartReader/0.9")
        .body(Bytes::new());
    let request = request.expect("an address and our own path make a URL");
    if let Err(error) = fetcher.fetch(request).await {
        tracing::debug!(
            error = format!("{error:#}"),
            "a reader of the demo got nothing"
        );
    }
}
