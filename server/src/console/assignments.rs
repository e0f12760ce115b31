//! Assignments: which client belongs where; “Move to…” for chosen clients; assigning groups, networks, everyone.
//!
//! Invariant: a client is shown with the assignment that governs it, and with what it is about.

mod moving;

use askama::Template;
use axum::extract::{Path, Query};
use contract::assignment::{Elsewhere, Subject, Target};
use contract::id::{AssignmentId, ClientId};
use http::StatusCode;

use super::clients::{governing, window_of};
use super::confirm::Confirm;
use super::failure::id_in;
use super::form::{Choice, Form};
use super::names::{Names, target_in, target_text};
use super::page::{Frame, Section};
use super::parts::{State, Tone, plural};
use super::visitor::{Answer, Visitor, escaped, go, show};
use crate::app::assignments::{self, Assignment};
use crate::app::clients::{self, ClientSummary};
use crate::app::{Error, Permission, Window};

pub(crate) use moving::{ask_move, move_all};

struct ClientRow {
    id: ClientId,
    name: String,
    groups: String,
    target: Option<String>,
    elsewhere: Option<&'static str>,
    by: String,
    sessions: u64,
}

struct AssignmentRow {
    id: AssignmentId,
    who: String,
    target: String,
    elsewhere: &'static str,
    state: State,
}

#[derive(Template)]
#[template(path = "assignments/list.html")]
struct ListPage {
    frame: Frame,
    may_change: bool,
    clients: Vec<ClientRow>,
    assignments: Vec<AssignmentRow>,
    next: Option<String>,
}

/// Clients with where they belong, and all assignments.
pub(crate) async fn list(visitor: Visitor, Query(pairs): Query<Vec<(String, String)>>) -> Answer {
    let mut names = Names::read(&visitor).await?;
    let all = assignments::list(&visitor.app, &visitor.caller, &Window::whole())
        .await?
        .items;
    let listing = clients::list(&visitor.app, &visitor.caller, &window_of(pairs)).await?;
    let assigned = all
        .iter()
        .filter_map(|assignment| match assignment.subject {
            Subject::Client { client } => Some(client),
            Subject::Group { .. } | Subject::Network { .. } | Subject::Everyone => None,
        });
    names.add_clients(&visitor, assigned).await?;
    let mut rows = Vec::with_capacity(listing.items.len());
    for client in listing.items {
        rows.push(client_row(&visitor, &client, &names, &all).await?);
    }
    let page = ListPage {
        frame: visitor.frame(Section::Assignments),
        may_change: visitor.may(Permission::ChangeSettings),
        clients: rows,
        assignments: all
            .iter()
            .map(|assignment| assignment_row(assignment, &names))
            .collect(),
        next: listing
            .next
            .map(|after| format!("/assignments?after={}", escaped(&after))),
    };
    Ok(show(StatusCode::OK, &page))
}

async fn client_row(
    visitor: &Visitor,
    client: &ClientSummary,
    names: &Names,
    all: &[Assignment],
) -> Result<ClientRow, Error> {
    let subject = Subject::Client { client: client.id };
    let own = assignments::of_subject(&visitor.app, &visitor.caller, &subject).await?;
    let groups = &client.settings.groups;
    let by_group = || {
        groups
            .iter()
            .filter_map(|group| governing(all, &Subject::Group { group: *group }))
    };
    let (assignment, by) = if let Some(own) = governing(&own, &subject) {
        (Some(own), "its own".to_owned())
    } else if let Some(first) =
        by_group().min_by_key(|assignment| (assignment.order, assignment.id))
    {
        (Some(first), names.subject(&first.subject))
    } else if let Some(everyone) = governing(all, &Subject::Everyone) {
        (Some(everyone), "everyone, or its network".to_owned())
    } else {
        (None, "none".to_owned())
    };
    Ok(ClientRow {
        id: client.id,
        name: client.settings.name.to_string(),
        groups: groups
            .iter()
            .map(|group| names.group(*group))
            .collect::<Vec<_>>()
            .join(", "),
        target: assignment.map(|assignment| names.target(&assignment.target)),
        elsewhere: assignment.map(|assignment| elsewhere_words(assignment.elsewhere)),
        by,
        sessions: assignments::impact(&visitor.app, &visitor.caller, &[subject])?.sessions,
    })
}

fn assignment_row(assignment: &Assignment, names: &Names) -> AssignmentRow {
    AssignmentRow {
        id: assignment.id,
        who: names.subject(&assignment.subject),
        target: names.target(&assignment.target),
        elsewhere: elsewhere_words(assignment.elsewhere),
        state: if assignment.enabled {
            State::new(Tone::Good, "In force")
        } else {
            State::new(Tone::Off, "Switched off")
        },
    }
}

fn elsewhere_words(elsewhere: Elsewhere) -> &'static str {
    match elsewhere {
        Elsewhere::Refuse => "refused",
        Elsewhere::Relay => "relayed",
        Elsewhere::Redirect => "redirected",
    }
}

fn elsewheres() -> Vec<Choice> {
    Elsewhere::ALL
        .into_iter()
        .map(|elsewhere| {
            let (label, help) = match elsewhere {
                Elsewhere::Relay => (
                    "Relayed",
                    "The edge carries them to where they belong. Works with every client.",
                ),
                Elsewhere::Refuse => ("Refused", "They must come to the right edge."),
                Elsewhere::Redirect => (
                    "Redirected",
                    "Told to go there; clients not known to follow are relayed.",
                ),
            };
            Choice::new(elsewhere.as_str(), label).meaning(help)
        })
        .collect()
}

fn elsewhere_in(form: &mut Form) -> Option<Elsewhere> {
    let found = Elsewhere::ALL
        .into_iter()
        .find(|elsewhere| elsewhere.as_str() == form.value("elsewhere"));
    if found.is_none() {
        form.blame("elsewhere", "choose what happens at any other edge");
    }
    found
}

fn target_of(form: &mut Form) -> Option<Target> {
    let found = target_in(form.value("target"));
    if found.is_none() {
        form.blame("target", "choose an edge or a cluster");
    }
    found
}

#[derive(Template)]
#[template(path = "assignments/edit.html")]
struct EditPage {
    frame: Frame,
    title: String,
    action: String,
    subjects: Vec<Choice>,
    targets: Vec<Choice>,
    elsewheres: Vec<Choice>,
    form: Form,
}

impl EditPage {
    async fn respond(visitor: &Visitor, known: Option<&Assignment>, form: Form) -> Answer {
        let mut names = Names::read(visitor).await?;
        let mut subjects = vec![
            Choice::new("network", "A network"),
            Choice::new("everyone", "Everyone"),
        ];
        subjects.extend(
            names
                .group_choices()
                .into_iter()
                .map(|group| Choice::new(group.value, format!("Group {}", group.label))),
        );
        if let Some(Subject::Client { client }) = known.map(|assignment| assignment.subject) {
            names.add_clients(visitor, [client]).await?;
            subjects.push(Choice::new(client, names.client(client)));
        }
        let page = Self {
            frame: visitor.frame(Section::Assignments),
            title: known.map_or_else(
                || "Assign a group, a network or everyone".to_owned(),
                |assignment| {
                    format!(
                        "Change where {} belongs",
                        names.subject(&assignment.subject)
                    )
                },
            ),
            action: known.map_or_else(
                || "/assignments/new".to_owned(),
                |assignment| format!("/assignments/{}", assignment.id),
            ),
            subjects,
            targets: names.target_choices(),
            elsewheres: elsewheres(),
            form,
        };
        Ok(show(page.form.status(), &page))
    }
}

fn filled(assignment: &Assignment) -> Form {
    let (subject, network) = match assignment.subject {
        Subject::Client { client } => (client.to_string(), String::new()),
        Subject::Group { group } => (group.to_string(), String::new()),
        Subject::Network { network } => ("network".to_owned(), network.to_string()),
        Subject::Everyone => ("everyone".to_owned(), String::new()),
    };
    let form = Form::default()
        .with("subject", subject)
        .with("network", network)
        .with("target", target_text(&assignment.target))
        .with("elsewhere", assignment.elsewhere.as_str())
        .with("order", assignment.order);
    if assignment.enabled {
        form.with("enabled", "on")
    } else {
        form
    }
}

fn read(form: &mut Form) -> Option<Assignment> {
    let subject = match form.value("subject").to_owned().as_str() {
        "everyone" => Some(Subject::Everyone),
        "network" => form
            .take("network")
            .map(|network| Subject::Network { network }),
        id if id.starts_with("group_") => {
            form.take("subject").map(|group| Subject::Group { group })
        }
        _ => form
            .take("subject")
            .map(|client| Subject::Client { client }),
    };
    let (target, elsewhere) = (target_of(form), elsewhere_in(form));
    let order = form.take_number("order", "a whole number");
    form.is_sound().then_some(())?;
    Some(Assignment {
        elsewhere: elsewhere?,
        order: order?,
        enabled: form.has("enabled", "on"),
        ..assignments::blank(subject?, target?)
    })
}

/// The form of a new assignment.
pub(crate) async fn ask_create(visitor: Visitor) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let form = Form::default()
        .with("elsewhere", Elsewhere::Relay.as_str())
        .with("order", 0)
        .with("enabled", "on");
    EditPage::respond(&visitor, None, form).await
}

/// Assigns a group, a network or everyone.
pub(crate) async fn create(visitor: Visitor, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    if let Some(wanted) = read(&mut form) {
        let made = assignments::assign(&visitor.app, &visitor.caller, wanted).await;
        if form.answer(made)?.is_some() {
            return Ok(go(
                "/assignments",
                "The assignment is in force on every edge within a second.",
            ));
        }
    }
    EditPage::respond(&visitor, None, form).await
}

/// One assignment's form.
pub(crate) async fn show_one(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let assignment = assignments::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let form = filled(&assignment);
    EditPage::respond(&visitor, Some(&assignment), form).await
}

/// Changes an assignment.
pub(crate) async fn update(visitor: Visitor, Path(id): Path<String>, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let present = assignments::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    if let Some(wanted) = read(&mut form) {
        let changed =
            assignments::update(&visitor.app, &visitor.caller, present.id, |_| Ok(wanted)).await;
        if form.answer(changed)?.is_some() {
            return Ok(go(
                "/assignments",
                "The assignment was changed. Live sessions are judged again within a second.",
            ));
        }
    }
    EditPage::respond(&visitor, Some(&present), form).await
}

/// Asks before ending an assignment.
pub(crate) async fn ask_delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let assignment = assignments::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let mut names = Names::read(&visitor).await?;
    if let Subject::Client { client } = assignment.subject {
        names.add_clients(&visitor, [client]).await?;
    }
    let sessions =
        assignments::impact(&visitor.app, &visitor.caller, &[assignment.subject])?.sessions;
    Ok(Confirm {
        frame: visitor.frame(Section::Assignments),
        title: format!(
            "End the assignment of {}?",
            names.subject(&assignment.subject)
        ),
        lines: vec![
            format!(
                "It belonged to {}. The next most particular assignment governs instead, or none.",
                names.target(&assignment.target)
            ),
            format!(
                "This touches {}.",
                plural(sessions, "live session", "live sessions")
            ),
        ],
        button: "End the assignment".to_owned(),
        gentle: false,
        action: format!("/assignments/{}/delete", assignment.id),
        hidden: Vec::new(),
        back: "/assignments".to_owned(),
        back_name: "Assignments",
        conflict: None,
    }
    .respond())
}

/// Ends an assignment.
pub(crate) async fn delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    assignments::unassign(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    Ok(go("/assignments", "The assignment was ended."))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::fixture::{Server, session};

    #[tokio::test]
    async fn moving_says_how_many_live_sessions_it_touches_before_it_is_done() {
        let server = Server::start().await;
        let cluster = server.cluster("hall").await;
        let (north, south) = (
            server.agent(cluster, "north").await,
            server.agent(cluster, "south").await,
        );
        let (one, other) = (server.client("one").await, server.client("other").await);
        north
            .report(&server, |report| {
                report.sessions = vec![
                    session(Some(one), "a"),
                    session(Some(one), "b"),
                    session(Some(other), "a"),
                ]
            })
            .await;

        let asked = server
            .administrator()
            .get(&format!("/assignments/move?client={one}"))
            .await;
        assert!(
            asked.text.contains("Edge south") && asked.text.contains("Cluster hall"),
            "{}",
            asked.text
        );
        let check = format!(
            "/assignments/move?client={one}&target={}&elsewhere=refuse&check=1",
            south.edge
        );
        let told = server.administrator().get(&check).await;
        for said in ["Move 1 client to edge south?", "2 live sessions", "refused"] {
            assert!(told.text.contains(said), "lacks {said}: {}", told.text);
        }
        let before = server.administrator().get("/api/v1/assignments").await;
        assert_eq!(before.body["items"].as_array().unwrap().len(), 0);

        let (one, other, south) = (one.to_string(), other.to_string(), south.edge.to_string());
        let fields = [
            ("client", one.as_str()),
            ("client", other.as_str()),
            ("target", &south),
            ("elsewhere", "redirect"),
        ];
        let done = server
            .administrator()
            .submit("/assignments/move", &fields)
            .await;
        assert_eq!(done.status, 303);
        assert!(
            done.header("set-cookie")
                .contains("2%20clients%20belong%20to%20edge%20south"),
            "{}",
            done.header("set-cookie")
        );
        let list = server.auditor().get("/assignments").await;
        assert!(
            list.text.matches("edge south").count() >= 4 && list.text.contains("redirected"),
            "{}",
            list.text
        );
    }

    #[tokio::test]
    async fn what_is_missing_is_said_at_its_field() {
        let server = Server::start().await;
        let one = server.client("one").await;
        let answer = server
            .administrator()
            .get(&format!(
                "/assignments/move?client={one}&check=1&elsewhere=relay"
            ))
            .await;
        assert_eq!(answer.status, 422);
        assert!(answer.text.contains("target-fault"));
        let fields = [
            ("subject", "network"),
            ("network", "10.0.0.0/99"),
            ("target", ""),
            ("elsewhere", "relay"),
            ("order", "first"),
        ];
        let answer = server
            .administrator()
            .submit("/assignments/new", &fields)
            .await;
        assert_eq!(answer.status, 422);
        for field in [
            "network-fault",
            "target-fault",
            "order-fault",
            "10.0.0.0/99",
        ] {
            assert!(answer.text.contains(field), "{field}");
        }
        assert!(
            server
                .administrator()
                .get("/assignments/move")
                .await
                .text
                .contains("No client is chosen")
        );
    }
}
