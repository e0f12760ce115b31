//! Verbs on key sets: list, show, create, update, delete. Keys go in as text and are never shown
//! again: what is listed of them is their name, their algorithm and, of public ones, a fingerprint.

use contract::id::{ClusterId, KeySetId};
use contract::key_set::{Algorithm, KeySet, TokenKey, read};
use contract::name::Name;
use contract::secret::Secret;
use serde::{Deserialize, Serialize};

use super::change::{Change, Noun, Subject};
use super::error::accept;
use super::record::{name_is_free, present};
use super::routes::cluster_fault;
use super::{App, Caller, Error, Listing, Permission, Window, record};
use crate::store::record::{Scoped, put, remove};

const KEY_SET: &str = "key set";

/// A key set without its keys' material.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeySetSummary {
    /// Its id.
    pub id: KeySetId,
    /// What can be changed of it.
    #[serde(flatten)]
    pub settings: KeySetSettings,
    /// Its keys, in the order in which they are tried; the first shared secret signs tokens that the
    /// server makes.
    pub keys: Vec<KeySummary>,
}

/// What can be changed of a key set, but its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySetSettings {
    /// Whose it is; nothing means every cluster's.
    pub cluster: Option<ClusterId>,
    /// What people call it.
    pub name: Name,
    /// Tokens of a set that is not enabled are not accepted.
    pub enabled: bool,
    /// What `iss` must say; nothing does not ask.
    pub issuer: Option<String>,
    /// What must be among `aud`; nothing does not ask.
    pub audience: Option<String>,
}

/// What is shown of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeySummary {
    /// The name by which tokens choose it.
    pub kid: Option<String>,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// By what people tell public keys apart; a shared secret has none.
    pub fingerprint: Option<String>,
}

/// What becomes of a set's keys.
#[derive(Debug, Clone)]
pub enum NewKeys {
    /// They stay.
    Keep,
    /// These, as text, stand before them: during a rotation both are valid.
    Add(Secret),
    /// These, as text, instead of them.
    Replace(Secret),
}

impl KeySetSettings {
    /// Settings to begin a new set from: enabled, of every cluster, asking no issuer or audience.
    #[must_use]
    pub fn blank(name: Name) -> Self {
        Self {
            cluster: None,
            name,
            enabled: true,
            issuer: None,
            audience: None,
        }
    }
}

fn summary(Scoped { cluster, it }: &Scoped<KeySet>) -> KeySetSummary {
    KeySetSummary {
        id: it.id,
        settings: settings(*cluster, it),
        keys: it
            .keys
            .iter()
            .map(|key| KeySummary {
                kid: key.kid.clone(),
                algorithm: key.algorithm,
                fingerprint: key.fingerprint(),
            })
            .collect(),
    }
}

fn settings(cluster: Option<ClusterId>, it: &KeySet) -> KeySetSettings {
    KeySetSettings {
        cluster,
        name: it.name.clone(),
        enabled: it.enabled,
        issuer: it.issuer.clone(),
        audience: it.audience.clone(),
    }
}

/// Lists key sets by name.
///
/// # Errors
/// [`Error::Denied`].
pub async fn list(
    app: &App,
    caller: &Caller,
    window: &Window,
) -> Result<Listing<KeySetSummary>, Error> {
    let list = record::list(app, caller, window, |set: &Scoped<KeySet>| {
        set.it.name.to_string()
    })
    .await?;
    Ok(Listing {
        items: list.items.iter().map(summary).collect(),
        next: list.next,
    })
}

/// One key set.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn show(app: &App, caller: &Caller, id: KeySetId) -> Result<KeySetSummary, Error> {
    let set = record::show(app, caller, id, KEY_SET).await?;
    Ok(summary(&set))
}

/// Makes a key set of keys as text: a JWKS, a JWK, PEM, or a shared secret.
///
/// # Errors
/// [`Error::Denied`], [`Error::Invalid`], [`Error::Conflict`] when the name is taken.
pub async fn create(
    app: &App,
    caller: &Caller,
    settings: KeySetSettings,
    keys: &Secret,
) -> Result<KeySetSummary, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let set = with_settings(KeySetId::new(), settings, keys_of(keys)?);
    keep(&mut change, "create", &set, None).await?;
    change.commit().await?;
    Ok(summary(&set))
}

/// Changes a key set: `edit` makes of its settings what they shall be.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`] when the name is
/// taken, and what `edit` says.
pub async fn update(
    app: &App,
    caller: &Caller,
    id: KeySetId,
    edit: impl FnOnce(KeySetSettings) -> Result<KeySetSettings, Error> + Send,
    new: NewKeys,
) -> Result<KeySetSummary, Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let before: Scoped<KeySet> = present(&mut change, id, KEY_SET).await?;
    let keys = match new {
        NewKeys::Keep => before.it.keys.clone(),
        NewKeys::Replace(text) => keys_of(&text)?,
        NewKeys::Add(text) => {
            let mut keys = keys_of(&text)?;
            keys.extend(before.it.keys.iter().cloned());
            keys
        }
    };
    let wanted = edit(settings(before.cluster, &before.it))?;
    let after = with_settings(id, wanted, keys);
    keep(&mut change, "update", &after, Some(&before)).await?;
    change.commit().await?;
    Ok(summary(&after))
}

/// Removes a key set. Clients that its tokens let in are judged again, and end where the route asks
/// for a token.
///
/// # Errors
/// [`Error::Denied`], [`Error::NotFound`].
pub async fn delete(app: &App, caller: &Caller, id: KeySetId) -> Result<(), Error> {
    let mut change = Change::begin(app, caller, Permission::ChangeSettings).await?;
    let set: Scoped<KeySet> = present(&mut change, id, KEY_SET).await?;
    let generation = change.generation();
    remove(change.conn(), &set, generation).await?;
    let subject = Subject::new(Noun::KeySets, id, &set.it.name);
    change.note("delete", subject, Some(&summary(&set)), None)?;
    change.commit().await?;
    Ok(())
}

fn keys_of(text: &Secret) -> Result<Vec<TokenKey>, Error> {
    read(text.expose()).map_err(|fault| Error::field("keys", fault))
}

fn with_settings(id: KeySetId, settings: KeySetSettings, keys: Vec<TokenKey>) -> Scoped<KeySet> {
    let KeySetSettings {
        cluster,
        name,
        enabled,
        issuer,
        audience,
    } = settings;
    let it = KeySet {
        id,
        name,
        enabled,
        issuer,
        audience,
        keys,
    };
    Scoped { cluster, it }
}

async fn keep(
    change: &mut Change,
    verb: &'static str,
    after: &Scoped<KeySet>,
    before: Option<&Scoped<KeySet>>,
) -> Result<(), Error> {
    let mut faults = after.it.faults();
    faults.extend(cluster_fault(change, after.cluster).await?);
    accept(faults)?;
    name_is_free::<Scoped<KeySet>>(change, &after.it.name, after.it.id, KEY_SET).await?;
    let generation = change.generation();
    put(change.conn(), after, generation).await?;
    let subject = Subject::new(Noun::KeySets, after.it.id, &after.it.name);
    change.note(
        verb,
        subject,
        before.map(summary).as_ref(),
        Some(&summary(after)),
    )
}
