//! How often someone may try to sign in: counted by name and by address, held in memory, forgotten
//! by itself.
//!
//! A try is counted before the password is looked at, so that many at once do not slip through. A
//! name that does not exist is counted like one that does. A lock has an end and trying on does not
//! push it back.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use contract::name::MAX_NAME_CHARS;

/// Failures of one name before it is locked for a while; chosen: a person mistypes thrice.
pub(crate) const BY_NAME: u32 = 5;
/// Failures from one address; chosen higher, because an office shares one.
pub(crate) const BY_ADDRESS: u32 = 20;
/// How long failures count, and how long a lock holds.
pub(crate) const LOCK: Duration = Duration::from_secs(60);
/// Names and addresses remembered at once; what is more takes the place of what ended.
const REMEMBERED: usize = 20_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Name(String),
    Address(IpAddr),
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    count: u32,
    end_ms: u64,
}

/// Counts tries and says when there were too many.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    tries: Mutex<HashMap<Key, Tries>>,
}

impl Attempts {
    /// Counts a try. An error says how long to wait: the try must not be made.
    pub(crate) fn begin(&self, name: &str, address: IpAddr, now_ms: u64) -> Result<(), Duration> {
        let keys = [
            (name_key(name), BY_NAME),
            (Key::Address(network_of(address)), BY_ADDRESS),
        ];
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= REMEMBERED {
            tries.retain(|_, entry| entry.end_ms > now_ms);
        }
        for (key, most) in &keys {
            if let Some(entry) = tries.get(key)
                && entry.end_ms > now_ms
                && entry.count >= *most
            {
                return Err(Duration::from_millis(entry.end_ms - now_ms));
            }
        }
        let lock_ms = u64::try_from(LOCK.as_millis()).unwrap_or(u64::MAX);
        for (key, _) in keys {
            let full = tries.len() >= REMEMBERED;
            match tries.get_mut(&key) {
                Some(entry) if entry.end_ms > now_ms => {
                    entry.count += 1;
                    entry.end_ms = now_ms + lock_ms;
                }
                Some(entry) => {
                    *entry = Tries {
                        count: 1,
                        end_ms: now_ms + lock_ms,
                    }
                }
                // So many names at once are an attack: who is new waits until some have ended.
                None if full => return Err(LOCK),
                None => {
                    tries.insert(
                        key,
                        Tries {
                            count: 1,
                            end_ms: now_ms + lock_ms,
                        },
                    );
                }
            }
        }
        Ok(())
    }

    /// Forgets the tries of a name that signed in, and one of its address.
    pub(crate) fn succeeded(&self, name: &str, address: IpAddr) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.remove(&name_key(name));
        if let Some(entry) = tries.get_mut(&Key::Address(network_of(address))) {
            entry.count = entry.count.saturating_sub(1);
        }
    }
}

/// What counts as one name: no user's is longer, and what is remembered of a text that anyone may
/// send must be bounded.
fn name_key(name: &str) -> Key {
    let start: String = name.trim().chars().take(MAX_NAME_CHARS).collect();
    Key::Name(start.to_lowercase())
}

/// What counts as one address: of IPv6 the /64, because a single host has all of it.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let mut parts = v6.segments();
            parts[4..].fill(0);
            IpAddr::V6(parts.into())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn c2_a_name_is_locked_after_five_failures_and_the_lock_ends_by_itself() {
        let attempts = Attempts::default();
        for _ in 0..BY_NAME {
            attempts.begin("ada", HOME, 1_000).unwrap();
        }
        let wait = attempts.begin("Ada ", HOME, 2_000).unwrap_err();
        assert_eq!(wait, Duration::from_secs(59));
        attempts.begin("bob", HOME, 2_000).unwrap();
        attempts.begin("ada", HOME, 61_001).unwrap();
    }

    #[test]
    fn trying_on_does_not_push_the_end_of_a_lock_back() {
        let attempts = Attempts::default();
        for _ in 0..BY_NAME {
            attempts.begin("ada", HOME, 0).unwrap();
        }
        for now_ms in [10_000, 30_000, 59_000] {
            attempts.begin("ada", HOME, now_ms).unwrap_err();
        }
        attempts.begin("ada", HOME, 60_000).unwrap();
    }

    #[test]
    fn an_address_is_locked_whatever_names_it_tries() {
        let attempts = Attempts::default();
        for number in 0..BY_ADDRESS {
            attempts.begin(&format!("name{number}"), HOME, 0).unwrap();
        }
        attempts.begin("another", HOME, 0).unwrap_err();
        attempts
            .begin("another", "192.0.2.1".parse().unwrap(), 0)
            .unwrap();
    }

    #[test]
    fn success_forgets_the_failures_of_the_name() {
        let attempts = Attempts::default();
        for _ in 0..20 {
            attempts.begin("ada", HOME, 0).unwrap();
            attempts.succeeded("ada", HOME);
        }
    }

    #[test]
    fn little_is_remembered_of_a_long_name() {
        let attempts = Attempts::default();
        attempts.begin(&"x".repeat(1 << 20), HOME, 0).unwrap();
        let tries = attempts.tries.lock().unwrap();
        let longest = tries.keys().map(|key| match key {
            Key::Name(name) => name.len(),
            Key::Address(_) => 0,
        });
        assert_eq!(longest.max(), Some(MAX_NAME_CHARS));
    }

    #[test]
    fn hosts_of_one_ipv6_network_count_as_one() {
        assert_eq!(
            network_of("2001:db8::1".parse().unwrap()),
            network_of("2001:db8::2".parse().unwrap())
        );
    }
}
