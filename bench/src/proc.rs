//! What the kernel says of processes, processors and sockets: Linux's `/proc`, read as it is.
//!
//! Processor time is that of a whole process, ended threads included, in steps of one tick (10 ms).
//! On loopback it holds the receiving half of TCP too, which runs in the sender's time; it is so
//! for every server alike.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// One tick of the counts in `/proc`: 100 a second on every Linux of today.
const TICK: Duration = Duration::from_millis(10);

/// A page of socket memory.
const PAGE: u64 = 4096;

/// Processor time that a process has taken, in user mode and in the kernel.
///
/// # Errors
/// When the process is gone.
pub(crate) fn cpu_of(pid: u32) -> Result<Duration> {
    let text = read(format!("/proc/{pid}/stat"))?;
    process_ticks(&text)
        .map(|ticks| TICK * ticks)
        .with_context(|| format!("/proc/{pid}/stat has no processor time"))
}

/// The 14th and 15th fields; the second may hold spaces and ends with the last bracket.
fn process_ticks(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let kernel: u32 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

/// How long the threads of a process have waited for a processor though they had work, together.
///
/// # Errors
/// When the process is gone, or the kernel does not count this.
pub(crate) fn waited(pid: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while this is read.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else {
            continue;
        };
        sum += waited_of(&text).context("schedstat has no second number")?;
    }
    Ok(sum)
}

/// The second of three numbers, in nanoseconds.
fn waited_of(schedstat: &str) -> Option<Duration> {
    let nanos = schedstat.split_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// Bytes of memory that a process holds, shared pages counted by their share.
///
/// # Errors
/// When the process is gone.
pub(crate) fn memory_of(pid: u32) -> Result<u64> {
    let text = read(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: u64 = kib.context("smaps_rollup has no Pss")?.parse()?;
    Ok(kib * 1024)
}

/// Bytes of kernel memory in the buffers of all TCP sockets of the machine, both ends.
///
/// # Errors
/// When `/proc/net/sockstat` is not as expected.
pub(crate) fn socket_memory() -> Result<u64> {
    let text = read("/proc/net/sockstat")?;
    let line = text.lines().find(|line| line.starts_with("TCP:"));
    let mut words = line.context("sockstat has no TCP line")?.split_whitespace();
    words.find(|word| *word == "mem");
    let pages: u64 = words.next().context("sockstat has no mem")?.parse()?;
    Ok(pages * PAGE)
}

/// How many files one process may have open.
///
/// # Errors
/// When `/proc/self/limits` is not as expected.
pub(crate) fn open_files_limit() -> Result<usize> {
    let text = read("/proc/self/limits")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    match soft.context("limits speaks of no open files")? {
        "unlimited" => Ok(usize::MAX),
        number => Ok(number.parse()?),
    }
}

fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_past_a_name_with_brackets() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 120 45 0 0 20 0 1 0 9 1 1";
        assert_eq!(process_ticks(stat), Some(165));
        assert_eq!(process_ticks("7 (a) S 1"), None);
    }

    #[test]
    fn waiting_is_the_second_number() {
        let waited = Duration::from_nanos(17);
        assert_eq!(waited_of("1234 17 5\n"), Some(waited));
        assert_eq!(waited_of(""), None);
    }
}
