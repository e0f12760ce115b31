//! Who gets a place and who does not, alone and among the edges of a cluster.
#![allow(clippy::unwrap_used)]

use contract::id::{ClientId, RouteId};
use contract::snapshot::EdgeState;
use proptest::prelude::*;

use super::*;
use crate::admission::fixture;

const NOW: Duration = Duration::from_secs(100);
const ROUTE: Holder = Holder::Route {
    route: RouteId::from_bits(1),
};
const CLIENT: Holder = Holder::Client {
    client: ClientId::from_bits(1),
};

/// An edge of a cluster of so many; the edge's own id is the first.
fn cluster(size: u128) -> Snapshot {
    let mut snapshot = fixture::settings().snapshot;
    let own = snapshot.own().unwrap().clone();
    snapshot.edges = (1..=size)
        .map(|id| contract::snapshot::Neighbor {
            id: EdgeId::from_bits(id),
            ..own.clone()
        })
        .collect();
    snapshot
}

fn on(snapshot: &Snapshot, edge: u128) -> Snapshot {
    Snapshot {
        edge: EdgeId::from_bits(edge),
        ..snapshot.clone()
    }
}

fn one(kind: LimitKind, limit: u64) -> Limits {
    Limits::default().with(kind, Some(limit))
}

fn addr(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

fn connection() -> Place {
    Place::Connection(addr(1))
}

/// All that can be taken at once.
fn fill(
    limiter: &Limiter,
    snapshot: &Snapshot,
    holder: &Holder,
    limits: Limits,
    place: &Place,
) -> Vec<Held> {
    let take = || {
        let holders = vec![(holder.clone(), limits)];
        limiter.take(snapshot, holders, place.clone(), NOW).ok()
    };
    std::iter::from_fn(take).take(1_000).collect()
}

fn told(edges: &[u128], counts: &[(LimitKind, Option<&str>, u64)]) -> ClusterCounts {
    ClusterCounts {
        heard: edges.iter().map(|id| EdgeId::from_bits(*id)).collect(),
        others: counts
            .iter()
            .map(|(kind, item, count)| Count {
                of: ROUTE,
                kind: *kind,
                item: item.map(str::to_owned),
                count: *count,
            })
            .collect(),
    }
}

#[test]
fn each_count_stops_at_its_limit_and_goes_on_when_a_place_is_given_back() {
    let stream = |name: &str| Place::Viewer(name.into());
    for (kind, place, other) in [
        (LimitKind::Connections, connection(), None),
        (LimitKind::Publishers, Place::Publisher, None),
        (LimitKind::ViewersPerStream, stream("a"), Some(stream("b"))),
        (
            LimitKind::ConnectionsPerAddress,
            connection(),
            Some(Place::Connection(addr(2))),
        ),
    ] {
        let (limiter, snapshot) = (Limiter::default(), cluster(1));
        let limits = one(kind, 5);
        let mut held = fill(&limiter, &snapshot, &ROUTE, limits, &place);
        assert_eq!(held.len(), 5, "{kind:?}");
        let reached = limiter
            .take(&snapshot, vec![(ROUTE, limits)], place.clone(), NOW)
            .unwrap_err();
        assert_eq!(
            (reached.kind, reached.limit, reached.here),
            (kind, 5, 5),
            "{reached:?}"
        );
        held.pop();
        assert_eq!(fill(&limiter, &snapshot, &ROUTE, limits, &place).len(), 1);
        let others = other.map(|other| fill(&limiter, &snapshot, &ROUTE, limits, &other).len());
        assert!(others.is_none_or(|others| others == 5), "{kind:?}");
    }
}

#[test]
fn a_refusal_by_one_holder_takes_nothing_of_the_others() {
    let (limiter, snapshot) = (Limiter::default(), cluster(1));
    let limits = one(LimitKind::Connections, 1);
    let _held = fill(&limiter, &snapshot, &CLIENT, limits, &connection());
    let holders = vec![(ROUTE, Limits::default()), (CLIENT, limits)];
    let reached = limiter
        .take(&snapshot, holders, connection(), NOW)
        .unwrap_err();
    assert_eq!(reached.of, CLIENT);
    assert_eq!(limiter.held_by(&ROUTE), (0, 0));
    assert_eq!(
        limiter.refused(),
        // Filling it up was refused once, too.
        [(("client", LimitKind::Connections), 2)].into()
    );
}

#[test]
fn what_the_others_have_counts_while_it_is_heard_and_the_share_holds_after() {
    let check = |heard: Option<(Duration, ClusterCounts)>, expected: usize| {
        let (limiter, snapshot) = (Limiter::default(), cluster(2));
        let shown = format!("{heard:?}");
        if let Some((ago, cluster)) = heard {
            limiter.hear(cluster, NOW - ago);
        }
        let limits = one(LimitKind::Connections, 5);
        let held = fill(&limiter, &snapshot, &ROUTE, limits, &connection());
        assert_eq!(held.len(), expected, "{shown}");
    };
    let soon = Duration::from_secs(1);
    let has = |count| told(&[2], &[(LimitKind::Connections, None, count)]);
    // Never heard, or too long ago: the first of two has three of five.
    check(None, 3);
    check(Some((Duration::from_secs(4), has(0))), 3);
    check(Some((soon, has(0))), 5);
    check(Some((soon, has(2))), 3);
    check(Some((soon, has(9))), 0);
    // The server answers, but has not heard of the other: its share is kept for it.
    check(Some((soon, told(&[], &[]))), 3);
}

#[test]
fn counts_of_other_streams_do_not_count() {
    let (limiter, snapshot) = (Limiter::default(), cluster(2));
    let kind = LimitKind::ViewersPerStream;
    limiter.hear(told(&[2], &[(kind, Some("live/a"), 4)]), NOW);
    let viewers = |name: &str| {
        let place = Place::Viewer(name.into());
        fill(&limiter, &snapshot, &ROUTE, one(kind, 5), &place).len()
    };
    assert_eq!((viewers("live/a"), viewers("live/b")), (1, 5));
}

#[test]
fn an_edges_own_limit_is_its_own() {
    let (limiter, snapshot) = (Limiter::default(), cluster(3));
    let edge = Holder::Edge {
        edge: snapshot.edge,
    };
    let limits = one(LimitKind::Connections, 5);
    let held = fill(&limiter, &snapshot, &edge, limits, &connection());
    assert_eq!(held.len(), 5);
    assert_eq!(limiter.counts(|_| Some(limits)), []);
}

#[test]
fn a_draining_edge_keeps_no_share() {
    let mut snapshot = cluster(2);
    snapshot.edges[1].state = EdgeState::Draining;
    let limiter = Limiter::default();
    let limits = one(LimitKind::Connections, 5);
    let held = fill(&limiter, &snapshot, &ROUTE, limits, &connection());
    assert_eq!(held.len(), 5);
}

#[test]
fn a_rate_lets_one_seconds_worth_in_and_then_so_many_a_second() {
    let (limiter, snapshot) = (Limiter::default(), cluster(1));
    let limits = one(LimitKind::ConnectionsPerSecond, 5);
    let take = |now| {
        let holders = vec![(ROUTE, limits)];
        limiter.take(&snapshot, holders, connection(), now).is_ok()
    };
    let at_once = (0..10).filter(|_| take(NOW)).count();
    assert_eq!(at_once, 5);
    assert!(!take(NOW + Duration::from_millis(100)));
    assert!(take(NOW + Duration::from_millis(300)));
}

#[test]
fn one_busy_edge_leaves_the_others_their_share_of_a_rate() {
    let (limiter, snapshot) = (Limiter::default(), cluster(2));
    let kind = LimitKind::ConnectionsPerSecond;
    limiter.hear(told(&[2], &[(kind, None, 10)]), NOW);
    let taken = fill(&limiter, &snapshot, &ROUTE, one(kind, 10), &connection());
    assert_eq!(taken.len(), 5);
}

#[test]
fn nobody_is_let_in_while_more_is_sent_than_may_be() {
    let kind = LimitKind::SendBitsPerSecond;
    let check = |sent_bytes: u64, elsewhere: u64, expected: bool| {
        let (limiter, snapshot) = (Limiter::default(), cluster(2));
        limiter.hear(told(&[2], &[(kind, None, elsewhere)]), NOW);
        let moved = Moved {
            received_bytes: 0,
            sent_bytes,
        };
        let moved = HashMap::from([(ROUTE, moved)]);
        for second in (0..4).rev() {
            limiter.measure(&moved, NOW - Duration::from_secs(second));
        }
        let holders = vec![(ROUTE, one(kind, 8_000))];
        let taken = limiter.take(&snapshot, holders, connection(), NOW);
        assert_eq!(taken.is_ok(), expected, "{sent_bytes} {elsewhere}");
    };
    check(0, 0, true);
    check(900, 0, true);
    check(1_500, 0, false);
    check(500, 5_000, false);
    check(0, 9_000, false);
}

#[test]
fn only_what_is_limited_and_not_nothing_is_told() {
    let (limiter, snapshot) = (Limiter::default(), cluster(2));
    limiter.hear(told(&[2], &[]), NOW);
    let limits = Limits {
        connections: Some(9),
        viewers_per_stream: Some(9),
        ..Limits::default()
    };
    let place = Place::Viewer("live/a".into());
    let holders = || vec![(ROUTE, limits), (CLIENT, Limits::default())];
    let _held = limiter.take(&snapshot, holders(), place, NOW).unwrap();
    let counts = limiter.counts(|holder| (*holder == ROUTE).then_some(limits));
    assert_eq!(
        counts,
        [Count {
            of: ROUTE,
            kind: LimitKind::ViewersPerStream,
            item: Some("live/a".to_owned()),
            count: 1,
        }]
    );
}

#[test]
fn who_has_nothing_any_more_is_forgotten() {
    let (limiter, snapshot) = (Limiter::default(), cluster(1));
    let limits = one(LimitKind::Connections, 5);
    drop(fill(&limiter, &snapshot, &ROUTE, limits, &connection()));
    for second in 1..=3 {
        limiter.measure(&HashMap::new(), NOW + Duration::from_secs(second));
    }
    assert!(limiter.book().tally_by_holder.is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    Take(usize, Place),
    GiveBack(usize),
    Tell,
}

fn step() -> impl Strategy<Value = Step> {
    let place = prop_oneof![
        (1..3_u8).prop_map(|last| Place::Connection(addr(last))),
        prop::sample::select(vec!["a", "b"]).prop_map(|name| Place::Viewer(name.into())),
        Just(Place::Publisher),
    ];
    prop_oneof![
        4 => (0..3_usize, place).prop_map(|(edge, place)| Step::Take(edge, place)),
        2 => (0..64_usize).prop_map(Step::GiveBack),
        1 => Just(Step::Tell),
    ]
}

proptest! {
    /// Edges that never hear of each other have together exactly what a limit allows, whatever
    /// comes and goes; and one that hears of all never brings the sum above it.
    #[test]
    fn no_limit_is_ever_exceeded(
        limit in 1_u64..6, is_heard in any::<bool>(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let whole = cluster(3);
        let limits = Limits {
            connections: Some(limit),
            viewers_per_stream: Some(limit),
            publishers: Some(limit),
            connections_per_address: Some(limit),
            ..Limits::default()
        };
        let limiters: Vec<Limiter> = (0..3).map(|_| Limiter::default()).collect();
        let mut held: Vec<(usize, Place, Held)> = Vec::new();
        for step in steps {
            match step {
                Step::Take(edge, place) => {
                    if is_heard {
                        tell(&limiters, limits);
                    }
                    let snapshot = on(&whole, edge as u128 + 1);
                    let holders = vec![(ROUTE, limits)];
                    if let Ok(one) = limiters[edge].take(&snapshot, holders, place.clone(), NOW) {
                        held.push((edge, place, one));
                    }
                }
                Step::GiveBack(at) if !held.is_empty() => {
                    held.swap_remove(at % held.len());
                }
                Step::GiveBack(_) => {}
                Step::Tell if is_heard => tell(&limiters, limits),
                Step::Tell => {}
            }
            let count = |which: &dyn Fn(&Place) -> bool| {
                held.iter().filter(|(_, place, _)| which(place)).count() as u64
            };
            let connected = count(&|place| matches!(place, Place::Connection(_)));
            prop_assert!(connected <= limit, "{connected} of {limit}");
            prop_assert!(count(&|place| *place == Place::Publisher) <= limit);
            for name in ["a", "b"] {
                prop_assert!(count(&|place| *place == Place::Viewer(name.into())) <= limit);
            }
        }
        let places = held.len();
        let counted: u64 = limiters
            .iter()
            .flat_map(|limiter| limiter.counts(|_| Some(limits)))
            .filter(|count| count.kind != LimitKind::ConnectionsPerAddress)
            .map(|count| count.count)
            .sum();
        prop_assert_eq!(counted, places as u64);
        drop(held);
        for limiter in &limiters {
            prop_assert_eq!(limiter.counts(|_| Some(limits)), vec![]);
        }
    }
}

/// What the server does: each edge hears the sum of the others.
fn tell(limiters: &[Limiter], limits: Limits) {
    let said: Vec<Vec<Count>> = limiters
        .iter()
        .map(|limiter| limiter.counts(|_| Some(limits)))
        .collect();
    for (own, limiter) in limiters.iter().enumerate() {
        let mut sums: BTreeMap<(LimitKind, Option<String>), u64> = BTreeMap::new();
        let mut heard = Vec::new();
        for (other, counts) in said.iter().enumerate().filter(|(other, _)| *other != own) {
            heard.push(EdgeId::from_bits(other as u128 + 1));
            for count in counts {
                *sums.entry((count.kind, count.item.clone())).or_default() += count.count;
            }
        }
        let others = sums
            .into_iter()
            .map(|((kind, item), count)| Count {
                of: ROUTE,
                kind,
                item,
                count,
            })
            .collect();
        limiter.hear(ClusterCounts { heard, others }, NOW);
    }
}
