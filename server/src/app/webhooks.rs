//! Verbs on webhooks: list, show, create, update, delete, and making the key that signs questions.

use contract::id::WebhookId;
use contract::route::Route;
use contract::secret::Secret;
use contract::webhook::Webhook;
use serde::Serialize;

use super::change::{Change, Noun, Subject};
use super::error::accept;
use super::record::{name_is_free, not_named_by, present};
use super::{App, Caller, Error, Listing, Permission, Window, random, record};
use crate::store::record::{Scoped, put, remove};

pub use contract::origin::Reach;
pub use contract::webhook::{WebhookEvent, WebhookSettings};

const WEBHOOK: &str = "webhook";
/// What a signing key begins with, so that it is known when it is found somewhere.
const KEY_PREFIX: &str = "weirhook_";

/// A webhook without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebhookSummary {
    /// Its id.
    pub id: WebhookId,
    /// What can be changed of it.
    #[serde(flatten)]
    pub settings: WebhookSettings,
}

/// A webhook whose key was just made.
#[derive(Debug, Clone, Serialize)]
pub struct MadeSigningKey {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: WebhookSummary,
    /// The key that signs its questions; it cannot be shown again.
    pub signing_key: Secret,
}

fn summary(webhook: &Webhook) -> WebhookSummary {
    WebhookSummary {
        id: webhook.id,
        settings: webhook.settings.clone(),
    }
}

/// Lists webhooks by name.
///
/// # Errors
/// [`Error::Denied`].
pub async fn list(
    app: &App,
    caller: &Caller,
    window: &Window,
) -> Result<Listing<WebhookSummary>, Error> {
    let list = record::list(app, caller, window, |webhook: &Webhook| {
        webhook.settings.name.to_string()
    })
    .await?;
    Ok(Listing {
        items: list.items.iter().map(summary).collect(),
        next: list.next,
    })
}

/// One webhook.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn show(app: &App, caller: &Caller, id: WebhookId) -> Result<WebhookSummary, Error> {
    let webhook = record::show(app, caller, id, WEBHOOK).await?;
    Ok(summary(&webhook))
}

/// Makes a webhook with a key.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`], [`Error::Conflict`] when the name is taken.
pub async fn create(
    app: &App,
    caller: &Caller,
    settings: WebhookSettings,
) -> Result<MadeSigningKey, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let webhook = Webhook {
        id: WebhookId::new(),
        settings,
        secret: random::secret(KEY_PREFIX),
    };
    keep(&mut change, "create", &webhook, None).await?;
    change.commit().await?;
    Ok(made(webhook))
}

/// Changes a webhook: `edit` makes of its settings what they shall be.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`] when the name is
/// taken, and what `edit` says.
pub async fn update(
    app: &App,
    caller: &Caller,
    id: WebhookId,
    edit: impl FnOnce(WebhookSettings) -> Result<WebhookSettings, Error> + Send,
) -> Result<WebhookSummary, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let before: Webhook = present(&mut change, id, WEBHOOK).await?;
    let after = Webhook {
        settings: edit(before.settings.clone())?,
        ..before.clone()
    };
    keep(&mut change, "update", &after, Some(&before)).await?;
    change.commit().await?;
    Ok(summary(&after))
}

/// Makes another key for a webhook; questions are signed by it from then on.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn make_signing_key(
    app: &App,
    caller: &Caller,
    id: WebhookId,
) -> Result<MadeSigningKey, Error> {
    let mut change = Change::begin(app, caller, Permission::MakeSecrets).await?;
    let before: Webhook = present(&mut change, id, WEBHOOK).await?;
    let after = Webhook {
        secret: random::secret(KEY_PREFIX),
        ..before.clone()
    };
    keep(&mut change, "make_signing_key", &after, Some(&before)).await?;
    change.commit().await?;
    Ok(made(after))
}

/// Removes a webhook that no route names.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Conflict`] when a route names it.
pub async fn delete(app: &App, caller: &Caller, id: WebhookId) -> Result<(), Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let webhook: Webhook = present(&mut change, id, WEBHOOK).await?;
    not_named_by(&mut change, id, |route: &Scoped<Route>| {
        format!("route `{}`", route.it.name)
    })
    .await?;
    let generation = change.generation();
    remove(change.conn(), &webhook, generation).await?;
    let subject = Subject::new(Noun::Webhooks, id, &webhook.settings.name);
    change.note("delete", subject, Some(&summary(&webhook)), None)?;
    change.commit().await?;
    Ok(())
}

fn made(webhook: Webhook) -> MadeSigningKey {
    MadeSigningKey {
        webhook: summary(&webhook),
        signing_key: webhook.secret,
    }
}

async fn keep(
    change: &mut Change,
    verb: &'static str,
    after: &Webhook,
    before: Option<&Webhook>,
) -> Result<(), Error> {
    let name = &after.settings.name;
    accept(after.settings.faults())?;
    name_is_free::<Webhook>(change, name, after.id, WEBHOOK).await?;
    let generation = change.generation();
    put(change.conn(), after, generation).await?;
    let subject = Subject::new(Noun::Webhooks, after.id, name);
    change.note(
        verb,
        subject,
        before.map(summary).as_ref(),
        Some(&summary(after)),
    )
}
