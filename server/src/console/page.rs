//! The frame around every page: who is signed in, where we are, what just happened.
//!
//! In: what the request says of its reader. Out: the values that `templates/layout.html` draws.
//! Invariant: a page is rendered whole or not at all. It does not know what any section shows.

use super::assets;
use super::parts::{Icon, Mark, icon};
use super::theme::Theme;

/// The style sheets, in the order in which they are read.
pub(crate) const SHEETS: &[&str] = &[
    "css/tokens.css",
    "css/base.css",
    "css/shell.css",
    "css/parts.css",
    "css/tables.css",
    "css/forms.css",
];

/// One place of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// What is happening now.
    Overview,
    /// Sessions, live and refused.
    Sessions,
    /// Streams on the edges.
    Streams,
    /// Cache figures.
    Cache,
    /// Registered clients and their groups.
    Clients,
    /// Which client belongs where.
    Assignments,
    /// Who may come in.
    Rules,
    /// Keys of others that sign play tokens.
    KeySets,
    /// Applications that are asked.
    Webhooks,
    /// The edges.
    Edges,
    /// Edges that stand in for one another.
    Clusters,
    /// Where applications run.
    Origins,
    /// What is asked for and where it goes.
    Routes,
    /// Who changed what.
    Audit,
    /// People who sign in.
    Users,
    /// Secrets of automation.
    Tokens,
    /// A page in no section: signing in, one's own logins.
    Elsewhere,
}

/// A line of the navigation.
#[derive(Debug)]
pub(crate) struct Item {
    /// Which section it leads to.
    pub(crate) section: Section,
    /// Its name.
    pub(crate) name: &'static str,
    /// Its address.
    pub(crate) href: &'static str,
    drawing: &'static str,
}

impl Item {
    const fn new(
        section: Section,
        name: &'static str,
        href: &'static str,
        drawing: &'static str,
    ) -> Self {
        Self {
            section,
            name,
            href,
            drawing,
        }
    }

    /// Its drawing.
    pub(crate) fn icon(&self) -> Icon {
        icon(self.drawing)
    }
}

/// Sections that answer the same question.
#[derive(Debug)]
pub(crate) struct Group {
    /// The question.
    pub(crate) name: &'static str,
    /// Its sections.
    pub(crate) items: &'static [Item],
}

const NAVIGATION: &[Group] = &[
    Group {
        name: "Now",
        items: &[
            Item::new(Section::Overview, "Overview", "/", "overview"),
            Item::new(Section::Sessions, "Sessions", "/sessions", "sessions"),
            Item::new(Section::Streams, "Streams", "/streams", "streams"),
            Item::new(Section::Cache, "Cache", "/cache", "cache"),
        ],
    },
    Group {
        name: "Who may come in",
        items: &[
            Item::new(Section::Clients, "Clients", "/clients", "clients"),
            Item::new(
                Section::Assignments,
                "Assignments",
                "/assignments",
                "assignments",
            ),
            Item::new(Section::Rules, "Rules", "/rules", "rules"),
            Item::new(Section::KeySets, "Key sets", "/key-sets", "tokens"),
            Item::new(Section::Webhooks, "Webhooks", "/webhooks", "webhooks"),
        ],
    },
    Group {
        name: "Where it goes",
        items: &[
            Item::new(Section::Edges, "Edges", "/edges", "edges"),
            Item::new(Section::Clusters, "Clusters", "/clusters", "clusters"),
            Item::new(Section::Routes, "Routes", "/routes", "routes"),
            Item::new(Section::Origins, "Origins", "/origins", "origins"),
        ],
    },
    Group {
        name: "This server",
        items: &[
            Item::new(Section::Audit, "Audit", "/audit", "audit"),
            Item::new(Section::Users, "Users", "/users", "users"),
            Item::new(Section::Tokens, "API tokens", "/tokens", "tokens"),
        ],
    },
];

/// The four sections that a phone shows without opening the whole list.
const TABS: &[Item] = &[
    Item::new(Section::Overview, "Overview", "/", "overview"),
    Item::new(Section::Sessions, "Sessions", "/sessions", "sessions"),
    Item::new(Section::Edges, "Edges", "/edges", "edges"),
    Item::new(Section::Rules, "Rules", "/rules", "rules"),
];

/// One line of the drawing beside the sign-in form.
#[derive(Debug)]
pub(crate) struct WaterLine {
    /// Its path.
    pub(crate) path: String,
    /// Its strength.
    pub(crate) opacity: String,
}

/// What the layout draws around a page.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// Name of the user who is signed in; empty before signing in.
    pub(crate) user: String,
    /// The user's role.
    pub(crate) role: &'static str,
    /// The theme this browser keeps.
    pub(crate) theme: Theme,
    /// Path and query of this page.
    pub(crate) path: String,
    /// The section it belongs to.
    pub(crate) section: Section,
    /// What the last step did.
    pub(crate) note: Option<String>,
}

impl Frame {
    /// The address of a static file.
    pub(crate) fn asset(&self, path: &str) -> String {
        assets::address(path)
    }

    /// The addresses of the style sheets.
    pub(crate) fn sheets(&self) -> Vec<String> {
        SHEETS.iter().map(|path| assets::address(path)).collect()
    }

    /// The mark.
    pub(crate) fn mark(&self) -> Mark {
        Mark
    }

    /// All sections.
    pub(crate) fn navigation(&self) -> &'static [Group] {
        NAVIGATION
    }

    /// The sections of the bar on a phone.
    pub(crate) fn tabs(&self) -> &'static [Item] {
        TABS
    }

    /// Water stepping down over three sills.
    pub(crate) fn water(&self) -> Vec<WaterLine> {
        (0..26)
            .map(|line| {
                let top = line * 26 - 60;
                let lean = line * 7;
                let (first, second, third) = (90 + lean, 250 + lean, 410 + lean);
                WaterLine {
                    path: format!(
                        "M-20 {top}H{first}c70 0 50 90 120 90H{}c70 0 50 90 120 90H{}c70 0 50 90 120 90H900",
                        second + 60,
                        third + 160
                    ),
                    opacity: format!("0.{:02}", 85 - line * 3),
                }
            })
            .collect()
    }
}
