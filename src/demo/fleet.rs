//! All that the demo runs: started in order, set up, stopped in the order that leaves nobody waiting.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use edge_agent::agent::{self, Agent};
use edge_agent::config::Written;
use serde_json::json;
use server::Server;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use url::Url;

use super::api::{Api, text};
use super::arrangement::{self, EDGES, OriginAt};
use super::crowd::{self, Doors};
use super::origin::Origin;
use super::place::{Kept, Place};
use super::ports;
use crate::stop::GRACE;

/// The administrator's name.
pub(crate) const ADMINISTRATOR: &str = "admin";
/// How long the edges may take to serve the settings.
const SETTLING: Duration = Duration::from_secs(15);

/// The ports that are tried first.
const CONSOLE: u16 = 8080;
const EDGE_RTMP: [u16; 2] = [1935, 1936];
const EDGE_HTTP: [u16; 2] = [8081, 8082];
const ORIGIN_RTMP: u16 = 1940;
const ORIGIN_HTTP: u16 = 8090;

/// The running demo.
pub(crate) struct Fleet {
    pub(crate) console: Url,
    pub(crate) password: String,
    pub(crate) encoder_password: String,
    pub(crate) doors: Doors,
    pub(crate) data: String,
    pub(crate) origin: Origin,
    pub(crate) agents: Vec<Agent>,
    server: Server,
    crowd: JoinSet<()>,
}

impl Fleet {
    /// Starts everything; when this returns, both edges serve.
    pub(crate) async fn start(place: &Place) -> anyhow::Result<Self> {
        let origin = Origin::start(
            ports::listener(ORIGIN_RTMP).await?,
            ports::listener(ORIGIN_HTTP).await?,
        )?;
        let earlier = place.kept()?;
        let listen = match &earlier {
            Some(earlier) => earlier.console,
            None => ports::address(CONSOLE).await,
        };
        let server = Server::start(server::Config {
            data_dir: place.of("server"),
            listen,
            public_url: None,
        })
        .await
        .context("the demo's server does not start")?;
        let console = Url::parse(&format!("http://{}/", server.address()))?;
        let api = Api::new(&console)?;
        let at = OriginAt {
            rtmp: origin.rtmp,
            http: origin.http,
        };
        let kept = match earlier {
            Some(kept) => {
                arrangement::move_origin(&api.with_token(&kept.token), at).await?;
                kept
            }
            None => {
                let kept = set_up(&api, &server, place, at).await?;
                place.keep(&kept)?;
                kept
            }
        };
        let mut agents = Vec::new();
        for (number, name) in EDGES.iter().enumerate() {
            let at = |address: SocketAddr| Some(address.to_string());
            let config = Written {
                data: Some(place.of(name).display().to_string()),
                rtmp: at(ports::address(EDGE_RTMP[number]).await),
                http: at(ports::address(EDGE_HTTP[number]).await),
                status: Some("off".to_owned()),
                ..Written::default()
            };
            let config = config.meant()?;
            let agent = Agent::start(config).await;
            agents.push(agent.with_context(|| format!("`{name}` does not start"))?);
        }
        let doors = doors(&agents)?;
        settle(&api.with_token(&kept.token)).await?;
        Ok(Self {
            console,
            password: kept.password,
            encoder_password: kept.encoder_password,
            doors,
            data: place.path().display().to_string(),
            origin,
            agents,
            server,
            crowd: crowd::gather(doors),
        })
    }

    /// Sends the crowd home, then stops the edges, the server and the origin.
    pub(crate) async fn stop(self) {
        drop(self.crowd);
        let mut stopping = JoinSet::new();
        for agent in self.agents {
            stopping.spawn(agent.stop(GRACE));
        }
        stopping.join_all().await;
        self.server.stop(GRACE).await;
        drop(self.origin);
    }
}

/// The first run: an administrator by the set-up link, a token, and all that the demo shows.
async fn set_up(
    api: &Api,
    server: &Server,
    place: &Place,
    origin: OriginAt,
) -> anyhow::Result<Kept> {
    let link = server.setup_link();
    let link = link.context("this data directory belongs to a server that is set up already")?;
    let secret = link.path_segments().and_then(Iterator::last);
    let secret = secret.context("the set-up link ends in its secret")?;
    let password = new_password();
    let administrator = json!({"token": secret, "name": ADMINISTRATOR, "password": password});
    api.post("setup", &administrator).await?;
    let signed_in = api.sign_in(ADMINISTRATOR, &password).await?;
    let token = json!({"name": "demo", "role": "administrator"});
    let made = signed_in.post("tokens", &token).await?;
    let token = text(&made, "secret")?.to_owned();
    let api = api.with_token(&token);

    let cluster = arrangement::lay_ground(&api, origin).await?;
    for name in EDGES {
        let token = arrangement::join_token(&api, &cluster, name).await?;
        let joined = agent::join(&place.of(name), &token, None).await;
        joined.with_context(|| format!("`{name}` did not join"))?;
    }
    let encoder_password = arrangement::invite(&api, &cluster).await?;
    Ok(Kept {
        console: server.address(),
        password,
        token,
        encoder_password,
    })
}

fn doors(agents: &[Agent]) -> anyhow::Result<Doors> {
    let both = |pick: fn(&Agent) -> Option<SocketAddr>| {
        let all: Option<Vec<_>> = agents.iter().map(pick).collect();
        let both: Option<[_; 2]> = all.and_then(|all| all.try_into().ok());
        both.context("both edges listen")
    };
    Ok(Doors {
        rtmp: both(|agent| agent.addresses().rtmp)?,
        http: both(|agent| agent.addresses().http)?,
    })
}

/// Waits until both edges are active and serve what was published last.
async fn settle(api: &Api) -> anyhow::Result<()> {
    let deadline = Instant::now() + SETTLING;
    while !arrangement::is_served(api).await? {
        ensure!(
            Instant::now() < deadline,
            "the edges do not serve the settings after {} s",
            SETTLING.as_secs()
        );
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// A password that nobody guesses and a person can type: five groups of four, about 100 bits.
fn new_password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let random: [u8; 20] = rand::random();
    let letters: Vec<char> = random
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect();
    let groups: Vec<String> = letters
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join("-")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;
    use http::Request;

    use super::super::arrangement::from;
    use super::super::fetch::Fetcher;
    use super::super::player::{Played, Player};
    use super::*;

    async fn play(
        fleet: &Fleet,
        from: std::net::IpAddr,
        edge: usize,
        stream: &'static str,
    ) -> Played {
        let player = Player {
            from,
            edge: fleet.doors.rtmp[edge],
            app: "live",
            stream,
            user_agent: "test",
        };
        player.play(Duration::from_secs(1)).await.unwrap()
    }

    async fn cache_status(fleet: &Fleet) -> String {
        let request = Request::get(format!("http://{}/vod/clip.flv", fleet.doors.http[0]));
        let request = request.body(Bytes::new()).unwrap();
        let answer = Fetcher::new(None).fetch(request).await.unwrap();
        assert_eq!(answer.body()[..], *super::super::clip::FILE);
        answer.headers()["cache-status"]
            .to_str()
            .unwrap()
            .to_owned()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_demo_does_as_it_says_and_goes_on_where_it_left() {
        let place = Place::open(None).unwrap();
        let fleet = Fleet::start(&place).await.unwrap();
        let here = std::net::Ipv4Addr::LOCALHOST.into();
        let played = play(&fleet, here, 0, "clip").await;
        assert!(
            played.messages > 10 && played.refused.is_none(),
            "{played:?}"
        );
        let refused = play(&fleet, here, 0, "backstage").await.refused;
        assert!(refused.unwrap().contains("a rule denies this"));
        let elsewhere = play(&fleet, from::BRANCH, 0, "clip").await.refused;
        assert!(elsewhere.unwrap().contains("another edge"));
        let relayed = play(&fleet, from::LOBBY, 0, "clip").await;
        assert!(
            relayed.messages > 10 && relayed.refused.is_none(),
            "{relayed:?}"
        );
        assert!(cache_status(&fleet).await.contains("stored"));
        assert!(cache_status(&fleet).await.contains("hit"));
        let password = fleet.password.clone();
        fleet.stop().await;

        let fleet = Fleet::start(&place).await.unwrap();
        assert_eq!(fleet.password, password);
        let played = play(&fleet, here, 1, "clip").await;
        assert!(
            played.messages > 10 && played.refused.is_none(),
            "{played:?}"
        );
        fleet.stop().await;
    }

    #[test]
    fn a_password_is_five_groups_of_four_and_never_the_same() {
        let (one, other) = (new_password(), new_password());
        assert_eq!(one.len(), 24);
        assert_eq!(one.split('-').count(), 5);
        assert_ne!(one, other);
    }
}
