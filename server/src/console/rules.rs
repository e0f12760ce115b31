//! Rules: the list in its order, add, change, move, delete; and trying out a connection.
//!
//! In: forms. Out: `contract` rules. Invariant: a rule is shown by its own sentence, and its conditions are
//! drawn from each kind's own description, so that a new kind needs no change here.

mod conditions;
mod trial;

use askama::Template;
use axum::extract::Path;
use contract::id::RuleId;
use contract::rule::{Effect, Rule};
use http::StatusCode;

use super::confirm::Confirm;
use super::failure::id_in;
use super::form::{Choice, Form};
use super::names::Names;
use super::page::{Frame, Section};
use super::visitor::{Answer, Visitor, go, show};
use crate::app::rules::{self, Scoped};
use crate::app::{Error, Permission, routes};
use conditions::{Block, InputView};

pub(crate) use conditions::Known;
pub(crate) use trial::ask as try_out;
pub(crate) use trial::link as trial_link;

struct RuleRow {
    id: RuleId,
    number: usize,
    name: String,
    enabled: bool,
    effect: &'static str,
    effect_class: &'static str,
    sentence: String,
    cluster: Option<String>,
    is_first: bool,
    is_last: bool,
}

#[derive(Template)]
#[template(path = "rules/list.html")]
struct ListPage {
    frame: Frame,
    may_change: bool,
    rules: Vec<RuleRow>,
    defaults: Vec<String>,
}

/// All rules in the order in which they are read.
pub(crate) async fn list(visitor: Visitor) -> Answer {
    let mut names = Names::read(&visitor).await?;
    let found = rules::list(&visitor.app, &visitor.caller).await?.items;
    names
        .add_clients(&visitor, found.iter().flat_map(|rule| clients_of(&rule.it)))
        .await?;
    let count = found.len();
    let rows = found
        .iter()
        .enumerate()
        .map(|(place, rule)| row(rule, place, count, &names))
        .collect();
    let routes = routes::list(&visitor.app, &visitor.caller).await?.items;
    let defaults = routes
        .iter()
        .filter(|route| route.it.enabled)
        .map(|route| format!("{}: {}", route.it.name, route.it.default_effect.as_str()))
        .collect();
    let page = ListPage {
        frame: visitor.frame(Section::Rules),
        may_change: visitor.may(Permission::ChangeSettings),
        rules: rows,
        defaults,
    };
    Ok(show(StatusCode::OK, &page))
}

/// The clients that a rule names.
fn clients_of(rule: &Rule) -> Vec<contract::id::ClientId> {
    let values = rule
        .conditions
        .iter()
        .flat_map(|condition| condition.to_form().into_values().flatten());
    values.filter_map(|value| value.parse().ok()).collect()
}

fn row(
    Scoped { cluster, it }: &Scoped<Rule>,
    place: usize,
    count: usize,
    names: &Names,
) -> RuleRow {
    let (effect, effect_class) = effect_words(it.effect);
    RuleRow {
        id: it.id,
        number: place + 1,
        name: it.name.to_string(),
        enabled: it.enabled,
        effect,
        effect_class,
        sentence: after_effect(it, names),
        cluster: cluster.map(|id| names.cluster(id)),
        is_first: place == 0,
        is_last: place + 1 == count,
    }
}

fn effect_words(effect: Effect) -> (&'static str, &'static str) {
    match effect {
        Effect::Allow => ("Allow", "allow"),
        Effect::Deny => ("Deny", "deny"),
    }
}

/// The rule's sentence without its first word, which is drawn apart.
fn after_effect(rule: &Rule, names: &Names) -> String {
    let sentence = rule.sentence(&|id| names.of_text(id));
    sentence
        .strip_prefix(rule.effect.as_str())
        .unwrap_or(&sentence)
        .trim_start()
        .to_owned()
}

#[derive(Template)]
#[template(path = "rules/edit.html")]
struct EditPage {
    frame: Frame,
    title: String,
    sentence: Option<String>,
    action: String,
    is_new: bool,
    effects: Vec<Choice>,
    clusters: Vec<Choice>,
    places: Vec<Choice>,
    blocks: Vec<Block>,
    form: Form,
}

impl EditPage {
    async fn respond(visitor: &Visitor, known: Option<&Scoped<Rule>>, form: Form) -> Answer {
        let mut names = Names::read(visitor).await?;
        if let Some(rule) = known {
            names.add_clients(visitor, clients_of(&rule.it)).await?;
        }
        let mut clusters = vec![Choice::new("", "In every cluster")];
        clusters.extend(names.cluster_choices());
        let mut places = vec![Choice::new("", "Last")];
        let others = rules::list(&visitor.app, &visitor.caller).await?.items;
        places.extend(
            others
                .iter()
                .map(|rule| Choice::new(rule.it.id, format!("Before {}", rule.it.name))),
        );
        let page = Self {
            frame: visitor.frame(Section::Rules),
            title: known.map_or_else(|| "Add a rule".to_owned(), |rule| rule.it.name.to_string()),
            sentence: known.map(|rule| {
                format!(
                    "{} {}",
                    effect_words(rule.it.effect).0,
                    after_effect(&rule.it, &names)
                )
            }),
            action: known.map_or_else(
                || "/rules/new".to_owned(),
                |rule| format!("/rules/{}", rule.it.id),
            ),
            is_new: known.is_none(),
            effects: vec![
                Choice::new("allow", "Allow").meaning("Lets the client in."),
                Choice::new("deny", "Deny").meaning("Refuses it, with this rule as the reason."),
            ],
            clusters,
            places,
            blocks: conditions::blocks(&form, &names.known()),
            form,
        };
        Ok(show(page.form.status(), &page))
    }
}

fn filled(Scoped { cluster, it }: &Scoped<Rule>) -> Form {
    let mut form = Form::default()
        .with("name", &it.name)
        .with("effect", it.effect.as_str())
        .with(
            "cluster",
            cluster.map_or_else(String::new, |id| id.to_string()),
        );
    if it.enabled {
        form = form.with("enabled", "on");
    }
    conditions::filled(form, &it.conditions)
}

/// The rule that stands in a form; what is wrong is marked at its field.
fn read(form: &mut Form) -> Option<Scoped<Rule>> {
    let name = form.take("name");
    let cluster = form.take_optional("cluster");
    let effect = match form.value("effect") {
        "allow" => Some(Effect::Allow),
        "deny" => Some(Effect::Deny),
        _ => {
            form.blame("effect", "choose whether the rule allows or denies");
            None
        }
    };
    let conditions = conditions::read(form);
    if !form.is_sound() {
        return None;
    }
    let mut rule = rules::blank(name?);
    rule.cluster = cluster;
    rule.it.enabled = form.has("enabled", "on");
    rule.it.effect = effect?;
    rule.it.conditions = conditions;
    Some(rule)
}

/// The form of a new rule.
pub(crate) async fn ask_create(visitor: Visitor) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let form = Form::default().with("effect", "deny").with("enabled", "on");
    EditPage::respond(&visitor, None, form).await
}

/// Adds a rule, and moves it to its place.
pub(crate) async fn create(visitor: Visitor, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let before: Option<RuleId> = form.take_optional("place");
    if let Some(wanted) = read(&mut form) {
        let made = rules::create(&visitor.app, &visitor.caller, wanted).await;
        if let Some(rule) = form.answer(made)? {
            if before.is_some() {
                rules::move_before(&visitor.app, &visitor.caller, rule.it.id, before).await?;
            }
            return Ok(go(
                "/rules",
                format!(
                    "The rule {} is in force on every edge within a second.",
                    rule.it.name
                ),
            ));
        }
    }
    EditPage::respond(&visitor, None, form).await
}

/// One rule's form.
pub(crate) async fn show_one(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let rule = rules::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let form = filled(&rule);
    EditPage::respond(&visitor, Some(&rule), form).await
}

/// Changes a rule where it stands.
pub(crate) async fn update(visitor: Visitor, Path(id): Path<String>, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let present = rules::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    if let Some(wanted) = read(&mut form) {
        let changed =
            rules::update(&visitor.app, &visitor.caller, present.it.id, |_| Ok(wanted)).await;
        if let Some(rule) = form.answer(changed)? {
            return Ok(go(
                "/rules",
                format!(
                    "The rule {} was changed. Live sessions are judged again within a second.",
                    rule.it.name
                ),
            ));
        }
    }
    EditPage::respond(&visitor, Some(&present), form).await
}

/// Moves a rule one place up or down.
pub(crate) async fn move_one(visitor: Visitor, Path(id): Path<String>, form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let id: RuleId = id_in(&id)?;
    let all = rules::list(&visitor.app, &visitor.caller).await?.items;
    let place = all
        .iter()
        .position(|rule| rule.it.id == id)
        .ok_or(Error::NotFound { noun: "rule" })?;
    let up = form.has("to", "up");
    // A rule that goes down stands before the one after the next.
    let before = if up {
        place.checked_sub(1)
    } else {
        Some(place + 2)
    };
    let is_at_end = if up {
        place == 0
    } else {
        place + 1 == all.len()
    };
    if !is_at_end {
        let before = before
            .and_then(|place| all.get(place))
            .map(|rule| rule.it.id);
        rules::move_before(&visitor.app, &visitor.caller, id, before).await?;
    }
    let name = &all[place].it.name;
    Ok(go(
        &format!("/rules#{id}"),
        format!(
            "The rule {name} was moved {}.",
            if up { "up" } else { "down" }
        ),
    ))
}

/// Asks before deleting.
pub(crate) async fn ask_delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let mut names = Names::read(&visitor).await?;
    let rule = rules::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    names.add_clients(&visitor, clients_of(&rule.it)).await?;
    let sentence = format!(
        "{} {}.",
        effect_words(rule.it.effect).0,
        after_effect(&rule.it, &names)
    );
    Ok(Confirm {
        frame: visitor.frame(Section::Rules),
        title: format!("Delete the rule {}?", rule.it.name),
        lines: vec![sentence, "The rules below it, or the default of the route, decide instead. Live sessions are judged again within a second.".to_owned()],
        button: "Delete the rule".to_owned(),
        gentle: false,
        action: format!("/rules/{}/delete", rule.it.id),
        hidden: Vec::new(),
        back: "/rules".to_owned(),
        back_name: "Rules",
        conflict: None,
    }
    .respond())
}

/// Deletes a rule.
pub(crate) async fn delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    rules::delete(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    Ok(go("/rules", "The rule was deleted."))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
