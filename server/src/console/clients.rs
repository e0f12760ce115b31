//! Registered clients: list, add, change, make a stream password, delete.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use contract::assignment::Subject;
use contract::id::ClientId;
use contract::limit::Holder;
use http::StatusCode;

use super::confirm::Confirm;
use super::failure::id_in;
use super::form::{Choice, Form};
use super::limits::{self, LimitField};
use super::names::Names;
use super::page::{Frame, Section};
use super::secret::{Line, SecretPage};
use super::visitor::{Answer, Visitor, escaped, go, show};
use crate::app::assignments::{self, Assignment};
use crate::app::clients::{self, ClientSettings, ClientSummary};
use crate::app::{Error, Permission, Window};

pub(crate) struct ClientRow {
    id: ClientId,
    name: String,
    enabled: bool,
    known_by: String,
    groups: Vec<String>,
    networks: Vec<String>,
    target: Option<String>,
    has_password: bool,
    sessions: u64,
}

fn row(
    visitor: &Visitor,
    client: ClientSummary,
    names: &Names,
    assigned: &[Assignment],
) -> Result<ClientRow, Error> {
    let ClientSummary {
        id,
        settings,
        has_stream_password,
    } = client;
    let subject = Subject::Client { client: id };
    let known_by = match (has_stream_password, settings.networks.len()) {
        (false, 0) => "nothing yet".to_owned(),
        (true, 0) => "stream password".to_owned(),
        (true, _) => "stream password, network".to_owned(),
        (false, _) => "network".to_owned(),
    };
    Ok(ClientRow {
        id,
        name: settings.name.to_string(),
        enabled: settings.enabled,
        known_by,
        groups: settings
            .groups
            .iter()
            .map(|group| names.group(*group))
            .collect(),
        networks: settings.networks.iter().map(ToString::to_string).collect(),
        target: governing(assigned, &subject).map(|assignment| names.target(&assignment.target)),
        has_password: has_stream_password,
        sessions: assignments::impact(&visitor.app, &visitor.caller, &[subject])?.sessions,
    })
}

/// The assignment that governs a subject, of those about it.
pub(crate) fn governing<'a>(
    assigned: &'a [Assignment],
    subject: &Subject,
) -> Option<&'a Assignment> {
    let of_subject = assigned
        .iter()
        .filter(|assignment| assignment.enabled && assignment.subject == *subject);
    of_subject.min_by_key(|assignment| (assignment.order, assignment.id))
}

#[derive(Template)]
#[template(path = "clients/list.html")]
struct ListPage {
    frame: Frame,
    may_change: bool,
    clients: Vec<ClientRow>,
    next: Option<String>,
}

/// The part of a list that an address asks for.
pub(crate) fn window_of(pairs: Vec<(String, String)>) -> Window {
    let form: Form = pairs.into_iter().collect();
    let after = form.value("after");
    Window {
        after: (!after.is_empty()).then(|| after.to_owned()),
        limit: None,
    }
}

/// Clients by name.
pub(crate) async fn list(visitor: Visitor, Query(pairs): Query<Vec<(String, String)>>) -> Answer {
    let listing = clients::list(&visitor.app, &visitor.caller, &window_of(pairs)).await?;
    let names = Names::read(&visitor).await?;
    let mut rows = Vec::with_capacity(listing.items.len());
    for client in listing.items {
        let subject = Subject::Client { client: client.id };
        let assigned = assignments::of_subject(&visitor.app, &visitor.caller, &subject).await?;
        rows.push(row(&visitor, client, &names, &assigned)?);
    }
    let page = ListPage {
        frame: visitor.frame(Section::Clients),
        may_change: visitor.may(Permission::ChangeSettings),
        clients: rows,
        next: listing
            .next
            .map(|after| format!("/clients?after={}", escaped(&after))),
    };
    Ok(show(StatusCode::OK, &page))
}

#[derive(Template)]
#[template(path = "clients/show.html")]
struct ShowPage {
    frame: Frame,
    may_change: bool,
    may_make_secrets: bool,
    client: ClientRow,
}

/// One client.
pub(crate) async fn show_one(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let client = clients::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let names = Names::read(&visitor).await?;
    let subject = Subject::Client { client: client.id };
    let assigned = assignments::of_subject(&visitor.app, &visitor.caller, &subject).await?;
    let page = ShowPage {
        frame: visitor.frame(Section::Clients),
        may_change: visitor.may(Permission::ChangeSettings),
        may_make_secrets: visitor.may(Permission::MakeSecrets),
        client: row(&visitor, client, &names, &assigned)?,
    };
    Ok(show(StatusCode::OK, &page))
}

#[derive(Template)]
#[template(path = "clients/edit.html")]
struct EditPage {
    frame: Frame,
    title: String,
    action: String,
    is_new: bool,
    groups: Vec<Choice>,
    limits: Vec<LimitField>,
    form: Form,
}

impl EditPage {
    async fn respond(visitor: &Visitor, known: Option<&ClientSummary>, form: Form) -> Answer {
        let names = Names::read(visitor).await?;
        let used = match known {
            Some(client) => {
                let holder = Holder::Client { client: client.id };
                crate::app::limits::used(&visitor.app, &visitor.caller, &holder)?
            }
            None => Default::default(),
        };
        let page = Self {
            limits: limits::fields(&used),
            frame: visitor.frame(Section::Clients),
            title: known.map_or_else(
                || "Add a client".to_owned(),
                |client| client.settings.name.to_string(),
            ),
            action: known.map_or_else(
                || "/clients/new".to_owned(),
                |client| format!("/clients/{}/edit", client.id),
            ),
            is_new: known.is_none(),
            groups: names.group_choices(),
            form,
        };
        Ok(show(page.form.status(), &page))
    }
}

/// The settings that stand in a form; what is wrong is marked at its field.
fn read(form: &mut Form) -> Option<ClientSettings> {
    let name = form.take("name");
    let networks = form.take_list("networks");
    let groups = form.take_list("groups");
    let enabled = form.has("enabled", "on");
    let limits = limits::read(form);
    form.is_sound().then_some(())?;
    Some(ClientSettings {
        enabled,
        groups,
        networks,
        limits,
        ..ClientSettings::blank(name?)
    })
}

/// The empty form.
pub(crate) async fn ask_create(visitor: Visitor) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let form = Form::default().with("enabled", "on").with("password", "on");
    EditPage::respond(&visitor, None, form).await
}

/// Adds a client, with a stream password if one is wanted.
pub(crate) async fn create(visitor: Visitor, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    if let Some(settings) = read(&mut form) {
        let made = clients::create(&visitor.app, &visitor.caller, settings).await;
        if let Some(client) = form.answer(made)? {
            if form.has("password", "on") {
                return password_page(&visitor, client.id).await;
            }
            return Ok(go(
                &format!("/clients/{}", client.id),
                format!("The client {} was added.", client.settings.name),
            ));
        }
    }
    EditPage::respond(&visitor, None, form).await
}

/// One client's form.
pub(crate) async fn ask_update(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let client = clients::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let mut form = Form::default()
        .with("name", &client.settings.name)
        .with_all("networks", &client.settings.networks)
        .with_all("groups", &client.settings.groups);
    form = limits::filled(form, &client.settings.limits);
    if client.settings.enabled {
        form = form.with("enabled", "on");
    }
    EditPage::respond(&visitor, Some(&client), form).await
}

/// Changes a client.
pub(crate) async fn update(visitor: Visitor, Path(id): Path<String>, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let present = clients::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    if let Some(settings) = read(&mut form) {
        let changed =
            clients::update(&visitor.app, &visitor.caller, present.id, |_| Ok(settings)).await;
        if let Some(client) = form.answer(changed)? {
            return Ok(go(
                &format!("/clients/{}", client.id),
                format!("The client {} was changed.", client.settings.name),
            ));
        }
    }
    EditPage::respond(&visitor, Some(&present), form).await
}

/// Asks before a stream password is replaced.
pub(crate) async fn ask_password(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::MakeSecrets)?;
    let client = clients::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    Ok(Confirm {
        frame: visitor.frame(Section::Clients),
        title: format!("Make another stream password for {}?", client.settings.name),
        lines: vec!["The password it has now opens nothing from then on. Sessions that go on are judged again.".to_owned()],
        button: "Make another password".to_owned(),
        gentle: false,
        action: format!("/clients/{}/stream-password", client.id),
        hidden: Vec::new(),
        back: format!("/clients/{}", client.id),
        back_name: "Back to the client",
        conflict: None,
    }
    .respond())
}

/// Makes a stream password and shows it once.
pub(crate) async fn make_password(visitor: Visitor, Path(id): Path<String>) -> Answer {
    password_page(&visitor, id_in(&id)?).await
}

async fn password_page(visitor: &Visitor, id: ClientId) -> Answer {
    let made = clients::make_stream_password(&visitor.app, &visitor.caller, id).await?;
    let (name, password) = (made.name.as_str(), made.password.expose());
    let url = format!(
        "rtmp://{}:{}@EDGE/live/STREAM",
        escaped(name),
        escaped(password)
    );
    Ok(shown(visitor, id, name, password, url))
}

fn shown(visitor: &Visitor, id: ClientId, name: &str, password: &str, url: String) -> Response {
    SecretPage {
        frame: visitor.frame(Section::Clients),
        title: format!("Stream password of {name}"),
        warning: "It cannot be shown again; another can be made at any time.",
        lines: vec![
            Line { label: "Stream password", text: password.to_owned(), help: format!("The user name is {name}.") },
            Line { label: "In an address", text: url, help: "Put the edge and the stream in. OBS and others have fields for name and password instead.".to_owned() },
        ],
        back: format!("/clients/{id}"),
        back_name: "Back to the client",
        done: "I have copied it",
    }
    .respond()
}

async fn question(visitor: &Visitor, id: ClientId, conflict: Option<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let client = clients::show(&visitor.app, &visitor.caller, id).await?;
    Ok(Confirm {
        frame: visitor.frame(Section::Clients),
        title: format!("Delete the client {}?", client.settings.name),
        lines: vec!["Its assignments go with it. It is unknown from then on, and its live sessions are judged again within a second.".to_owned()],
        button: "Delete the client".to_owned(),
        gentle: false,
        action: format!("/clients/{id}/delete"),
        hidden: Vec::new(),
        back: format!("/clients/{id}"),
        back_name: "Back to the client",
        conflict,
    }
    .respond())
}

/// Asks before deleting.
pub(crate) async fn ask_delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    question(&visitor, id_in(&id)?, None).await
}

/// Deletes a client that no rule names.
pub(crate) async fn delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let id = id_in(&id)?;
    let mut form = Form::default();
    let deleted = clients::delete(&visitor.app, &visitor.caller, id).await;
    if form.answer(deleted)?.is_some() {
        return Ok(go("/clients", "The client was deleted."));
    }
    question(&visitor, id, form.conflict().map(str::to_owned)).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::fixture::Server;

    #[tokio::test]
    async fn a_stream_password_is_shown_once() {
        let server = Server::start().await;
        let fields = [
            ("name", "studio a"),
            ("networks", "10.1.0.0/16"),
            ("enabled", "on"),
            ("password", "on"),
        ];
        let made = server.administrator().submit("/clients/new", &fields).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let password = made
            .text
            .split("studio%20a:")
            .nth(1)
            .and_then(|rest| rest.split('@').next())
            .unwrap();
        assert!(password.len() >= 16, "{password}");
        let clients = server.administrator().get("/api/v1/clients").await;
        let id = clients.body["items"][0]["id"].as_str().unwrap().to_owned();
        let page = server.administrator().get(&format!("/clients/{id}")).await;
        assert!(
            page.text.contains("It has one.")
                && page.text.contains("10.1.0.0/16")
                && !page.text.contains(password)
        );
        let audit = server.administrator().get("/api/v1/audit").await;
        assert!(!audit.text.contains(password));
        let another = server
            .administrator()
            .submit(&format!("/clients/{id}/stream-password"), &[])
            .await;
        assert!(another.status == 201 && !another.text.contains(password));
    }

    #[tokio::test]
    async fn faults_and_a_taken_name_keep_the_form() {
        let server = Server::start().await;
        server.client("studio").await;
        let taken = server
            .administrator()
            .submit(
                "/clients/new",
                &[("name", "studio"), ("networks", "10.0.0.0/8")],
            )
            .await;
        assert_eq!(taken.status, 409);
        assert!(taken.text.contains("10.0.0.0/8"));
        let wrong = server
            .administrator()
            .submit(
                "/clients/new",
                &[("name", "a/b"), ("networks", "10.0.0.0/8")],
            )
            .await;
        assert!(
            wrong.status == 422 && wrong.text.contains("name-fault"),
            "{}",
            wrong.text
        );
        let wrong = server
            .administrator()
            .submit(
                "/clients/new",
                &[("name", "x"), ("networks", "10.0.0.0/8\nnonsense")],
            )
            .await;
        assert!(
            wrong.status == 422
                && wrong.text.contains("networks-fault")
                && wrong.text.contains("10.0.0.0/8\nnonsense"),
            "{}",
            wrong.text
        );
    }
}
