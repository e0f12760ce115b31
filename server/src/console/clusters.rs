//! Clusters: list, add, rename, delete.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use contract::id::ClusterId;
use http::StatusCode;

use super::confirm::Confirm;
use super::failure::id_in;
use super::form::Form;
use super::named::NamedPage;
use super::names::Names;
use super::page::{Frame, Section};
use super::parts::count;
use super::visitor::{Answer, Visitor, go, show};
use crate::app::clusters::{self, Cluster};
use crate::app::{Permission, Window};

struct Member {
    id: String,
    name: String,
}

struct ClusterRow {
    id: ClusterId,
    name: String,
    edges: Vec<Member>,
    sessions: String,
}

#[derive(Template)]
#[template(path = "clusters/list.html")]
struct ListPage {
    frame: Frame,
    may_change: bool,
    clusters: Vec<ClusterRow>,
}

/// All clusters with their edges.
pub(crate) async fn list(visitor: Visitor) -> Answer {
    let names = Names::read(&visitor).await?;
    let found = clusters::list(&visitor.app, &visitor.caller, &Window::whole())
        .await?
        .items;
    let clusters = found
        .into_iter()
        .map(|cluster| row(cluster, &names))
        .collect();
    let frame = visitor.frame(Section::Clusters);
    Ok(show(
        StatusCode::OK,
        &ListPage {
            frame,
            may_change: visitor.may(Permission::ChangeSettings),
            clusters,
        },
    ))
}

fn row(cluster: Cluster, names: &Names) -> ClusterRow {
    let members = || {
        names
            .edges
            .iter()
            .filter(|edge| edge.cluster == cluster.id && !edge.retired)
    };
    ClusterRow {
        id: cluster.id,
        name: cluster.name.to_string(),
        edges: members()
            .map(|edge| Member {
                id: edge.id.to_string(),
                name: edge.name.clone(),
            })
            .collect(),
        sessions: count(members().map(|edge| edge.sessions).sum()),
    }
}

fn page(visitor: &Visitor, known: Option<&Cluster>, form: Form) -> Response {
    NamedPage {
        frame: visitor.frame(Section::Clusters),
        title: known.map_or_else(
            || "Add a cluster".to_owned(),
            |cluster| cluster.name.to_string(),
        ),
        help: "What people call it, for example where its edges stand.",
        action: known.map_or_else(
            || "/clusters/new".to_owned(),
            |cluster| format!("/clusters/{}", cluster.id),
        ),
        back: "/clusters",
        back_name: "Clusters",
        delete: known.map(|cluster| format!("/clusters/{}/delete", cluster.id)),
        form,
    }
    .respond()
}

/// The empty form.
pub(crate) async fn ask_create(visitor: Visitor) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    Ok(page(&visitor, None, Form::default()))
}

/// Makes a cluster.
pub(crate) async fn create(visitor: Visitor, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    if let Some(name) = form.take("name") {
        let made = clusters::create(&visitor.app, &visitor.caller, name).await;
        if let Some(cluster) = form.answer(made)? {
            return Ok(go(
                "/clusters",
                format!(
                    "The cluster {} was added. Next: add an edge to it.",
                    cluster.name
                ),
            ));
        }
    }
    Ok(page(&visitor, None, form))
}

/// One cluster's form.
pub(crate) async fn show_one(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let cluster = clusters::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let form = Form::default().with("name", &cluster.name);
    Ok(page(&visitor, Some(&cluster), form))
}

/// Renames a cluster.
pub(crate) async fn update(visitor: Visitor, Path(id): Path<String>, mut form: Form) -> Answer {
    let cluster = clusters::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    if let Some(name) = form.take("name") {
        let changed = clusters::update(&visitor.app, &visitor.caller, cluster.id, name).await;
        if form.answer(changed)?.is_some() {
            return Ok(go("/clusters", "The cluster was renamed."));
        }
    }
    Ok(page(&visitor, Some(&cluster), form))
}

async fn question(visitor: &Visitor, id: ClusterId, conflict: Option<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let cluster = clusters::show(&visitor.app, &visitor.caller, id).await?;
    Ok(Confirm {
        frame: visitor.frame(Section::Clusters),
        title: format!("Delete the cluster {}?", cluster.name),
        lines: vec![
            "Only a cluster that no edge, route, rule or assignment belongs to can be deleted."
                .to_owned(),
        ],
        button: "Delete the cluster".to_owned(),
        gentle: false,
        action: format!("/clusters/{id}/delete"),
        hidden: Vec::new(),
        back: "/clusters".to_owned(),
        back_name: "Clusters",
        conflict,
    }
    .respond())
}

/// Asks before deleting.
pub(crate) async fn ask_delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    question(&visitor, id_in(&id)?, None).await
}

/// Deletes a cluster that nothing belongs to.
pub(crate) async fn delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let id = id_in(&id)?;
    let mut form = Form::default();
    let deleted = clusters::delete(&visitor.app, &visitor.caller, id).await;
    if form.answer(deleted)?.is_some() {
        return Ok(go("/clusters", "The cluster was deleted."));
    }
    question(&visitor, id, form.conflict().map(str::to_owned)).await
}
