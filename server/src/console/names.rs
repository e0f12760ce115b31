//! What people call things: names for the ids that reports, rules and assignments carry.
//!
//! In: who looks. Out: names by id, read by the verbs that list. Invariant: an id without a name is shown as
//! itself, never left out. Of clients, which may be a million, it holds the first and those asked for.

use std::collections::{BTreeMap, HashMap};

use contract::assignment::{Subject, Target};
use contract::id::{ClientId, ClusterId, EdgeId, GroupId, OriginId, RouteId, RuleId};
use contract::report::{HopTarget, Reachability};
use contract::snapshot::EdgeState;

use super::failure::Failure;
use super::form::Choice;
use super::visitor::Visitor;
use crate::app::{Error, Window, clients, clusters, edges, groups, origins, routes, rules};

/// What most pages say of an edge.
#[derive(Debug)]
pub(crate) struct EdgeName {
    pub(crate) id: EdgeId,
    pub(crate) name: String,
    pub(crate) cluster: ClusterId,
    pub(crate) retired: bool,
    pub(crate) sessions: u64,
    pub(crate) origins: BTreeMap<OriginId, Reachability>,
}

/// Names by id.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) edges: Vec<EdgeName>,
    clusters: Vec<(ClusterId, String)>,
    origins: HashMap<OriginId, String>,
    routes: HashMap<RouteId, String>,
    rules: HashMap<RuleId, String>,
    groups: Vec<(GroupId, String)>,
    clients: Vec<(ClientId, String)>,
}

impl Names {
    /// Reads all names that a page may need.
    pub(crate) async fn read(visitor: &Visitor) -> Result<Self, Failure> {
        let (app, caller, whole) = (&visitor.app, &visitor.caller, Window::whole());
        let edges = edges::list(app, caller)
            .await?
            .items
            .into_iter()
            .map(|status| EdgeName {
                id: status.edge.id,
                name: status.edge.name.to_string(),
                cluster: status.edge.cluster,
                retired: status.edge.state == EdgeState::Retired,
                sessions: status.report.as_ref().map_or(0, |report| report.sessions),
                origins: status
                    .report
                    .map(|report| report.origins)
                    .unwrap_or_default(),
            });
        let clusters = clusters::list(app, caller, &whole).await?.items;
        let origins = origins::list(app, caller, &whole).await?.items;
        let routes = routes::list(app, caller).await?.items;
        let rules = rules::list(app, caller).await?.items;
        let groups = groups::list(app, caller, &whole).await?.items;
        let clients = clients::list(app, caller, &whole).await?.items;
        Ok(Self {
            edges: edges.collect(),
            clusters: clusters
                .into_iter()
                .map(|cluster| (cluster.id, cluster.name.to_string()))
                .collect(),
            origins: origins
                .into_iter()
                .map(|origin| (origin.id, origin.name.to_string()))
                .collect(),
            routes: routes
                .into_iter()
                .map(|route| (route.it.id, route.it.name.to_string()))
                .collect(),
            rules: rules
                .into_iter()
                .map(|rule| (rule.it.id, rule.it.name.to_string()))
                .collect(),
            groups: groups
                .into_iter()
                .map(|group| (group.id, group.name.to_string()))
                .collect(),
            clients: clients
                .into_iter()
                .map(|client| (client.id, client.settings.name.to_string()))
                .collect(),
        })
    }

    /// Adds the names of these clients, where they are not known yet.
    pub(crate) async fn add_clients(
        &mut self,
        visitor: &Visitor,
        ids: impl IntoIterator<Item = ClientId> + Send,
    ) -> Result<(), Failure> {
        let missing: std::collections::BTreeSet<ClientId> = ids
            .into_iter()
            .filter(|id| self.clients.iter().all(|(known, _)| known != id))
            .collect();
        for id in missing {
            match clients::show(&visitor.app, &visitor.caller, id).await {
                Ok(client) => self.clients.push((id, client.settings.name.to_string())),
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The name of an edge.
    pub(crate) fn edge(&self, id: EdgeId) -> String {
        self.edges
            .iter()
            .find(|edge| edge.id == id)
            .map_or_else(|| id.to_string(), |edge| edge.name.clone())
    }

    /// The name of a cluster.
    pub(crate) fn cluster(&self, id: ClusterId) -> String {
        named(&self.clusters, id)
    }

    /// The name of a group.
    pub(crate) fn group(&self, id: GroupId) -> String {
        named(&self.groups, id)
    }

    /// The name of a client.
    pub(crate) fn client(&self, id: ClientId) -> String {
        named(&self.clients, id)
    }

    /// The name of an origin.
    pub(crate) fn origin(&self, id: OriginId) -> String {
        self.origins
            .get(&id)
            .cloned()
            .unwrap_or_else(|| id.to_string())
    }

    /// The name of a route.
    pub(crate) fn route(&self, id: RouteId) -> String {
        self.routes
            .get(&id)
            .cloned()
            .unwrap_or_else(|| id.to_string())
    }

    /// The name of a rule; nothing when it was deleted.
    pub(crate) fn rule(&self, id: RuleId) -> Option<String> {
        self.rules.get(&id).cloned()
    }

    /// Whom an assignment is about.
    pub(crate) fn subject(&self, subject: &Subject) -> String {
        match subject {
            Subject::Client { client } => self.client(*client),
            Subject::Group { group } => format!("group {}", self.group(*group)),
            Subject::Network { network } => format!("network {network}"),
            Subject::Everyone => "everyone".to_owned(),
        }
    }

    /// Where clients belong.
    pub(crate) fn target(&self, target: &Target) -> String {
        match target {
            Target::Edge { edge } => format!("edge {}", self.edge(*edge)),
            Target::Cluster { cluster } => format!("cluster {}", self.cluster(*cluster)),
        }
    }

    /// The next hop of a session or stream.
    pub(crate) fn hop(&self, hop: &HopTarget) -> String {
        match hop {
            HopTarget::Origin { origin } => format!("origin {}", self.origin(*origin)),
            HopTarget::Edge { edge } => format!("edge {}", self.edge(*edge)),
        }
    }

    /// Anything that a rule may name by its id.
    pub(crate) fn of_text(&self, id: &str) -> Option<String> {
        if let Ok(id) = id.parse::<ClientId>() {
            return Some(self.client(id));
        }
        id.parse::<GroupId>().ok().map(|id| self.group(id))
    }

    /// Clients and groups for the conditions of a rule.
    pub(crate) fn known(&self) -> super::rules::Known {
        super::rules::Known {
            clients: self
                .clients
                .iter()
                .map(|(id, name)| (id.to_string(), name.clone()))
                .collect(),
            groups: self
                .groups
                .iter()
                .map(|(id, name)| (id.to_string(), name.clone()))
                .collect(),
        }
    }

    /// Clusters to choose from.
    pub(crate) fn cluster_choices(&self) -> Vec<Choice> {
        self.clusters
            .iter()
            .map(|(id, name)| Choice::new(id, name))
            .collect()
    }

    /// Groups to choose from.
    pub(crate) fn group_choices(&self) -> Vec<Choice> {
        self.groups
            .iter()
            .map(|(id, name)| Choice::new(id, name))
            .collect()
    }

    /// Clients to choose from: the first of them.
    pub(crate) fn client_choices(&self) -> Vec<Choice> {
        self.clients
            .iter()
            .map(|(id, name)| Choice::new(id, name))
            .collect()
    }

    /// Edges to choose from.
    pub(crate) fn edge_choices(&self) -> Vec<Choice> {
        self.edges
            .iter()
            .filter(|edge| !edge.retired)
            .map(|edge| Choice::new(edge.id, &edge.name))
            .collect()
    }

    /// Edges and clusters to choose from.
    pub(crate) fn target_choices(&self) -> Vec<Choice> {
        let edges = self.edges.iter().filter(|edge| !edge.retired);
        let edges = edges.map(|edge| Choice::new(edge.id, format!("Edge {}", edge.name)));
        let clusters = self
            .clusters
            .iter()
            .map(|(id, name)| Choice::new(id, format!("Cluster {name}, any edge")));
        edges.chain(clusters).collect()
    }
}

fn named<K: PartialEq + ToString>(names: &[(K, String)], id: K) -> String {
    names
        .iter()
        .find(|(known, _)| *known == id)
        .map_or_else(|| id.to_string(), |(_, name)| name.clone())
}

/// Where clients belong, out of a form: the id of an edge or of a cluster.
pub(crate) fn target_in(text: &str) -> Option<Target> {
    if let Ok(edge) = text.parse() {
        return Some(Target::Edge { edge });
    }
    text.parse().ok().map(|cluster| Target::Cluster { cluster })
}

/// A target as it stands in a form.
pub(crate) fn target_text(target: &Target) -> String {
    match target {
        Target::Edge { edge } => edge.to_string(),
        Target::Cluster { cluster } => cluster.to_string(),
    }
}
