//! A snapshot: everything one edge needs but the large tables, whole and immutable.
//!
//! The server compiles it, checks it with [`Snapshot::faults`] before it is published, and sends
//! its bytes; the edge checks it with the same function before it applies it. Its hash is that of
//! its JSON bytes; its generation stands beside it, so that equal settings are equal bytes.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::address::HostPort;
use crate::fault::FieldFault;
use crate::id::{ClusterId, EdgeId, OriginId, RouteId};
use crate::key_set::{KeySet, MAX_KEY_SETS};
use crate::limit::Limits;
use crate::name::Name;
use crate::origin::Origin;
use crate::route::Route;
use crate::rule::Rule;
use crate::token::SigningKey;
use crate::webhook::{MAX_WEBHOOKS, Webhook};

/// The settings of one edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Who the edge is.
    pub edge: EdgeId,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Every edge of the fleet that clients may belong to or pass through, itself included.
    pub edges: Vec<Neighbor>,
    /// The origins that its routes name.
    pub origins: Vec<Origin>,
    /// The routes of its cluster, in the order in which they are tried.
    pub routes: Vec<Route>,
    /// The rules of its cluster, in the order in which they are read.
    pub rules: Vec<Rule>,
    /// Keys of play tokens and hops; the first one signs.
    pub keys: Vec<SigningKey>,
    /// Keys of others, by whose tokens clients may come in.
    #[serde(default)]
    pub key_sets: Vec<KeySet>,
    /// The applications that its routes name to be asked.
    #[serde(default)]
    pub webhooks: Vec<Webhook>,
}

/// An edge as another edge knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbor {
    /// Its id.
    pub id: EdgeId,
    /// What people call it.
    pub name: Name,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Whether new clients may be sent there.
    pub state: EdgeState,
    /// Where its RTMP side is reached; `None` while it has not said.
    pub rtmp: Option<HostPort>,
    /// Where its RTMP side is reached inside TLS; `None` where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtmps: Option<HostPort>,
    /// Where its HTTP side is reached; `None` while it has not said.
    pub http: Option<HostPort>,
    /// What it may have at once.
    #[serde(default)]
    pub limits: Limits,
}

/// How an edge stands with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeState {
    /// A join token was made, or it has joined and never reported.
    Pending,
    /// It reports and takes clients.
    Active,
    /// It takes no new sessions; present ones go on.
    Draining,
    /// It has not reported for a while.
    Lost,
    /// It was taken out for good.
    Retired,
}

impl EdgeState {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Lost => "lost",
            Self::Retired => "retired",
        }
    }
}

impl Snapshot {
    /// The edge's own entry.
    #[must_use]
    pub fn own(&self) -> Option<&Neighbor> {
        self.neighbor(self.edge)
    }

    /// An edge of the fleet.
    #[must_use]
    pub fn neighbor(&self, edge: EdgeId) -> Option<&Neighbor> {
        self.edges.iter().find(|known| known.id == edge)
    }

    /// A listed origin.
    #[must_use]
    pub fn origin(&self, origin: OriginId) -> Option<&Origin> {
        self.origins.iter().find(|known| known.id == origin)
    }

    /// The application that a route asks.
    #[must_use]
    pub fn webhook_of(&self, route: RouteId) -> Option<&Webhook> {
        let route = self.routes.iter().find(|known| known.id == route)?;
        let id = route.webhook?;
        self.webhooks.iter().find(|known| known.id == id)
    }

    /// What an edge would refuse, by field; empty means that it can be applied.
    #[must_use]
    pub fn faults(&self) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        if self.own().is_none() {
            faults.push(FieldFault::new("edges", "the edge itself is missing"));
        }
        if self.keys.is_empty() {
            faults.push(FieldFault::new("keys", "at least one key is needed"));
        }
        unique(&mut faults, "edges", self.edges.iter().map(|edge| edge.id));
        unique(
            &mut faults,
            "origins",
            self.origins.iter().map(|origin| origin.id),
        );
        unique(
            &mut faults,
            "routes",
            self.routes.iter().map(|route| route.id),
        );
        unique(&mut faults, "rules", self.rules.iter().map(|rule| rule.id));
        for route in &self.routes {
            let within = format!("routes.{}", route.name);
            faults.extend(
                route
                    .faults()
                    .into_iter()
                    .map(|fault| fault.within(&within)),
            );
            if route.webhook.is_some() && self.webhook_of(route.id).is_none() {
                let fault = FieldFault::new("webhook", "there is no such webhook");
                faults.push(fault.within(&within));
            }
            faults.extend(
                self.upstream_faults(route)
                    .into_iter()
                    .map(|fault| fault.within(&within)),
            );
        }
        unique(
            &mut faults,
            "key_sets",
            self.key_sets.iter().map(|set| set.id),
        );
        if self.key_sets.len() > MAX_KEY_SETS {
            let message = format!("an edge holds at most {MAX_KEY_SETS} key sets");
            faults.push(FieldFault::new("key_sets", message));
        }
        for set in &self.key_sets {
            let within = format!("key_sets.{}", set.name);
            faults.extend(set.faults().into_iter().map(|fault| fault.within(&within)));
        }
        unique(
            &mut faults,
            "webhooks",
            self.webhooks.iter().map(|hook| hook.id),
        );
        if self.webhooks.len() > MAX_WEBHOOKS {
            let message = format!("an edge asks at most {MAX_WEBHOOKS} webhooks");
            faults.push(FieldFault::new("webhooks", message));
        }
        for hook in &self.webhooks {
            let within = format!("webhooks.{}", hook.settings.name);
            let found = hook.settings.faults().into_iter();
            faults.extend(found.map(|fault| fault.within(&within)));
        }
        for rule in &self.rules {
            let within = format!("rules.{}", rule.name);
            faults.extend(rule.faults().into_iter().map(|fault| fault.within(&within)));
        }
        faults
    }

    fn upstream_faults(&self, route: &Route) -> Vec<FieldFault> {
        let wrong = |id: &OriginId| match self.origin(*id) {
            None => Some(format!("`{id}` is not a listed origin")),
            Some(origin) if origin.address.plane() != route.plane => Some(format!(
                "`{}` does not speak {}, which this route needs",
                origin.name,
                route.plane.as_str()
            )),
            Some(_) => None,
        };
        route
            .upstreams
            .iter()
            .filter_map(wrong)
            .map(|message| FieldFault::new("upstreams", message))
            .collect()
    }
}

fn unique<T: Eq + std::hash::Hash + std::fmt::Display>(
    faults: &mut Vec<FieldFault>,
    field: &str,
    ids: impl Iterator<Item = T>,
) {
    let mut seen = HashSet::new();
    for id in ids {
        let text = id.to_string();
        if !seen.insert(id) {
            faults.push(FieldFault::new(
                field,
                format!("`{text}` stands there twice"),
            ));
        }
    }
}

/// The hash of a document's bytes, in hexadecimal: SHA-256.
#[must_use]
pub fn content_hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
