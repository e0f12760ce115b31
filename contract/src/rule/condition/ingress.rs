//! By which protocol the client came.

use serde::{Deserialize, Serialize};

use super::{Field, Holds, Input, Kind, any_of, must_name_one};
use crate::facts::Facts;
use crate::fault::FieldFault;
use crate::protocol;

/// Holds when the client came by one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingress {
    /// The protocols.
    pub ingresses: Vec<protocol::Ingress>,
}

impl Kind for Ingress {
    const LABEL: &'static str = "protocol";
    const FIELDS: &'static [Field] = &[Field {
        name: "ingresses",
        label: "Protocols",
        help: "How the client speaks to the edge.",
        input: Input::Choices(&[
            ("rtmp", "RTMP"),
            ("rtmps", "RTMPS"),
            ("http", "HTTP"),
            ("https", "HTTPS"),
        ]),
    }];

    fn holds(&self, facts: &Facts) -> Holds {
        self.ingresses.contains(&facts.ingress).into()
    }

    fn sentence(&self, _: &dyn Fn(&str) -> Option<String>) -> String {
        let names: Vec<&str> = self
            .ingresses
            .iter()
            .map(|ingress| ingress.scheme())
            .collect();
        format!("the protocol is {}", any_of(&names))
    }

    fn faults(&self) -> Vec<FieldFault> {
        must_name_one("ingresses", &self.ingresses)
    }
}
