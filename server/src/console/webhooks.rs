//! Webhooks: list, add, change, delete, and the key that signs their questions, which is shown once.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use contract::id::WebhookId;
use contract::rule::Effect;
use http::StatusCode;

use super::confirm::Confirm;
use super::failure::id_in;
use super::form::{Choice, Form};
use super::page::{Frame, Section};
use super::parts::{State, Tone};
use super::secret::{Line, SecretPage};
use super::visitor::{Answer, Visitor, go, show};
use crate::app::webhooks::{self, MadeSigningKey, Reach, WebhookEvent, WebhookSettings};
use crate::app::{Permission, Window, routes};

struct Used {
    id: String,
    name: String,
}

struct WebhookRow {
    id: WebhookId,
    name: String,
    url: String,
    events: String,
    silent: State,
    timeout_ms: u32,
    routes: Vec<Used>,
}

#[derive(Template)]
#[template(path = "webhooks/list.html")]
struct ListPage {
    frame: Frame,
    may_change: bool,
    hooks: Vec<WebhookRow>,
}

/// All webhooks, with the routes that name them.
pub(crate) async fn list(visitor: Visitor) -> Answer {
    let routes = routes::list(&visitor.app, &visitor.caller).await?.items;
    let found = webhooks::list(&visitor.app, &visitor.caller, &Window::whole())
        .await?
        .items;
    let row = |webhook: webhooks::WebhookSummary| {
        let settings = webhook.settings;
        let events: Vec<&str> = settings.events.iter().map(|event| event.as_str()).collect();
        WebhookRow {
            id: webhook.id,
            name: settings.name.to_string(),
            url: settings.url.to_string(),
            events: events.join(", "),
            silent: match settings.silent {
                Effect::Allow => State::new(Tone::Warn, "Allow"),
                Effect::Deny => State::new(Tone::Bad, "Deny"),
            },
            timeout_ms: settings.timeout_ms,
            routes: routes
                .iter()
                .filter(|route| route.it.webhook == Some(webhook.id))
                .map(|route| Used {
                    id: route.it.id.to_string(),
                    name: route.it.name.to_string(),
                })
                .collect(),
        }
    };
    let page = ListPage {
        frame: visitor.frame(Section::Webhooks),
        may_change: visitor.may(Permission::ChangeSettings),
        hooks: found.into_iter().map(row).collect(),
    };
    Ok(show(StatusCode::OK, &page))
}

#[derive(Template)]
#[template(path = "webhooks/edit.html")]
struct EditPage {
    frame: Frame,
    title: String,
    action: String,
    is_new: bool,
    reaches: Vec<Choice>,
    events: Vec<Choice>,
    effects: Vec<Choice>,
    form: Form,
}

impl EditPage {
    fn respond(visitor: &Visitor, known: Option<(WebhookId, String)>, form: Form) -> Response {
        let is_new = known.is_none();
        let (title, action) = match known {
            Some((id, name)) => (name, format!("/webhooks/{id}")),
            None => ("Add a webhook".to_owned(), "/webhooks/new".to_owned()),
        };
        let page = Self {
            frame: visitor.frame(Section::Webhooks),
            title,
            action,
            is_new,
            reaches: vec![
                Choice::new("private", "Private networks")
                    .meaning("10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7"),
                Choice::new("loopback", "The edge’s own machine").meaning("127/8 and ::1"),
            ],
            events: WebhookEvent::ALL.map(event_choice).into(),
            effects: vec![
                Choice::new("deny", "Deny").meaning("Nobody comes in whom it has not let in."),
                Choice::new("allow", "Allow").meaning("What rules allow comes in."),
            ],
            form,
        };
        show(page.form.status(), &page)
    }
}

fn event_choice(event: WebhookEvent) -> Choice {
    let (label, meaning) = match event {
        WebhookEvent::Connect => ("Connect", "RTMP, before the client says what it wants."),
        WebhookEvent::Play => ("Play", "RTMP, and GET and HEAD over HTTP."),
        WebhookEvent::Publish => ("Publish", "RTMP, and every other method over HTTP."),
    };
    Choice::new(event.as_str(), label).meaning(meaning)
}

fn filled(settings: &WebhookSettings) -> Form {
    let mut form = Form::default()
        .with("name", &settings.name)
        .with("url", &settings.url)
        .with_all("events", settings.events.iter().map(|event| event.as_str()))
        .with("silent", settings.silent.as_str())
        .with("timeout_ms", settings.timeout_ms)
        .with("max_at_once", settings.max_at_once)
        .with("allow_ttl_ms", settings.allow_ttl_ms)
        .with("deny_ttl_ms", settings.deny_ttl_ms);
    let reach = settings.reach;
    for (word, given) in [("private", reach.private), ("loopback", reach.loopback)] {
        if given {
            form = form.with("reach", word);
        }
    }
    form
}

fn read(form: &mut Form) -> Option<WebhookSettings> {
    const COUNT: &str = "a whole number of 0 or more";
    let (name, url) = (form.take("name"), form.take("url"));
    let timeout_ms = form.take_number("timeout_ms", COUNT);
    let max_at_once = form.take_number("max_at_once", COUNT);
    let allow_ttl_ms = form.take_number("allow_ttl_ms", COUNT);
    let deny_ttl_ms = form.take_number("deny_ttl_ms", COUNT);
    Some(WebhookSettings {
        name: name?,
        url: url?,
        reach: Reach {
            private: form.has("reach", "private"),
            loopback: form.has("reach", "loopback"),
        },
        events: WebhookEvent::ALL
            .into_iter()
            .filter(|event| form.has("events", event.as_str()))
            .collect(),
        timeout_ms: timeout_ms?,
        allow_ttl_ms: allow_ttl_ms?,
        deny_ttl_ms: deny_ttl_ms?,
        silent: if form.has("silent", "allow") {
            Effect::Allow
        } else {
            Effect::Deny
        },
        max_at_once: max_at_once?,
    })
}

/// The form of a new webhook.
pub(crate) async fn ask_create(visitor: Visitor) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let name = "webhook".parse().expect("a plain word is a name");
    let url = "https://application.example/"
        .parse()
        .expect("a plain address is a URL");
    let form = filled(&WebhookSettings::blank(name, url));
    let form = form.without("name").without("url");
    Ok(EditPage::respond(&visitor, None, form))
}

/// Adds a webhook and shows its key once.
pub(crate) async fn create(visitor: Visitor, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    if let Some(settings) = read(&mut form) {
        let made = webhooks::create(&visitor.app, &visitor.caller, settings).await;
        if let Some(made) = form.answer(made)? {
            return Ok(shown_once(&visitor, &made));
        }
    }
    Ok(EditPage::respond(&visitor, None, form))
}

fn shown_once(visitor: &Visitor, made: &MadeSigningKey) -> Response {
    SecretPage {
        frame: visitor.frame(Section::Webhooks),
        title: format!("Signing key of {}", made.webhook.settings.name),
        warning: "It cannot be shown again; another can be made at any time.",
        lines: vec![Line {
            label: "Signing key",
            text: made.signing_key.expose().to_owned(),
            help: "The application checks by it that a question comes from an edge: the field weir-signature holds the time and an HMAC of the body.".to_owned(),
        }],
        back: "/webhooks".to_owned(),
        back_name: "Webhooks",
        done: "I have copied it",
    }
    .respond()
}

/// One webhook's form.
pub(crate) async fn show_one(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let webhook = webhooks::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let form = filled(&webhook.settings);
    let known = Some((webhook.id, webhook.settings.name.to_string()));
    Ok(EditPage::respond(&visitor, known, form))
}

/// Changes a webhook.
pub(crate) async fn update(visitor: Visitor, Path(id): Path<String>, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let present = webhooks::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    if let Some(settings) = read(&mut form) {
        let edit = |_| Ok(settings);
        let changed = webhooks::update(&visitor.app, &visitor.caller, present.id, edit).await;
        if let Some(webhook) = form.answer(changed)? {
            return Ok(go(
                "/webhooks",
                format!("The webhook {} was changed.", webhook.settings.name),
            ));
        }
    }
    let known = Some((present.id, present.settings.name.to_string()));
    Ok(EditPage::respond(&visitor, known, form))
}

/// Asks before the key is replaced.
pub(crate) async fn ask_key(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::MakeSecrets)?;
    let webhook = webhooks::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    Ok(Confirm {
        frame: visitor.frame(Section::Webhooks),
        title: format!("Make another key for {}?", webhook.settings.name),
        lines: vec![
            "Questions are signed by it within a second. Give it to the application, which must know both for that long.".to_owned(),
        ],
        button: "Make another key".to_owned(),
        gentle: false,
        action: format!("/webhooks/{}/signing-key", webhook.id),
        hidden: Vec::new(),
        back: format!("/webhooks/{}", webhook.id),
        back_name: "Back to the webhook",
        conflict: None,
    }
    .respond())
}

/// Makes another key and shows it once.
pub(crate) async fn make_key(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let made = webhooks::make_signing_key(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    Ok(shown_once(&visitor, &made))
}

async fn question(visitor: &Visitor, id: WebhookId, conflict: Option<String>) -> Answer {
    visitor.caller.needs(Permission::ChangeSettings)?;
    let webhook = webhooks::show(&visitor.app, &visitor.caller, id).await?;
    Ok(Confirm {
        frame: visitor.frame(Section::Webhooks),
        title: format!("Delete the webhook {}?", webhook.settings.name),
        lines: vec!["Only a webhook that no route names can be deleted.".to_owned()],
        button: "Delete the webhook".to_owned(),
        gentle: false,
        action: format!("/webhooks/{id}/delete"),
        hidden: Vec::new(),
        back: "/webhooks".to_owned(),
        back_name: "Webhooks",
        conflict,
    }
    .respond())
}

/// Asks before deleting.
pub(crate) async fn ask_delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    question(&visitor, id_in(&id)?, None).await
}

/// Deletes a webhook that no route names.
pub(crate) async fn delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let id = id_in(&id)?;
    let mut form = Form::default();
    let deleted = webhooks::delete(&visitor.app, &visitor.caller, id).await;
    if form.answer(deleted)?.is_some() {
        return Ok(go("/webhooks", "The webhook was deleted."));
    }
    question(&visitor, id, form.conflict().map(str::to_owned)).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use crate::fixture::Server;

    #[tokio::test]
    async fn a_webhook_goes_through_its_form_and_back() {
        let server = Server::start().await;
        let (_, route) = server.route("studio").await;
        let admin = server.administrator();
        let mut fields = vec![
            ("name", "gate"),
            ("url", "http://127.0.0.1:81/hook"),
            ("reach", "loopback"),
            ("events", "publish"),
            ("silent", "allow"),
            ("timeout_ms", "9000"),
            ("max_at_once", "8"),
            ("allow_ttl_ms", "0"),
            ("deny_ttl_ms", "0"),
        ];
        let refused = admin.submit("/webhooks/new", &fields).await;
        assert!(
            refused.status == 422 && refused.text.contains("timeout_ms-fault"),
            "{}",
            refused.text
        );
        fields[5].1 = "900";
        let made = admin.submit("/webhooks/new", &fields).await;
        assert!(
            made.status == 201 && made.text.contains("weirhook_"),
            "{}",
            made.text
        );
        let hooks = admin.get("/api/v1/webhooks").await;
        let hook = hooks.body["items"][0].clone();
        assert_eq!(
            (&hook["events"], &hook["silent"], &hook["reach"]["loopback"]),
            (&json!(["publish"]), &json!("allow"), &json!(true))
        );
        let id = hook["id"].as_str().unwrap();
        let page = format!("/webhooks/{id}");
        assert_eq!(admin.submit(&page, &fields).await.status, 303);
        let again = admin.get("/api/v1/webhooks").await;
        assert_eq!(again.body["items"][0], hook);
        let route = format!("/api/v1/routes/{route}");
        admin.patch(&route, json!({"webhook": id})).await;
        let list = server.auditor().get("/webhooks").await;
        assert!(
            list.text.contains(">studio<") && !list.text.contains("weirhook_"),
            "{}",
            list.text
        );
        let kept = admin.submit(&format!("{page}/delete"), &[]).await;
        assert!(
            kept.status == 409 && kept.text.contains("uses it"),
            "{}",
            kept.text
        );
        let another = admin.submit(&format!("{page}/signing-key"), &[]).await;
        assert!(another.text.contains("weirhook_"), "{}", another.text);
    }
}
