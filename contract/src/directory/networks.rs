//! Values by network: finds all networks that hold an address, longest prefix first, with one
//! look-up for each prefix length in use.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

/// Values by network.
#[derive(Debug, Clone)]
pub(super) struct Networks<T> {
    by_length: BTreeMap<u8, HashMap<IpNet, Vec<T>>>,
}

impl<T> Default for Networks<T> {
    fn default() -> Self {
        Self {
            by_length: BTreeMap::new(),
        }
    }
}

impl<T: Copy + Eq> Networks<T> {
    pub(super) fn insert(&mut self, network: IpNet, value: T) {
        let values = self
            .by_length
            .entry(network.prefix_len())
            .or_default()
            .entry(network.trunc())
            .or_default();
        values.push(value);
    }

    pub(super) fn remove(&mut self, network: IpNet, value: T) {
        let Some(networks) = self.by_length.get_mut(&network.prefix_len()) else {
            return;
        };
        if let Some(values) = networks.get_mut(&network.trunc()) {
            values.retain(|known| *known != value);
            if values.is_empty() {
                networks.remove(&network.trunc());
            }
        }
        if networks.is_empty() {
            self.by_length.remove(&network.prefix_len());
        }
    }

    /// The values of each network that holds the address, longest prefix first. An IPv4 address
    /// inside IPv6 counts as itself.
    pub(super) fn containing(&self, addr: IpAddr) -> impl Iterator<Item = &Vec<T>> {
        let addr = addr.to_canonical();
        self.by_length
            .iter()
            .rev()
            .filter_map(move |(length, networks)| {
                let network = IpNet::new(addr, *length).ok()?.trunc();
                networks.get(&network)
            })
    }
}
