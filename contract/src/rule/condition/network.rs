//! The network that the client's address lies in.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Field, Holds, Input, Kind, any_of, must_name_one};
use crate::facts::Facts;
use crate::fault::FieldFault;

/// Holds when the client's address lies in one of the networks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Networks in CIDR notation.
    pub networks: Vec<IpNet>,
}

impl Kind for Network {
    const LABEL: &'static str = "network";
    const FIELDS: &'static [Field] = &[Field {
        name: "networks",
        label: "Networks",
        help: "One network a line, for example `10.0.0.0/8`, `192.0.2.7/32` or `2001:db8::/32`.",
        input: Input::Lines,
    }];

    fn holds(&self, facts: &Facts) -> Holds {
        let addr = facts.addr.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&addr))
            .into()
    }

    fn sentence(&self, _: &dyn Fn(&str) -> Option<String>) -> String {
        format!("the network is {}", any_of(&self.networks))
    }

    fn faults(&self) -> Vec<FieldFault> {
        must_name_one("networks", &self.networks)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn an_ipv4_address_inside_ipv6_counts_as_itself() {
        let network = Network {
            networks: vec!["192.0.2.0/24".parse().unwrap()],
        };
        let mut facts = fixture::play_facts("live", "s");
        for (addr, expected) in [
            ("192.0.2.9", Holds::Yes),
            ("::ffff:192.0.2.9", Holds::Yes),
            ("192.0.3.9", Holds::No),
            ("::1", Holds::No),
        ] {
            facts.addr = addr.parse().unwrap();
            assert_eq!(network.holds(&facts), expected, "{addr}");
        }
    }
}
