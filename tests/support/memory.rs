//! What a program and the kernel hold for its clients, as the kernel counts it.

use std::collections::HashSet;
use std::process::Command;
use std::time::Duration;

use super::process::run;

const PATIENCE: Duration = Duration::from_secs(10);

/// A program's share of memory in bytes: what is its own, and its part of what it shares (`Pss`).
pub(crate) fn of_process(id: u32) -> u64 {
    let file = format!("/proc/{id}/smaps_rollup");
    let text = std::fs::read_to_string(file).expect("it runs");
    let kib = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = kib.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kib: u64 = kib
        .and_then(|kib| kib.parse().ok())
        .expect("the kernel counts in KiB");
    kib << 10
}

/// What the kernel holds in bytes for each connection that a listener at this port has with one of these ports:
/// both queues and what is set apart for them.
pub(crate) fn of_sockets(listener: u16, peers: &HashSet<u16>) -> Vec<u64> {
    let shown = run(
        Command::new("ss").args([
            "-tnmOH",
            "state",
            "established",
            "sport",
            "=",
            &format!(":{listener}"),
        ]),
        PATIENCE,
    );
    assert!(shown.status.success(), "ss failed: {shown}");
    let lines = String::from_utf8_lossy(&shown.stdout).into_owned();
    let of_peer = |line: &&str| {
        let peer = line.split_whitespace().nth(3);
        let port = peer.and_then(|peer| peer.rsplit(':').next()?.parse().ok());
        port.is_some_and(|port| peers.contains(&port))
    };
    lines.lines().filter(of_peer).map(held).collect()
}

/// Reads `… skmem:(r0,rb131072,t0,tb87040,f4096,w0,o0,bl0,d0)`: received, set apart, to be sent.
fn held(line: &str) -> u64 {
    let (_, rest) = line.split_once("skmem:(").expect("ss shows memory");
    let fields = rest.split(')').next().unwrap_or_default().split(',');
    let wanted = |field: &str| {
        ["r", "f", "w"].iter().find_map(|name| {
            let digits = field.strip_prefix(name)?;
            digits.parse::<u64>().ok()
        })
    };
    fields.filter_map(wanted).sum()
}
