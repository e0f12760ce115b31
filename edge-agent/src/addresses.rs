//! Connections that are not admitted yet, counted by address on each plane, so that one address
//! cannot take all the room before anybody knows who it is.
//!
//! An address goes in, a permit or nothing comes out. The invariant: an address that has no permit
//! takes no memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections of one address before admission (laws.md, 6).
const PER_ADDRESS: usize = 256;

/// Connections that are not admitted yet, by address.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    counts_by_addr: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Addresses {
    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts_by_addr
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more connection of this address, if there is room.
    #[must_use]
    pub fn enter(&self, addr: IpAddr) -> Option<Permit> {
        let mut counts = self.counts();
        let count = counts.entry(addr).or_default();
        if *count >= PER_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Permit {
            addresses: self.clone(),
            addr,
        })
    }
}

/// One connection before admission; dropped, it counts no more.
#[derive(Debug)]
pub struct Permit {
    addresses: Addresses,
    addr: IpAddr,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.addresses.counts();
        if let Some(count) = counts.get_mut(&self.addr) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.addr);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_bound_until_its_clients_are_admitted() {
        let addresses = Addresses::default();
        let addr: IpAddr = "192.0.2.1".parse().unwrap();
        let held: Vec<Permit> = (0..PER_ADDRESS)
            .map(|_| addresses.enter(addr).unwrap())
            .collect();
        assert!(addresses.enter(addr).is_none());
        assert!(addresses.enter("192.0.2.2".parse().unwrap()).is_some());
        drop(held);
        assert!(addresses.enter(addr).is_some());
    }
}
