//! Key sets: list, add, change, delete. Keys are typed in and never drawn again.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use contract::id::KeySetId;
use http::StatusCode;

use super::confirm::Confirm;
use super::failure::{Failure, id_in};
use super::form::{Choice, Form};
use super::names::Names;
use super::page::{Frame, Section};
use super::parts::{State, Tone};
use super::visitor::{Answer, Visitor, go, show};
use crate::app::key_sets::{self, KeySetSettings, KeySetSummary, KeySummary, NewKeys};
use crate::app::{Permission, Window};

struct KeySetRow {
    id: KeySetId,
    name: String,
    state: State,
    keys: Vec<String>,
    asks: String,
    cluster: String,
}

#[derive(Template)]
#[template(path = "key_sets/list.html")]
struct ListPage {
    frame: Frame,
    may_change: bool,
    sets: Vec<KeySetRow>,
}

/// A key in words: its name, its algorithm, its fingerprint.
fn key_words(key: &KeySummary) -> String {
    let name = key.kid.as_deref().unwrap_or("without a name");
    let fingerprint = key.fingerprint.as_deref().unwrap_or("shared secret");
    format!("{name}, {}, {fingerprint}", key.algorithm.as_str())
}

fn asks_words(settings: &KeySetSettings) -> String {
    match (&settings.issuer, &settings.audience) {
        (None, None) => "any".to_owned(),
        (Some(issuer), None) => issuer.clone(),
        (None, Some(audience)) => format!("for {audience}"),
        (Some(issuer), Some(audience)) => format!("{issuer}, for {audience}"),
    }
}

/// All key sets.
pub(crate) async fn list(visitor: Visitor) -> Answer {
    let names = Names::read(&visitor).await?;
    let found = key_sets::list(&visitor.app, &visitor.caller, &Window::whole())
        .await?
        .items;
    let row = |set: KeySetSummary| KeySetRow {
        id: set.id,
        state: if set.settings.enabled {
            State::new(Tone::Good, "In force")
        } else {
            State::new(Tone::Wait, "Switched off")
        },
        keys: set.keys.iter().map(key_words).collect(),
        asks: asks_words(&set.settings),
        cluster: set
            .settings
            .cluster
            .map_or_else(|| "every cluster".to_owned(), |id| names.cluster(id)),
        name: set.settings.name.to_string(),
    };
    let page = ListPage {
        frame: visitor.frame(Section::KeySets),
        may_change: visitor.may(Permission::ChangeSettings),
        sets: found.into_iter().map(row).collect(),
    };
    Ok(show(StatusCode::OK, &page))
}

#[derive(Template)]
#[template(path = "key_sets/edit.html")]
struct EditPage {
    frame: Frame,
    title: String,
    action: String,
    is_new: bool,
    clusters: Vec<Choice>,
    keys: Vec<String>,
    ways: Vec<Choice>,
    form: Form,
}

impl EditPage {
    async fn respond(
        visitor: &Visitor,
        known: Option<&KeySetSummary>,
        form: Form,
    ) -> Result<Response, Failure> {
        let names = Names::read(visitor).await?;
        let mut clusters = vec![Choice::new("", "Every cluster")];
        clusters.extend(names.cluster_choices());
        let (title, action) = match known {
            Some(set) => (
                set.settings.name.to_string(),
                format!("/key-sets/{}", set.id),
            ),
            None => ("Add a key set".to_owned(), "/key-sets/new".to_owned()),
        };
        let page = Self {
            frame: visitor.frame(Section::KeySets),
            title,
            action,
            is_new: known.is_none(),
            clusters,
            keys: known.map_or_else(Vec::new, |set| set.keys.iter().map(key_words).collect()),
            ways: vec![
                Choice::new("add", "Come before them")
                    .meaning("Both are valid: the first step of a rotation."),
                Choice::new("replace", "Take their place")
                    .meaning("Tokens of the keys it has are not accepted any more."),
            ],
            form,
        };
        Ok(show(page.form.status(), &page))
    }
}

fn filled(settings: &KeySetSettings) -> Form {
    let cluster = settings.cluster.map(|id| id.to_string());
    let form = Form::default()
        .with("name", &settings.name)
        .with("cluster", cluster.unwrap_or_default())
        .with("issuer", settings.issuer.as_deref().unwrap_or_default())
        .with("audience", settings.audience.as_deref().unwrap_or_default())
        .with("how", "add");
    if settings.enabled {
        form.with("enabled", "on")
    } else {
        form
    }
}

fn read(form: &mut Form) -> Option<KeySetSettings> {
    let (name, cluster) = (form.take("name"), form.take_optional("cluster"));
    let word = |name: &str| {
        let text = form.value(name).trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let (issuer, audience) = (word("issuer"), word("audience"));
    if !form.is_sound() {
        return None;
    }
    Some(KeySetSettings {
        cluster,
        name: name?,
        enabled: form.has("enabled", "on"),
        issuer,
        audience,
    })
}

/// The empty form.
pub(crate) async fn ask_create(visitor: Visitor) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let form = Form::default().with("enabled", "on");
    EditPage::respond(&visitor, None, form).await
}

/// Adds a key set.
pub(crate) async fn create(visitor: Visitor, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let keys = form.take_secret("keys");
    if let Some(settings) = read(&mut form) {
        let made = key_sets::create(&visitor.app, &visitor.caller, settings, &keys).await;
        if let Some(set) = form.answer(made)? {
            return Ok(go(
                "/key-sets",
                format!(
                    "The key set {} is in force where routes ask for a play token.",
                    set.settings.name
                ),
            ));
        }
    }
    EditPage::respond(&visitor, None, form).await
}

/// One key set's form.
pub(crate) async fn show_one(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let set = key_sets::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let form = filled(&set.settings);
    EditPage::respond(&visitor, Some(&set), form).await
}

/// Changes a key set.
pub(crate) async fn update(visitor: Visitor, Path(id): Path<String>, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let present = key_sets::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let keys = form.take_secret("keys");
    let keys = if keys.expose().trim().is_empty() {
        NewKeys::Keep
    } else if form.has("how", "replace") {
        NewKeys::Replace(keys)
    } else {
        NewKeys::Add(keys)
    };
    if let Some(settings) = read(&mut form) {
        let edit = |_| Ok(settings);
        let changed = key_sets::update(&visitor.app, &visitor.caller, present.id, edit, keys).await;
        if let Some(set) = form.answer(changed)? {
            return Ok(go(
                "/key-sets",
                format!("The key set {} was changed.", set.settings.name),
            ));
        }
    }
    EditPage::respond(&visitor, Some(&present), form).await
}

/// Asks before deleting.
pub(crate) async fn ask_delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let set = key_sets::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    Ok(Confirm {
        frame: visitor.frame(Section::KeySets),
        title: format!("Delete the key set {}?", set.settings.name),
        lines: vec![
            "Tokens of its keys are not accepted any more. Live sessions that they let in are judged again within a second, and end where the route asks for a token.".to_owned(),
        ],
        button: "Delete the key set".to_owned(),
        gentle: false,
        action: format!("/key-sets/{}/delete", set.id),
        hidden: Vec::new(),
        back: "/key-sets".to_owned(),
        back_name: "Key sets",
        conflict: None,
    }
    .respond())
}

/// Deletes a key set.
pub(crate) async fn delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    key_sets::delete(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    Ok(go("/key-sets", "The key set was deleted."))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::fixture::Server;

    const SECRET: &str = "a shared secret of more than 32 bytes";

    #[tokio::test]
    async fn a_key_set_goes_through_its_form_and_its_keys_are_never_drawn() {
        let server = Server::start().await;
        let admin = server.administrator();
        let mut fields = vec![
            ("name", "partner"),
            ("enabled", "on"),
            ("audience", "weir"),
            ("keys", "short secret"),
        ];
        let refused = admin.submit("/key-sets/new", &fields).await;
        assert!(
            refused.status == 422 && refused.text.contains("keys-fault"),
            "{}",
            refused.text
        );
        assert!(!refused.text.contains("short secret"), "{}", refused.text);
        fields[3].1 = SECRET;
        let made = admin.submit("/key-sets/new", &fields).await;
        assert_eq!(made.status, 303, "{}", made.text);
        let sets = admin.get("/api/v1/key-sets").await;
        let id = sets.body["items"][0]["id"].as_str().unwrap().to_owned();
        let page = format!("/key-sets/{id}");
        let form = admin.get(&page).await;
        assert!(
            form.text.contains("HS256") && form.text.contains("value=\"weir\""),
            "{}",
            form.text
        );
        fields[3].1 = "";
        assert_eq!(admin.submit(&page, &fields).await.status, 303);
        fields[3].1 = "another shared secret, longer than 32";
        assert_eq!(admin.submit(&page, &fields).await.status, 303);
        let sets = admin.get("/api/v1/key-sets").await;
        assert_eq!(sets.body["items"][0]["keys"].as_array().unwrap().len(), 2);
        let list = server.auditor().get("/key-sets").await;
        assert!(
            list.text.contains("for weir") && !list.text.contains(SECRET),
            "{}",
            list.text
        );
        let gone = admin.submit(&format!("{page}/delete"), &[]).await;
        assert_eq!(gone.status, 303);
    }
}
