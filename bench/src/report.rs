//! Outcomes as tables for people: a row a server and number of viewers, then the ratios, then what
//! to beware of. Outcomes in, Markdown out.

use std::fmt::Write;
use std::time::Duration;

use crate::connect::Rate;
use crate::run::{Outcome, Stall};
use crate::target::Kind;

const GIB: f64 = (1_u64 << 30) as f64;
const KIB: f64 = 1024.0;

/// Above this share of its processor the load client is no longer trusted.
const SATURATED: f64 = 0.85;

/// Above this share of waiting for a processor, latencies are not trusted.
const DISTURBED: f64 = 0.10;

impl Outcome {
    /// Processor seconds of the server per GiB that viewers received.
    pub(crate) fn cpu_per_gib(&self) -> f64 {
        self.server_cpu.as_secs_f64() / (self.bytes.max(1) as f64 / GIB)
    }

    /// Share of its processor that the load client took.
    fn load_share(&self) -> f64 {
        self.load_cpu.as_secs_f64() / self.window.as_secs_f64()
    }

    /// Shares of the window in which the server, and the load, had work and no processor.
    fn waited_shares(&self) -> (f64, f64) {
        let share = |waited: Duration| waited.as_secs_f64() / self.window.as_secs_f64();
        (share(self.waited.0), share(self.waited.1))
    }

    /// How little the run was disturbed by other programs: the less, the calmer.
    pub(crate) fn disturbance(&self) -> Duration {
        self.waited.0 + self.waited.1
    }
}

/// The whole report.
pub(crate) fn markdown(outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    table(&mut out, outcomes);
    for against in [Kind::Nginx, Kind::Floor] {
        ratios(&mut out, outcomes, against);
    }
    stalls(&mut out, outcomes);
    warnings(&mut out, outcomes);
    out
}

fn table(out: &mut String, outcomes: &[Outcome]) {
    out.push_str(
        "| server | viewers | Mbit/s | writes | CPU s/GiB | server's core | latency p50, p99 (ms) \
         | join p50, p99 (ms) | KiB a viewer | KiB each further | socket KiB a viewer | lost | missing \
         | wrong | load's core | waited: server, load |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for outcome in outcomes {
        let viewers = outcome.plan.viewers as f64;
        let waited = outcome.waited_shares();
        let core = outcome.server_cpu.as_secs_f64() / outcome.window.as_secs_f64();
        line(
            out,
            &[
                outcome.plan.name().to_owned(),
                outcome.plan.viewers.to_string(),
                outcome.plan.mbit.to_string(),
                outcome.plan.flushing(),
                format!("{:.2}", outcome.cpu_per_gib()),
                percent(core),
                format!(
                    "{}, {}",
                    ms(outcome.latency(0.5)),
                    ms(outcome.latency(0.99))
                ),
                format!("{}, {}", ms(outcome.join(0.5)), ms(outcome.join(0.99))),
                format!("{:.1}", outcome.memory as f64 / viewers / KIB),
                further(outcome, outcomes),
                format!("{:.1}", outcome.socket_memory as f64 / viewers / KIB),
                outcome.lost.to_string(),
                outcome.faults.missing.to_string(),
                outcome.faults.wrong().to_string(),
                percent(outcome.load_share()),
                format!("{}, {}", percent(waited.0), percent(waited.1)),
            ],
        );
    }
}

impl Outcome {
    fn latency(&self, share: f64) -> Option<Duration> {
        self.latencies.percentile(share)
    }

    fn join(&self, share: f64) -> Option<Duration> {
        self.joins.percentile(share)
    }
}

/// Memory of each viewer beyond the fewest that the same was measured with: what does not grow with
/// their number, as the stream's ring, is in neither.
fn further(outcome: &Outcome, outcomes: &[Outcome]) -> String {
    let alike = outcomes.iter().filter(|other| {
        let (one, other) = (outcome.plan, other.plan);
        other.name() == one.name() && other.mbit == one.mbit && other.gather == one.gather
    });
    let fewest = alike.min_by_key(|other| other.plan.viewers);
    let Some(fewest) = fewest.filter(|fewest| fewest.plan.viewers < outcome.plan.viewers) else {
        return "–".to_owned();
    };
    let viewers = outcome.plan.viewers - fewest.plan.viewers;
    let memory = outcome.memory - fewest.memory;
    format!("{:.1}", memory as f64 / viewers as f64 / KIB)
}

/// What those who watch noticed of those who stopped reading.
fn stalls(out: &mut String, outcomes: &[Outcome]) {
    let stalled: Vec<(&Outcome, &Stall)> = outcomes
        .iter()
        .filter_map(|outcome| Some((outcome, outcome.stall.as_ref()?)))
        .collect();
    if stalled.is_empty() {
        return;
    }
    out.push_str(
        "\nWith viewers that stop reading:\n\n\
         | server | viewers | stop reading | latency p99 before, meanwhile (ms) \
         | memory for them: server, sockets (MiB) | ended | after, first and last (s) |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for (outcome, stall) in stalled {
        let mib = |bytes: i64| bytes as f64 / KIB / KIB;
        let ended = |share| {
            let after: Option<Duration> = stall.ends.percentile(share);
            after.map_or("–".to_owned(), |after| {
                format!("{:.1}", after.as_secs_f64())
            })
        };
        line(
            out,
            &[
                outcome.plan.name().to_owned(),
                outcome.plan.viewers.to_string(),
                stall.viewers.to_string(),
                format!(
                    "{}, {}",
                    ms(outcome.latency(0.99)),
                    ms(stall.latencies.percentile(0.99))
                ),
                format!("{:.1}, {:.1}", mib(stall.memory), mib(stall.socket_memory)),
                stall.ends.total().to_string(),
                format!("{}, {}", ended(0.0), ended(1.0)),
            ],
        );
    }
}

/// Sessions a second.
pub(crate) fn rates(rates: &[Rate]) -> String {
    let mut out =
        "| server | at once | sessions a second | failed | server's core | load's core |\n\
                   |---|---|---|---|---|---|\n"
            .to_owned();
    for rate in rates {
        line(
            &mut out,
            &[
                rate.kind.name().to_owned(),
                rate.at_once.to_string(),
                format!("{:.0}", rate.per_second),
                rate.failed.to_string(),
                percent(rate.server),
                percent(rate.load),
            ],
        );
    }
    out
}

/// Whatever both servers were measured with.
fn ratios(out: &mut String, outcomes: &[Outcome], against: Kind) {
    let of = |kind: Kind| {
        outcomes
            .iter()
            .filter(move |outcome| outcome.plan.kind == kind)
    };
    let pairs: Vec<_> = of(Kind::Weir)
        .filter_map(|weir| {
            let mut peers = of(against);
            let peer = peers.find(|peer| {
                let (ours, theirs) = (weir.plan, peer.plan);
                let alike = theirs.viewers == ours.viewers && theirs.gather == ours.gather;
                alike && theirs.mbit == ours.mbit
            })?;
            Some((weir, peer))
        })
        .collect();
    if pairs.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\nWeir's figures divided by those of {}:\n",
        against.name()
    );
    out.push_str(
        "| server | viewers | Mbit/s | writes | CPU s/GiB | latency p50 | latency p99 | join p50 \
         | memory | socket memory |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (weir, peer) in pairs {
        let times = |share: f64, of: fn(&Outcome, f64) -> Option<Duration>| match (
            of(weir, share),
            of(peer, share),
        ) {
            (Some(ours), Some(theirs)) => ratio(ours.as_secs_f64(), theirs.as_secs_f64()),
            (None, _) | (_, None) => ratio(0.0, 0.0),
        };
        line(
            out,
            &[
                weir.plan.name().to_owned(),
                weir.plan.viewers.to_string(),
                weir.plan.mbit.to_string(),
                weir.plan.flushing(),
                ratio(weir.cpu_per_gib(), peer.cpu_per_gib()),
                times(0.5, Outcome::latency),
                times(0.99, Outcome::latency),
                times(0.5, Outcome::join),
                ratio(weir.memory as f64, peer.memory as f64),
                ratio(weir.socket_memory as f64, peer.socket_memory as f64),
            ],
        );
    }
}

fn warnings(out: &mut String, outcomes: &[Outcome]) {
    let mut first = true;
    for outcome in outcomes {
        let mut notes = Vec::new();
        if outcome.load_share() > SATURATED {
            notes.push(format!(
                "the load client was saturated ({} of its core): its latencies are its own",
                percent(outcome.load_share())
            ));
        }
        let (server, load) = outcome.waited_shares();
        if server.max(load) > DISTURBED {
            notes.push(format!(
                "other programs kept the server waiting for {} of the time, the load for {}: \
                 latencies are too high",
                percent(server),
                percent(load)
            ));
        }
        if outcome.publisher_late > Duration::from_millis(100) {
            let late = ms(Some(outcome.publisher_late));
            notes.push(format!("the publisher was up to {late} ms late"));
        }
        if let Some(why) = &outcome.why {
            notes.push(format!("{} viewers were lost: {why}", outcome.lost));
        }
        if outcome.faults.wrong() > 0 {
            notes.push(format!(
                "messages arrived that were never sent so: {:?}",
                outcome.faults
            ));
        }
        for note in notes {
            if std::mem::take(&mut first) {
                out.push('\n');
            }
            let plan = &outcome.plan;
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "- {}, {} viewers of {} Mbit/s, {}: {note}",
                plan.name(),
                plan.viewers,
                plan.mbit,
                plan.flushing()
            );
        }
    }
}

fn line(out: &mut String, cells: &[String]) {
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn ms(duration: Option<Duration>) -> String {
    let Some(duration) = duration else {
        return "–".to_owned();
    };
    let ms = duration.as_secs_f64() * 1_000.0;
    if ms < 10.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    }
}

/// Two figures that can be divided; memory may even fall.
fn ratio(ours: f64, theirs: f64) -> String {
    if ours <= 0.0 || theirs <= 0.0 {
        return "–".to_owned();
    }
    let ratio = ours / theirs;
    if ratio < 0.01 {
        "under 0.01".to_owned()
    } else {
        format!("{ratio:.2}")
    }
}
