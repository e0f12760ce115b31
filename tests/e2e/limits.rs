//! Limits: who comes when one is reached is refused with its reason, on every edge of the cluster; who is
//! there does not notice; a place that is left is given to the next.

use std::cell::Cell;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::api::text;
use crate::harness::eventually::{eventually, timed};
use crate::harness::viewer::{self, Crowd, Said, Viewer};
use crate::harness::world::World;
use crate::harness::{http, media};

const SOON: Duration = Duration::from_secs(10);
/// Within which time the edges of a cluster count together (B15).
const TOGETHER: Duration = Duration::from_secs(2);
/// What is allowed in each case.
const LIMIT: usize = 5;

/// Somebody who comes to an edge, as a function of its address.
type Comes<'a> = &'a dyn Fn(&str) -> Viewer;

/// What a client that comes is told if it is refused; `None` if it is let in, to leave at once.
fn refusal(comes: Comes<'_>, edge: &str) -> Option<Said> {
    let mut viewer = comes(edge);
    viewer.until_told_or_ended();
    viewer.closed?;
    viewer.said.last().cloned()
}

/// A limit, by those who come under it.
struct Case<'a> {
    /// What the refused one is told beside the reason.
    told: &'a str,
    /// The code of its refusal.
    code: &'a str,
    comes: Comes<'a>,
}

/// Fills a limit over two edges, and sees who else comes refused on both while nobody who is there
/// misses a frame; then lets one leave and another in.
#[track_caller]
fn check(world: &World, what: &str, case: &Case<'_>) -> Duration {
    let [one, two] = [world.edges[0].rtmp(), world.edges[1].rtmp()];
    let mut there = Crowd(Vec::new());
    for place in 0..LIMIT {
        let mut viewer = (case.comes)(if place < 3 { one } else { two });
        viewer.until_told_or_ended();
        assert_eq!(viewer.closed, None, "{what}: {place} {:?}", viewer.said);
        there.0.push(viewer);
    }
    let look = || {
        there.step();
        let refused = |edge| refusal(case.comes, edge);
        Some([refused(one)?, refused(two)?])
    };
    let (refused, after) = timed(TOGETHER, &format!("{what}: the sixth is refused"), look);
    for said in &refused {
        assert_eq!(said.code, case.code, "{what}: {said:?}");
        let expected = format!("a limit is reached: {} (decision_", case.told);
        assert!(said.description.starts_with(&expected), "{what}: {said:?}");
        assert!(said.after < Duration::from_secs(1), "{what}: {said:?}");
    }
    there.step();
    let mut left = there.0.remove(0);
    left.step();
    drop(left);
    eventually(TOGETHER, &format!("{what}: the next comes in"), || {
        there.step();
        refusal(case.comes, two).is_none().then_some(())
    });
    for viewer in &mut there.0 {
        viewer.step();
        assert_eq!(viewer.closed, None, "{what}: {:?}", viewer.said);
    }
    after
}

/// A route to the origin's `live` under another name, which has these fields too.
fn route(world: &World, name: &str, fields: Value) -> String {
    let mut all = json!({"name": name, "app": name, "rewrite": "live"});
    extend(&mut all, fields);
    world.route(all)
}

fn extend(all: &mut Value, fields: Value) {
    if let (Some(all), Value::Object(fields)) = (all.as_object_mut(), fields) {
        all.extend(fields);
    }
}

#[test]
fn b15_who_comes_over_a_limit_is_refused_on_every_edge_and_nobody_who_plays_is_hurt() {
    let world = World::start(2);
    let limits = |kind: &str| json!({"limits": {kind: LIMIT}});
    let connections = route(&world, "connections", limits("connections"));
    for kind in [
        "viewers_per_stream",
        "publishers",
        "connections_per_address",
    ] {
        route(&world, kind, limits(kind));
    }
    for name in ["clients", "tokens"] {
        route(&world, name, json!({"identity": ["play_token"]}));
    }
    let (client, _) = world.client("player");
    world
        .api
        .patch(&format!("/clients/{client}"), &limits("connections"));
    let with_token = |app: &str, fields: Value| {
        let mut wanted = json!({"app": app, "stream": "*", "action": "play", "life_s": 600});
        extend(&mut wanted, fields);
        let token = world.api.post("/play-tokens", &wanted);
        format!("{app}?token={}", text(&token, "secret"))
    };
    let as_client = with_token("clients", json!({"client": client}));
    let by_token = with_token("tokens", json!({"uses": LIMIT}));
    world.settle();
    let _publisher = world.publish("live", "s");
    let clip = viewer::frames_of(&media::clip());
    // Nobody's limits reach them: they play on, whatever happens to others.
    let mut bystanders: Vec<Crowd> = world
        .edges
        .iter()
        .map(|edge| Crowd::of(2, edge.rtmp(), "live", "s"))
        .collect();
    bystanders.iter_mut().for_each(|crowd| crowd.watches(10));

    let plays = |app: &str| {
        let app = app.to_owned();
        move |edge: &str| Viewer::play(edge, &app, "s")
    };
    let published = Cell::new(0);
    let rejected = "NetConnection.Connect.Rejected";
    for (what, told, code, comes) in [
        (
            "a route",
            "at most 5 connections at once for this application",
            rejected,
            &plays("connections") as Comes<'_>,
        ),
        (
            "a client",
            "at most 5 connections at once for this client",
            rejected,
            &plays(&as_client),
        ),
        (
            "a token",
            "at most 5 connections at once for this token",
            rejected,
            &plays(&by_token),
        ),
        (
            "a stream",
            "at most 5 viewers of one stream for this application",
            "NetStream.Play.Failed",
            &plays("viewers_per_stream"),
        ),
        (
            "an address",
            "at most 5 connections of one address for this application",
            rejected,
            &plays("connections_per_address"),
        ),
        (
            "publishers",
            "at most 5 publishers at once for this application",
            "NetStream.Publish.BadName",
            &|edge| {
                published.set(published.get() + 1);
                Viewer::publish(edge, "publishers", &format!("p{}", published.get()))
            },
        ),
    ] {
        let after = check(&world, what, &Case { told, code, comes });
        println!("{what}: refused on both edges after {after:?}");
        for crowd in &mut bystanders {
            crowd.step();
        }
    }
    for crowd in &mut bystanders {
        crowd.watches(10);
        for viewer in &crowd.0 {
            assert!(viewer.saw_only(&clip), "a frame is missing");
            assert!(viewer.timestamps.is_sorted());
        }
    }
    // The record names the limit, whose it is and who had it.
    let query = format!("state=refused&route={connections}");
    let record = eventually(SOON, "the refusal stands in the log", || {
        world.sessions(&query).into_iter().next()
    });
    assert_eq!(record["reason"], "limit_reached", "{record}");
    let detail = text(&record, "detail");
    assert!(detail.contains("route connections"), "{detail}");
    assert!(detail.contains("at other edges"), "{detail}");
}

#[test]
fn b15_an_edges_own_limits_rates_and_requests_refuse_the_next_and_hurt_nobody() {
    let world = World::start(2);
    for (name, limits) in [
        ("rate", json!({"connections_per_second": 2})),
        ("out", json!({"send_bits_per_second": 10_000})),
        ("in", json!({"receive_bits_per_second": 10_000})),
    ] {
        route(&world, name, json!({"limits": limits}));
    }
    let requests = format!("/routes/{}", world.route_named("slow/*"));
    let at_once = json!({"limits": {"connections": 1}});
    world.api.patch(&requests, &at_once);
    world.settle();
    let _publisher = world.publish("live", "s");
    let edge = world.edges[0].rtmp().to_owned();

    // Ten at once: a second's worth comes in, and later others.
    let mut crowd = Crowd((0..10).map(|_| Viewer::play(&edge, "rate", "s")).collect());
    crowd.0.iter_mut().for_each(Viewer::until_told_or_ended);
    let (refused, let_in): (Vec<_>, Vec<_>) = crowd
        .0
        .into_iter()
        .partition(|viewer| viewer.closed.is_some());
    assert!(let_in.len() >= 2 && !refused.is_empty(), "{}", let_in.len());
    let said = &refused[0].said[0].description;
    assert!(
        said.contains("at most 2 new connections a second"),
        "{said}"
    );
    drop((refused, let_in));
    let again = || Viewer::is_let_in(&edge, "rate", "s").then_some(());
    eventually(SOON, "one comes in a second later", again);

    // More goes out than may, because of one who plays on; the next is refused, until it has left.
    let comes = |edge: &str| Viewer::play(edge, "out", "s");
    let mut there = Viewer::play(&edge, "out", "s");
    there.watches(1);
    let mut sees_refusal = |what: &str, told: &str, comes: Comes<'_>| {
        let said = eventually(SOON, what, || {
            there.step();
            refusal(comes, &edge)
        });
        assert!(said.description.contains(told), "{said:?}");
    };
    let told = "at most 10000 bits a second sent";
    sees_refusal("too much is sent", told, &comes);
    let publisher = media::publish_loop(&format!("rtmp://{edge}/in/up"));
    let told = "at most 10000 bits a second received";
    sees_refusal("too much is received", told, &|edge| {
        Viewer::publish(edge, "in", "up2")
    });
    drop(publisher);
    let frames = there.frames.len();
    there.watches(frames + 10);
    assert_eq!(there.closed, None);
    drop(there);
    eventually(SOON, "there is room again", || {
        refusal(&comes, &edge).is_none().then_some(())
    });

    // A request counts for as long as it is answered, on both edges.
    world.origin.put("/slow/one", &vec![7; 1 << 20]);
    world.origin.put("/slow/two", &vec![7; 1 << 10]);
    let [one, two] = [0, 1].map(|number: usize| world.edges[number].http().to_owned());
    let long = std::thread::spawn(move || http::get(&one, "/slow/one"));
    let refused = eventually(SOON, "another request is refused elsewhere", || {
        let answer = http::get(&two, "/slow/two").ok()?;
        (answer.status == 503).then_some(answer)
    });
    let problem: Value = serde_json::from_slice(&refused.body).expect("a problem in JSON");
    assert_eq!(problem["reason"], "limit_reached");
    let told = "at most 1 connection at once for this application";
    assert_eq!(problem["detail"], told);
    let answer = long.join().expect("it does not panic");
    let answer = answer.expect("who came first gets all of it");
    assert_eq!((answer.status, answer.body.len()), (200, 1 << 20));
    eventually(SOON, "the next request is answered", || {
        let answer = http::get(&two, "/slow/two").ok()?;
        (answer.status == 200).then_some(())
    });

    // An edge's own limit is that edge's alone.
    let mut there = Crowd::of(3, &edge, "live", "s");
    there.watches(5);
    let own = format!("/edges/{}", world.edges[0].id);
    world
        .api
        .patch(&own, &json!({"limits": {"connections": 3}}));
    world.settle();
    let comes = |edge: &str| Viewer::play(edge, "live", "s");
    let said = eventually(TOGETHER, "the edge is full", || {
        there.step();
        refusal(&comes, &edge)
    });
    let told = "at most 3 connections at once on this edge";
    assert!(said.description.contains(told), "{said:?}");
    assert!(refusal(&comes, world.edges[1].rtmp()).is_none());
    there.watches(5);
    there.0.pop();
    eventually(TOGETHER, "the next comes in", || {
        there.step();
        refusal(&comes, &edge).is_none().then_some(())
    });
}

#[test]
fn b15_while_the_server_is_away_each_edge_holds_its_equal_share() {
    let mut world = World::start(2);
    route(&world, "shared", json!({"limits": {"connections": LIMIT}}));
    world.settle();
    let _publisher = world.publish("live", "s");
    let [one, two] = [0, 1].map(|number: usize| world.edges[number].rtmp().to_owned());
    let comes = |edge: &str| Viewer::play(edge, "shared", "s");
    // All of it is at one edge.
    let mut there = Crowd::of(LIMIT, &one, "shared", "s");
    there.watches(5);
    eventually(TOGETHER, "the other edge knows", || {
        there.step();
        refusal(&comes, &two)
    });
    world.server.stop();
    // It has its share all the same, and nobody at the first is sent away for it.
    let mut late = Crowd(Vec::new());
    eventually(SOON, "the other edge gives away its share", || {
        there.step();
        late.step();
        let mut viewer = comes(&two);
        viewer.until_told_or_ended();
        if viewer.closed.is_none() {
            late.0.push(viewer);
        }
        (late.0.len() >= LIMIT / 2).then_some(())
    });
    there.watches(5);
    late.watches(5);
    drop((there, late));
    let share = |edge: &str| {
        let mut held = Vec::new();
        while held.len() <= LIMIT {
            let mut viewer = comes(edge);
            viewer.until_told_or_ended();
            if viewer.closed.is_some() {
                break;
            }
            held.push(viewer);
        }
        held.len()
    };
    let mut shares = eventually(SOON, "together they have as many as one", || {
        let shares = [share(&one), share(&two)];
        (shares.iter().sum::<usize>() == LIMIT).then_some(shares)
    });
    shares.sort_unstable();
    assert_eq!(shares, [2, 3]);
    // With the server back all of it may be at one edge again.
    world.server.start_again();
    eventually(SOON, "the whole limit is at one edge", || {
        (share(&one) == LIMIT).then_some(())
    });
}
