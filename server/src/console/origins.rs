//! Origins: list, add, change, delete.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use contract::address::OriginAddress;
use contract::id::OriginId;
use contract::name::Name;
use http::StatusCode;

use super::confirm::Confirm;
use super::failure::id_in;
use super::form::{Choice, Form};
use super::names::Names;
use super::page::{Frame, Section};
use super::parts::{State, Tone};
use super::visitor::{Answer, Visitor, go, show};
use crate::app::origins::{self, Origin, Reach};
use crate::app::{Permission, Window, routes};

struct Used {
    id: String,
    name: String,
}

struct OriginRow {
    id: OriginId,
    name: String,
    address: String,
    reach: &'static str,
    routes: Vec<Used>,
    health: State,
    health_words: String,
}

#[derive(Template)]
#[template(path = "origins/list.html")]
struct ListPage {
    frame: Frame,
    may_change: bool,
    origins: Vec<OriginRow>,
}

fn reach_words(reach: Reach) -> &'static str {
    match (reach.private, reach.loopback) {
        (false, false) => "public addresses",
        (true, false) => "public and private addresses",
        (false, true) => "public addresses and the edge’s own machine",
        (true, true) => "public and private addresses, the edge’s own machine",
    }
}

/// All origins, with the routes that lead to them and the edges that reach them.
pub(crate) async fn list(visitor: Visitor) -> Answer {
    let names = Names::read(&visitor).await?;
    let routes = routes::list(&visitor.app, &visitor.caller).await?.items;
    let found = origins::list(&visitor.app, &visitor.caller, &Window::whole())
        .await?
        .items;
    let row = |origin: Origin| {
        let (health, health_words) = health(&names, origin.id);
        OriginRow {
            id: origin.id,
            address: origin.address.to_string(),
            reach: reach_words(origin.reach),
            routes: routes
                .iter()
                .filter(|route| route.it.upstreams.contains(&origin.id))
                .map(|route| Used {
                    id: route.it.id.to_string(),
                    name: route.it.name.to_string(),
                })
                .collect(),
            health,
            health_words,
            name: origin.name.to_string(),
        }
    };
    let origins = found.into_iter().map(row).collect();
    let frame = visitor.frame(Section::Origins);
    Ok(show(
        StatusCode::OK,
        &ListPage {
            frame,
            may_change: visitor.may(Permission::ChangeSettings),
            origins,
        },
    ))
}

/// What the edges say of an origin.
fn health(names: &Names, origin: OriginId) -> (State, String) {
    let said: Vec<(&str, bool)> = names
        .edges
        .iter()
        .filter_map(|edge| Some((edge.name.as_str(), edge.origins.get(&origin)?.reachable)))
        .collect();
    let reached = said.iter().filter(|(_, reached)| *reached).count();
    let lacking: Vec<&str> = said
        .iter()
        .filter(|(_, reached)| !reached)
        .map(|(name, _)| *name)
        .collect();
    match (said.len(), lacking.len()) {
        (0, _) => (State::new(Tone::Wait, "Not tried yet"), String::new()),
        (_, 0) => (
            State::new(Tone::Good, "Reached"),
            format!("by {reached} of {reached}"),
        ),
        (all, lost) if lost == all => (
            State::new(Tone::Bad, "Not reached"),
            format!("by {}", lacking.join(", ")),
        ),
        _ => (
            State::new(Tone::Warn, "Not by all"),
            format!("not by {}", lacking.join(", ")),
        ),
    }
}

#[derive(Template)]
#[template(path = "origins/edit.html")]
struct EditPage {
    frame: Frame,
    title: String,
    action: String,
    is_new: bool,
    reaches: Vec<Choice>,
    form: Form,
}

impl EditPage {
    fn respond(visitor: &Visitor, known: Option<(OriginId, Name)>, form: Form) -> Response {
        let is_new = known.is_none();
        let (title, action) = match known {
            Some((id, name)) => (name.to_string(), format!("/origins/{id}")),
            None => ("Add an origin".to_owned(), "/origins/new".to_owned()),
        };
        let reaches = vec![
            Choice::new("private", "Private networks")
                .meaning("10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7"),
            Choice::new("loopback", "The edge’s own machine").meaning("127/8 and ::1"),
        ];
        let status = form.status();
        show(
            status,
            &Self {
                frame: visitor.frame(Section::Origins),
                title,
                action,
                is_new,
                reaches,
                form,
            },
        )
    }
}

fn read(form: &mut Form) -> Option<(Name, OriginAddress, Reach)> {
    let (name, address) = (form.take("name"), form.take("address"));
    let reach = Reach {
        private: form.has("reach", "private"),
        loopback: form.has("reach", "loopback"),
    };
    Some((name?, address?, reach))
}

/// The empty form.
pub(crate) async fn ask_create(visitor: Visitor) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    Ok(EditPage::respond(&visitor, None, Form::default()))
}

/// Adds an origin.
pub(crate) async fn create(visitor: Visitor, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    if let Some((name, address, reach)) = read(&mut form) {
        let wanted = Origin {
            reach,
            ..origins::blank(name, address)
        };
        let made = origins::create(&visitor.app, &visitor.caller, wanted).await;
        if let Some(origin) = form.answer(made)? {
            return Ok(go(
                "/origins",
                format!(
                    "The origin {} was added. Next: a route that leads to it.",
                    origin.name
                ),
            ));
        }
    }
    Ok(EditPage::respond(&visitor, None, form))
}

/// One origin's form.
pub(crate) async fn show_one(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let origin = origins::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let mut form = Form::default()
        .with("name", &origin.name)
        .with("address", &origin.address);
    for (word, given) in [
        ("private", origin.reach.private),
        ("loopback", origin.reach.loopback),
    ] {
        if given {
            form = form.with("reach", word);
        }
    }
    Ok(EditPage::respond(
        &visitor,
        Some((origin.id, origin.name)),
        form,
    ))
}

/// Changes an origin.
pub(crate) async fn update(visitor: Visitor, Path(id): Path<String>, mut form: Form) -> Answer {
    let origin = origins::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    if let Some((name, address, reach)) = read(&mut form) {
        let edit = |origin: Origin| {
            Ok(Origin {
                name,
                address,
                reach,
                ..origin
            })
        };
        let changed = origins::update(&visitor.app, &visitor.caller, origin.id, edit).await;
        if let Some(origin) = form.answer(changed)? {
            return Ok(go(
                "/origins",
                format!("The origin {} was changed.", origin.name),
            ));
        }
    }
    Ok(EditPage::respond(
        &visitor,
        Some((origin.id, origin.name)),
        form,
    ))
}

async fn question(visitor: &Visitor, id: OriginId, conflict: Option<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let origin = origins::show(&visitor.app, &visitor.caller, id).await?;
    Ok(Confirm {
        frame: visitor.frame(Section::Origins),
        title: format!("Delete the origin {}?", origin.name),
        lines: vec![
            "Edges no longer dial it. Only an origin that no route names can be deleted."
                .to_owned(),
        ],
        button: "Delete the origin".to_owned(),
        gentle: false,
        action: format!("/origins/{id}/delete"),
        hidden: Vec::new(),
        back: "/origins".to_owned(),
        back_name: "Origins",
        conflict,
    }
    .respond())
}

/// Asks before deleting.
pub(crate) async fn ask_delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    question(&visitor, id_in(&id)?, None).await
}

/// Deletes an origin that no route names.
pub(crate) async fn delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let id = id_in(&id)?;
    let mut form = Form::default();
    let deleted = origins::delete(&visitor.app, &visitor.caller, id).await;
    if form.answer(deleted)?.is_some() {
        return Ok(go("/origins", "The origin was deleted."));
    }
    question(&visitor, id, form.conflict().map(str::to_owned)).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use contract::report::Reachability;

    use crate::fixture::Server;

    #[tokio::test]
    async fn an_origin_in_use_is_not_deleted_and_shows_who_reaches_it() {
        let server = Server::start().await;
        let cluster = server.cluster("hall").await;
        let agent = server.agent(cluster, "north").await;
        let (origin, _) = server.route("media").await;
        let lost = Reachability {
            reachable: false,
            since_ms: 1,
        };
        agent
            .report(&server, |report| {
                report.origins = BTreeMap::from([(origin, lost)])
            })
            .await;
        let list = server.auditor().get("/origins").await;
        assert!(
            list.text.contains("Not reached") && list.text.contains("by north"),
            "{}",
            list.text
        );
        let answer = server
            .administrator()
            .submit(&format!("/origins/{origin}/delete"), &[])
            .await;
        assert!(
            answer.status == 409 && answer.text.contains("uses it"),
            "{}",
            answer.text
        );
    }

    #[tokio::test]
    async fn an_address_with_an_application_is_refused_and_kept() {
        let server = Server::start().await;
        let fields = [
            ("name", "media"),
            ("address", "rtmp://media.example/live"),
            ("reach", "private"),
        ];
        let answer = server.administrator().submit("/origins/new", &fields).await;
        assert_eq!(answer.status, 422);
        assert!(
            answer.text.contains("address-fault")
                && answer.text.contains("value=\"private\" checked"),
            "{}",
            answer.text
        );
    }
}
