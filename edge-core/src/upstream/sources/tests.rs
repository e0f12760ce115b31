//! Servers that bring, freeze, lie and die, in a simulated world where a message comes each 20 ms.

#![allow(clippy::unwrap_used)]

use super::super::fixture::{audio, inter, key, moved};
use super::*;
use contract::id::OriginId;
use proptest::prelude::*;

fn origin(id: u128) -> NextHop {
    NextHop::Origin(OriginId::from_bits(id))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

use Server::{Brings, Dead, Lacks, Refuses, Silent};

const HOLD: Duration = Duration::from_secs(5);

/// What one simulated server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    /// It brings the stream.
    Brings,
    /// It takes the question and says nothing.
    Silent,
    /// It cannot be reached.
    Dead,
    /// It says that it has not got the stream.
    Lacks,
    /// It says no.
    Refuses,
}

/// Servers in a world where a message comes each 20 ms.
struct World {
    sources: Sources,
    servers: Vec<(NextHop, Server)>,
    asked: Vec<NextHop>,
    now: Duration,
    passed: Vec<(Duration, Message)>,
    questions: Vec<(Duration, NextHop)>,
    through: Vec<NextHop>,
    waits: Option<Reason>,
    ended: Option<(Duration, Reason)>,
}

impl World {
    fn new(servers: &[Server]) -> Self {
        let servers: Vec<(NextHop, Server)> =
            (1..).map(origin).zip(servers.iter().copied()).collect();
        let order: Vec<NextHop> = servers.iter().map(|(hop, _)| *hop).collect();
        Self {
            sources: Sources::new(&order, HOLD, ms(0)),
            servers,
            asked: Vec::new(),
            now: ms(0),
            passed: Vec::new(),
            questions: Vec::new(),
            through: Vec::new(),
            waits: None,
            ended: None,
        }
    }

    fn obey(&mut self) {
        let now = self.now;
        while let Some(output) = self.sources.poll_output() {
            assert!(self.ended.is_none(), "nothing comes after the end");
            match output {
                Output::Ask(hop) => {
                    assert!(!self.asked.contains(&hop), "asked twice");
                    self.questions.push((now, hop));
                    self.asked.push(hop);
                    let said = match self.what(hop) {
                        Brings | Silent => Said::Opened,
                        Dead => Said::Failed(Trouble::Unreachable),
                        Lacks => Said::Failed(Trouble::Missing),
                        Refuses => Said::Failed(Trouble::Refused),
                    };
                    self.say(hop, said);
                }
                Output::Leave(hop) => {
                    assert!(self.asked.contains(&hop), "left without having been asked");
                    self.asked.retain(|one| *one != hop);
                }
                Output::Through(hop) => self.through.push(hop),
                Output::Pass(message) => self.passed.push((now, message)),
                Output::Waits(reason) => self.waits = Some(reason),
                Output::End(reason) => self.ended = Some((now, reason)),
            }
        }
    }

    fn say(&mut self, hop: NextHop, said: Said) {
        if matches!(said, Said::Failed(_)) {
            self.asked.retain(|one| *one != hop);
        }
        self.sources.handle(hop, said, self.now);
    }

    fn what(&self, hop: NextHop) -> Server {
        let found = self.servers.iter().find(|(known, _)| *known == hop);
        found.map_or(Dead, |(_, server)| *server)
    }

    /// A server changes; one that dies hangs up.
    fn turns(&mut self, place: usize, server: Server) {
        let hop = self.servers[place].0;
        self.servers[place].1 = server;
        if server == Dead && self.asked.contains(&hop) {
            self.say(hop, Said::Failed(Trouble::Lost));
            self.obey();
        }
    }

    fn runs(&mut self, span: u64) {
        let until = self.now + ms(span);
        while self.now < until {
            if self.now.as_millis().is_multiple_of(20) {
                let asked = self.asked.clone();
                for hop in asked {
                    if self.what(hop) != Brings {
                        continue;
                    }
                    let at = u32::try_from(self.now.as_millis()).unwrap();
                    let message = match at {
                        _ if at % 1_000 == 0 => key(at),
                        _ if at % 40 == 0 => inter(at),
                        _ => audio(at),
                    };
                    self.say(hop, Said::Message(message));
                    self.obey();
                }
            }
            if self
                .sources
                .next_deadline()
                .is_some_and(|due| due <= self.now)
            {
                self.sources.handle_timeout(self.now);
            }
            self.obey();
            let again = self.sources.next_deadline();
            assert!(
                again.is_none_or(|due| due > self.now),
                "it would be called again and again"
            );
            self.now += ms(5);
        }
    }

    /// The longest time for which nothing went on.
    fn gap(&self) -> Duration {
        let steps = self.passed.windows(2).map(|two| two[1].0 - two[0].0);
        steps.max().unwrap_or_default()
    }

    fn rises(&self) -> bool {
        self.passed
            .is_sorted_by_key(|(_, message)| message.timestamp)
    }
}

#[test]
fn a_server_without_the_stream_does_not_hold_up_the_next() {
    for (first, within) in [(Silent, 250), (Dead, 50), (Lacks, 50), (Refuses, 50)] {
        let mut world = World::new(&[first, Brings]);
        world.runs(1_000);
        assert!(
            world.passed[0].0 <= ms(within),
            "{first:?}: {:?}",
            world.passed[0].0
        );
        assert_eq!(world.through, [origin(2)]);
    }
}

#[test]
fn one_that_dies_is_followed_at_once_by_the_one_that_stands_by() {
    let mut world = World::new(&[Brings, Brings, Brings]);
    world.runs(5_000);
    assert_eq!(world.questions.len(), 2, "one stands by");
    world.turns(0, Dead);
    world.runs(2_000);
    assert_eq!(world.through, [origin(1), origin(2)]);
    assert!(world.gap() <= ms(40), "{:?}", world.gap());
    let times: Vec<u32> = world.passed.iter().map(|(_, one)| one.timestamp).collect();
    let expected: Vec<u32> = (0..350).map(|at| (at + 1) * 20).take(times.len()).collect();
    assert_eq!(times, expected, "nothing is lost, nothing comes twice");
}

#[test]
fn one_that_freezes_is_followed_in_time_and_asked_again_later() {
    for others in [&[Brings][..], &[Silent, Brings]] {
        let servers: Vec<Server> = [Brings].iter().chain(others).copied().collect();
        let mut world = World::new(&servers);
        world.runs(3_000);
        world.turns(0, Silent);
        world.runs(4_000);
        assert_eq!(world.through.len(), 2, "{others:?}");
        assert!(world.gap() <= ms(1_100), "{others:?}: {:?}", world.gap());
        assert!(world.rises(), "{others:?}");
        world.turns(0, Brings);
        world.runs(20_000);
        assert!(world.asked.contains(&origin(1)), "{others:?}");
        assert_eq!(world.through.len(), 2, "it does not go back by itself");
    }
}

#[test]
fn viewers_are_held_while_everything_is_gone() {
    for comes_back in [true, false] {
        let mut world = World::new(&[Brings, Dead]);
        world.runs(3_000);
        world.turns(0, Dead);
        world.runs(3_000);
        assert_eq!(world.ended, None);
        if comes_back {
            world.turns(0, Brings);
        }
        world.runs(4_000);
        let ended = world.ended.map(|(at, reason)| (at >= ms(7_900), reason));
        let expected = (!comes_back).then_some((true, Reason::StreamEnded));
        assert_eq!(ended, expected);
        assert!(world.rises());
    }
}

#[test]
fn a_publisher_that_leaves_is_waited_for_where_it_was() {
    let mut world = World::new(&[Brings]);
    world.runs(2_000);
    world.turns(0, Silent);
    world.say(origin(1), Said::Over);
    world.runs(3_000);
    assert_eq!((world.ended, world.questions.len()), (None, 1));
    world.turns(0, Brings);
    world.runs(1_000);
    assert!(world.gap() < ms(3_100) && world.rises());
}

#[test]
fn a_stream_that_is_nowhere_is_asked_for_less_and_less_and_the_reason_is_known() {
    for (servers, reason, at_most) in [
        (&[Silent][..], Reason::StreamNotFound, 2),
        (&[Lacks], Reason::StreamNotFound, 12),
        (&[Dead], Reason::OriginUnreachable, 12),
        (&[Dead, Silent], Reason::StreamNotFound, 14),
    ] {
        let mut world = World::new(servers);
        world.runs(15_000);
        assert_eq!(
            (world.waits, world.ended),
            (Some(reason), None),
            "{servers:?}"
        );
        assert!(
            world.questions.len() <= at_most,
            "{servers:?}: {}",
            world.questions.len()
        );
    }
    let mut world = World::new(&[Refuses, Refuses]);
    world.runs(1_000);
    assert_eq!(
        world.ended.map(|(_, reason)| reason),
        Some(Reason::OriginRefused)
    );
}

#[test]
fn viewers_whose_publisher_left_are_held_from_then_on_and_get_what_comes_meanwhile() {
    let check = |server: Server, comes_at: u64, expected: Option<u64>| {
        let mut world = World::new(&[server]);
        world.now = ms(1_000);
        world.sources = Sources::resumed(&[origin(1)], ms(2_000), ms(1_000));
        world.runs(comes_at);
        world.turns(0, Brings);
        world.runs(5_000);
        let ended = world.ended.map(|(at, _)| at);
        assert_eq!(ended, expected.map(ms), "{server:?} {comes_at}");
        assert!(world.waits.is_none(), "it was there");
        assert_eq!(world.passed.is_empty(), ended.is_some());
    };
    check(Brings, 0, None);
    check(Silent, 1_900, None);
    check(Silent, 2_500, Some(3_000));
    check(Refuses, 3_000, Some(3_000));
}

#[test]
fn only_a_question_that_was_answered_with_no_or_silence_is_in_vain() {
    let check = |servers: &[Server], from: u64, span: u64, expected: bool| {
        let mut world = World::new(servers);
        let order: Vec<NextHop> = world.servers.iter().map(|(hop, _)| *hop).collect();
        world.sources = Sources::new(&order, HOLD, ms(from));
        world.runs(span);
        let in_vain = world.sources.asked_in_vain(world.now);
        assert_eq!(in_vain, expected, "{servers:?} {from} {span}");
    };
    check(&[Silent], 0, 200, false);
    check(&[Silent], 0, 800, true);
    check(&[Silent], 2_000, 1_000, false);
    check(&[Lacks], 2_000, 1_000, false);
    check(&[Lacks], 0, 100, true);
    check(&[Dead, Silent], 0, 100, true);
    check(&[Silent, Brings], 0, 1_000, false);
}

#[test]
fn an_origin_that_hangs_up_at_the_end_of_a_stream_is_held_for_and_an_edge_is_not() {
    let edge = NextHop::Edge(contract::id::EdgeId::from_bits(1));
    for (hop, ended) in [(origin(1), false), (edge, true)] {
        let mut world = World::new(&[]);
        world.sources = Sources::new(&[hop], HOLD, ms(0));
        world.servers = vec![(hop, Brings)];
        world.runs(500);
        world.servers[0].1 = Dead;
        world.say(hop, Said::Over);
        world.obey();
        if world.asked.contains(&hop) {
            world.say(hop, Said::Failed(Trouble::Missing));
        }
        world.obey();
        assert_eq!(world.ended.is_some(), ended, "{hop:?}");
        world.servers[0].1 = Brings;
        world.runs(3_000);
        let newest = world.passed.last().unwrap().0;
        assert_eq!(world.now - newest < ms(100), !ended, "{hop:?}");
    }
}

#[test]
fn servers_that_bring_a_little_and_go_by_turns_are_not_asked_without_end() {
    let mut world = World::new(&[Brings, Brings]);
    for _ in 0..400 {
        world.runs(50);
        world.turns(0, Dead);
        world.turns(1, Dead);
        world.turns(0, Brings);
        world.turns(1, Brings);
    }
    assert!(world.questions.len() <= 30, "{}", world.questions.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_servers_do_media_rise_and_questions_are_bounded(
        steps in prop::collection::vec((0usize..3, 0u8..5, 1u64..3_000), 1..25)
    ) {
        let mut world = World::new(&[Brings, Brings, Silent]);
        for (place, what, span) in steps {
            let server = [Brings, Silent, Dead, Lacks, Refuses][usize::from(what)];
            world.turns(place, server);
            world.runs(span);
            if world.ended.is_some() {
                break;
            }
            prop_assert!(world.asked.len() <= 1 + BESIDE);
        }
        prop_assert!(world.rises());
        let seconds = usize::try_from(world.now.as_secs()).unwrap() + 1;
        prop_assert!(world.questions.len() <= 8 * 3 + seconds * 9);
    }
}

#[test]
fn timestamps_of_another_stream_go_on_rising() {
    let mut sources = Sources::new(&[origin(1), origin(2)], HOLD, ms(0));
    let mut passed = Vec::new();
    let mut drain = |sources: &mut Sources| {
        while let Some(output) = sources.poll_output() {
            if let Output::Pass(message) = output {
                passed.push(message.timestamp);
            }
        }
    };
    sources.handle_timeout(ms(0));
    sources.handle(origin(1), Said::Message(key(90_000)), ms(10));
    sources.handle(origin(1), Said::Failed(Trouble::Lost), ms(20));
    sources.handle_timeout(ms(20));
    sources.handle(origin(2), Said::Message(moved(key(0), 7)), ms(320));
    drain(&mut sources);
    assert_eq!(passed, [90_000, 90_310]);
}

/// The route names these servers from now on, of those that are simulated.
fn follow(world: &mut World, names: &[u128]) {
    let order: Vec<NextHop> = names.iter().copied().map(origin).collect();
    world.sources.follow(&order, HOLD, world.now);
    world.obey();
}

#[test]
fn a_server_that_the_route_names_no_more_is_followed_by_one_that_it_names() {
    for (others, through) in [(&[2][..], 2), (&[3], 3), (&[3, 2], 2)] {
        let mut world = World::new(&[Brings, Brings, Brings]);
        // Two of them are named at first: the second one stands by.
        follow(&mut world, &[1, 2]);
        world.runs(3_000);
        assert_eq!(world.asked, [origin(1), origin(2)]);
        follow(&mut world, others);
        world.runs(4_000);
        assert_eq!(world.through, [origin(1), origin(through)], "{others:?}");
        assert!(world.gap() <= ms(40) && world.rises(), "{:?}", world.gap());
        assert!(!world.asked.contains(&origin(1)), "{others:?}");
        assert_eq!(world.ended, None);
    }
}

#[test]
fn what_the_route_names_no_more_is_left_in_time_even_if_nobody_else_has_the_stream() {
    let mut world = World::new(&[Brings, Silent]);
    follow(&mut world, &[1]);
    world.runs(3_000);
    follow(&mut world, &[2]);
    world.runs(1_900);
    assert!(
        world.asked.contains(&origin(1)),
        "it brings until another one does"
    );
    // Named again before it went: nothing has happened.
    follow(&mut world, &[1]);
    world.runs(3_000);
    assert!(world.gap() <= ms(40));
    follow(&mut world, &[2]);
    world.runs(2_100);
    assert!(!world.asked.contains(&origin(1)));
    assert_eq!(world.ended, None, "viewers are held");
    world.turns(1, Brings);
    world.runs(2_000);
    assert_eq!(world.through, [origin(1), origin(2)]);
    assert!(world.rises());
}

#[test]
fn another_stream_of_the_same_server_follows_the_one_before() {
    let mut world = World::new(&[Brings, Brings]);
    world.runs(3_000);
    world
        .sources
        .renew(&[origin(1), origin(2)], HOLD, world.now);
    world.obey();
    world.runs(3_000);
    assert!(
        world.gap() <= ms(1_000) && world.rises(),
        "{:?}",
        world.gap()
    );
    assert_eq!(world.through, [origin(1), origin(1)]);
}
