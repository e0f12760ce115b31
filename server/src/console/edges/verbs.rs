//! What can be done with an edge: let one join, change, drain, take back, retire, delete.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use contract::address::HostPort;
use contract::id::EdgeId;
use contract::report::Listeners;

use crate::app::edges::{self, EdgeSettings};
use crate::app::join_tokens::{self, NewJoinToken};
use crate::app::{Error, Permission};
use crate::console::confirm::Confirm;
use crate::console::failure::id_in;
use crate::console::form::{Choice, Form};
use crate::console::limits::{self, LimitField};
use crate::console::names::Names;
use crate::console::page::{Frame, Section};
use crate::console::parts::plural;
use crate::console::secret::{Line, SecretPage};
use crate::console::visitor::{Answer, Visitor, go, show};

const LIVES: [(&str, &str); 4] = [
    ("900", "15 minutes"),
    ("3600", "One hour"),
    ("86400", "One day"),
    ("604800", "7 days"),
];

#[derive(Template)]
#[template(path = "edges/join.html")]
struct JoinPage {
    frame: Frame,
    clusters: Vec<Choice>,
    lives: Vec<Choice>,
    form: Form,
}

impl JoinPage {
    async fn respond(visitor: &Visitor, form: Form) -> Answer {
        let clusters = Names::read(visitor).await?.cluster_choices();
        let lives = LIVES
            .into_iter()
            .map(|(value, label)| Choice::new(value, label))
            .collect();
        let page = Self {
            frame: visitor.frame(Section::Edges),
            clusters,
            lives,
            form,
        };
        Ok(show(page.form.status(), &page))
    }
}

/// Asks for what a join token is.
pub(crate) async fn ask_join(
    visitor: Visitor,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Answer {
    visitor.caller.needs(Permission::MakeSecrets)?;
    let form: Form = pairs
        .into_iter()
        .filter(|(name, _)| name == "cluster")
        .collect();
    JoinPage::respond(&visitor, form.with("life_s", "3600")).await
}

/// Makes a join token and shows it once, with the command that uses it.
pub(crate) async fn join(visitor: Visitor, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::MakeSecrets)?;
    let (cluster, name, life_s) = (
        form.take("cluster"),
        form.take_optional("name"),
        form.take_optional("life_s"),
    );
    if let (Some(cluster), true) = (cluster, form.is_sound()) {
        let made = join_tokens::create(
            &visitor.app,
            &visitor.caller,
            NewJoinToken {
                cluster,
                name,
                life_s,
            },
        )
        .await;
        if let Some(made) = form.answer(made)? {
            return Ok(shown_once(&visitor, made.secret.expose()));
        }
    }
    JoinPage::respond(&visitor, form).await
}

fn shown_once(visitor: &Visitor, token: &str) -> Response {
    SecretPage {
        frame: visitor.frame(Section::Edges),
        title: "Join token".to_owned(),
        warning: "It works once and cannot be shown again.",
        lines: vec![
            Line {
                label: "On the new edge, once",
                text: format!("weir edge join {token}"),
                help: format!(
                    "That machine must reach this server at {}.",
                    visitor.app.public_url()
                ),
            },
            Line {
                label: "Then, whenever it starts",
                text: "weir edge".to_owned(),
                help: "It appears in the list as soon as it reports.".to_owned(),
            },
        ],
        back: "/edges".to_owned(),
        back_name: "Edges",
        done: "To the edges",
    }
    .respond()
}

/// Withdraws a join token that was not used.
pub(crate) async fn withdraw(visitor: Visitor, Path(id): Path<String>) -> Answer {
    join_tokens::revoke(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    Ok(go("/edges", "The join token was withdrawn."))
}

#[derive(Template)]
#[template(path = "edges/edit.html")]
struct EditPage {
    frame: Frame,
    id: EdgeId,
    name: String,
    clusters: Vec<Choice>,
    limits: Vec<LimitField>,
    form: Form,
}

impl EditPage {
    async fn respond(visitor: &Visitor, id: EdgeId, name: String, form: Form) -> Answer {
        let clusters = Names::read(visitor).await?.cluster_choices();
        let page = Self {
            frame: visitor.frame(Section::Edges),
            id,
            name,
            clusters,
            limits: limits::fields(&Default::default()),
            form,
        };
        Ok(show(page.form.status(), &page))
    }
}

/// One edge's form.
pub(crate) async fn ask_update(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let edge = edges::show(&visitor.app, &visitor.caller, id_in(&id)?)
        .await?
        .edge;
    let text = |at: Option<HostPort>| at.map_or_else(String::new, |at| at.to_string());
    let form = Form::default()
        .with("name", &edge.name)
        .with("cluster", edge.cluster)
        .with("rtmp", text(edge.public.rtmp))
        .with("rtmps", text(edge.public.rtmps))
        .with("http", text(edge.public.http));
    let form = limits::filled(form, &edge.limits);
    EditPage::respond(&visitor, edge.id, edge.name.to_string(), form).await
}

/// Changes name, cluster, public addresses and limits.
pub(crate) async fn update(visitor: Visitor, Path(id): Path<String>, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let edge = edges::show(&visitor.app, &visitor.caller, id_in(&id)?)
        .await?
        .edge;
    let public = Listeners {
        rtmp: form.take_optional("rtmp"),
        rtmps: form.take_optional("rtmps"),
        http: form.take_optional("http"),
    };
    let limits = limits::read(&mut form);
    if let (Some(name), Some(cluster), true) =
        (form.take("name"), form.take("cluster"), form.is_sound())
    {
        let edit = |_| {
            Ok(EdgeSettings {
                name,
                cluster,
                public,
                limits,
            })
        };
        let changed = edges::update(&visitor.app, &visitor.caller, edge.id, edit).await;
        if form.answer(changed)?.is_some() {
            return Ok(go(&format!("/edges/{}", edge.id), "The edge was changed."));
        }
    }
    EditPage::respond(&visitor, edge.id, edge.name.to_string(), form).await
}

/// A question about one edge.
struct Question {
    permission: Permission,
    title: &'static str,
    lines: Vec<String>,
    button: &'static str,
    gentle: bool,
    verb: &'static str,
}

async fn question(
    visitor: &Visitor,
    id: EdgeId,
    question: Question,
    conflict: Option<String>,
) -> Answer {
    visitor.caller.needs(question.permission)?;
    let status = edges::show(&visitor.app, &visitor.caller, id).await?;
    let mut lines = question.lines;
    if let Some(report) = status.report {
        lines.push(format!(
            "It has {} now.",
            plural(report.sessions, "session", "sessions")
        ));
    }
    Ok(Confirm {
        frame: visitor.frame(Section::Edges),
        title: format!("{} {}?", question.title, status.edge.name),
        lines,
        button: question.button.to_owned(),
        gentle: question.gentle,
        action: format!("/edges/{id}/{}", question.verb),
        hidden: Vec::new(),
        back: format!("/edges/{id}"),
        back_name: "Back to the edge",
        conflict,
    }
    .respond())
}

/// Asks before draining.
pub(crate) async fn ask_drain(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let drain = Question {
        permission: Permission::DrainEdges,
        title: "Drain",
        lines: vec!["It takes no new sessions; present ones go on until they end. It can be taken back at any time.".to_owned()],
        button: "Drain the edge",
        gentle: true,
        verb: "drain",
    };
    question(&visitor, id_in(&id)?, drain, None).await
}

/// Lets an edge take no new sessions.
pub(crate) async fn drain(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let status = edges::drain(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    Ok(go(
        &format!("/edges/{}", status.edge.id),
        "The edge is draining: it takes no new sessions.",
    ))
}

/// Lets a drained edge take new sessions again.
pub(crate) async fn undrain(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let status = edges::undrain(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    Ok(go(
        &format!("/edges/{}", status.edge.id),
        "The edge takes new sessions again.",
    ))
}

fn retire_question() -> Question {
    Question {
        permission: Permission::ChangeSettings,
        title: "Retire",
        lines: vec!["Its credential opens nothing from now on. It stops serving, ends its sessions and erases what it keeps, and it cannot come back. A new edge must join with a new token.".to_owned()],
        button: "Retire the edge for good",
        gentle: false,
        verb: "retire",
    }
}

/// Asks before retiring.
pub(crate) async fn ask_retire(visitor: Visitor, Path(id): Path<String>) -> Answer {
    question(&visitor, id_in(&id)?, retire_question(), None).await
}

/// Takes an edge out for good.
pub(crate) async fn retire(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let id = id_in(&id)?;
    let mut form = Form::default();
    let retired = edges::retire(&visitor.app, &visitor.caller, id).await;
    if form.answer(retired)?.is_some() {
        return Ok(go(&format!("/edges/{id}"), "The edge was retired."));
    }
    question(
        &visitor,
        id,
        retire_question(),
        form.conflict().map(str::to_owned),
    )
    .await
}

fn delete_question() -> Question {
    Question {
        permission: Permission::ChangeSettings,
        title: "Delete",
        lines: vec!["It goes from the list. Its ended sessions stay in the statistics.".to_owned()],
        button: "Delete the edge",
        gentle: false,
        verb: "delete",
    }
}

/// Asks before a retired edge is removed from the list.
pub(crate) async fn ask_delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    question(&visitor, id_in(&id)?, delete_question(), None).await
}

/// Removes a retired edge from the list.
pub(crate) async fn delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let id = id_in(&id)?;
    let mut form = Form::default();
    let deleted: Result<(), Error> = edges::delete(&visitor.app, &visitor.caller, id).await;
    if form.answer(deleted)?.is_some() {
        return Ok(go("/edges", "The edge was deleted."));
    }
    question(
        &visitor,
        id,
        delete_question(),
        form.conflict().map(str::to_owned),
    )
    .await
}
