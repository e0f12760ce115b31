//! “Move to…”: chosen clients, where they shall belong, what that touches, and then the move.
//!
//! Invariant: nothing is moved before a page has said how many live sessions it touches.

use askama::Template;
use axum::extract::Query;
use contract::assignment::{Elsewhere, Subject, Target};
use contract::id::ClientId;

use super::{elsewhere_in, elsewhere_words, elsewheres, target_of};
use crate::app::Permission;
use crate::app::assignments::{self, Reassignment};
use crate::console::confirm::Confirm;
use crate::console::failure::Failure;
use crate::console::form::{Choice, Form};
use crate::console::names::{Names, target_text};
use crate::console::page::{Frame, Section};
use crate::console::parts::plural;
use crate::console::visitor::{Answer, Visitor, go, show};

struct Chosen {
    id: ClientId,
    name: String,
}

#[derive(Template)]
#[template(path = "assignments/move.html")]
struct MovePage {
    frame: Frame,
    title: String,
    clients: Vec<Chosen>,
    targets: Vec<Choice>,
    elsewheres: Vec<Choice>,
    form: Form,
}

/// Asks where chosen clients shall belong; then says what that touches.
pub(crate) async fn ask_move(
    visitor: Visitor,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let mut form: Form = pairs.into_iter().collect();
    let ids: Vec<ClientId> = form
        .all("client")
        .iter()
        .filter_map(|id| id.parse().ok())
        .collect();
    let mut names = Names::read(&visitor).await?;
    names.add_clients(&visitor, ids.iter().copied()).await?;
    if form.has("check", "1") && !ids.is_empty() {
        let (target, elsewhere) = (target_of(&mut form), elsewhere_in(&mut form));
        if let (Some(target), Some(elsewhere)) = (target, elsewhere) {
            return confirm_move(&visitor, &names, &ids, target, elsewhere);
        }
    }
    let form = if form.has("check", "1") {
        form
    } else {
        form.or("elsewhere", Elsewhere::Relay.as_str())
    };
    let page = MovePage {
        frame: visitor.frame(Section::Assignments),
        title: format!("Move {}", plural(ids.len() as u64, "client", "clients")),
        clients: ids
            .iter()
            .map(|id| Chosen {
                id: *id,
                name: names.client(*id),
            })
            .collect(),
        targets: names.target_choices(),
        elsewheres: elsewheres(),
        form,
    };
    Ok(show(page.form.status(), &page))
}

fn confirm_move(
    visitor: &Visitor,
    names: &Names,
    ids: &[ClientId],
    target: Target,
    elsewhere: Elsewhere,
) -> Answer {
    let subjects: Vec<Subject> = ids
        .iter()
        .map(|client| Subject::Client { client: *client })
        .collect();
    let sessions = assignments::impact(&visitor.app, &visitor.caller, &subjects)?.sessions;
    let who: Vec<String> = ids.iter().map(|id| names.client(*id)).collect();
    let touched = match sessions {
        0 => "None of them has a live session now.".to_owned(),
        many => format!(
            "This touches {}: the edges judge them again within a second, and end, move or leave each alone.",
            plural(many, "live session", "live sessions")
        ),
    };
    let mut hidden: Vec<(String, String)> = ids
        .iter()
        .map(|id| ("client".to_owned(), id.to_string()))
        .collect();
    hidden.push(("target".to_owned(), target_text(&target)));
    hidden.push(("elsewhere".to_owned(), elsewhere.as_str().to_owned()));
    Ok(Confirm {
        frame: visitor.frame(Section::Assignments),
        title: format!(
            "Move {} to {}?",
            plural(ids.len() as u64, "client", "clients"),
            names.target(&target)
        ),
        lines: vec![
            format!("{}.", who.join(", ")),
            format!("At any other edge they are {}.", elsewhere_words(elsewhere)),
            touched,
        ],
        button: format!("Move to {}", names.target(&target)),
        gentle: true,
        action: "/assignments/move".to_owned(),
        hidden,
        back: "/assignments".to_owned(),
        back_name: "Assignments",
        conflict: None,
    }
    .respond())
}

/// Moves clients, all in one change.
pub(crate) async fn move_all(visitor: Visitor, mut form: Form) -> Answer {
    let ids: Vec<ClientId> = form
        .all("client")
        .iter()
        .filter_map(|id| id.parse().ok())
        .collect();
    let (target, elsewhere) = (target_of(&mut form), elsewhere_in(&mut form));
    let (Some(target), Some(elsewhere)) = (target, elsewhere) else {
        return Err(Failure::malformed(
            "the form names no edge, cluster or policy",
        ));
    };
    let wanted = Reassignment {
        clients: ids,
        target,
        elsewhere,
    };
    let done = assignments::reassign(&visitor.app, &visitor.caller, &wanted).await?;
    let names = Names::read(&visitor).await?;
    let touched = match done.sessions {
        0 => "None of them has a live session now.".to_owned(),
        many => format!(
            "{} again now.",
            plural(many, "live session is judged", "live sessions are judged")
        ),
    };
    let note = format!(
        "{} to {} in generation {}. {touched}",
        plural(
            done.assignments.len() as u64,
            "client belongs",
            "clients belong"
        ),
        names.target(&target),
        done.generation,
    );
    Ok(go("/assignments", note))
}
