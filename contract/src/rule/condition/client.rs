//! Which registered client it is.

use serde::{Deserialize, Serialize};

use super::{Field, Holds, Input, Kind, any_of, must_name_one};
use crate::facts::Facts;
use crate::fault::FieldFault;
use crate::id::ClientId;

/// Holds when the client is one of these. A client that nothing identifies is none of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The clients.
    pub clients: Vec<ClientId>,
}

impl Kind for Client {
    const LABEL: &'static str = "client";
    const FIELDS: &'static [Field] = &[Field {
        name: "clients",
        label: "Clients",
        help: "Registered clients; unknown ones are none of them.",
        input: Input::Clients,
    }];

    fn holds(&self, facts: &Facts) -> Holds {
        facts
            .client
            .is_some_and(|client| self.clients.contains(&client))
            .into()
    }

    fn sentence(&self, name_of: &dyn Fn(&str) -> Option<String>) -> String {
        let names: Vec<String> = self
            .clients
            .iter()
            .map(|client| name_of(&client.to_string()).unwrap_or_else(|| client.to_string()))
            .collect();
        format!("the client is {}", any_of(&names))
    }

    fn faults(&self) -> Vec<FieldFault> {
        must_name_one("clients", &self.clients)
    }
}
