//! API tokens: list, make, revoke.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use contract::id::ApiTokenId;
use contract::name::Name;
use http::StatusCode;

use super::confirm::Confirm;
use super::failure::{Failure, id_in};
use super::form::{Choice, Form};
use super::page::{Frame, Section};
use super::parts::When;
use super::secret::{Line, SecretPage};
use super::users::roles;
use super::visitor::{Answer, Visitor, go, show};
use crate::app::tokens::{self, NewApiToken};
use crate::app::users::Role;
use crate::app::{Permission, Window};

struct TokenRow {
    id: ApiTokenId,
    name: Name,
    role: Role,
    created: When,
    used: Option<When>,
    expires: Option<When>,
}

#[derive(Template)]
#[template(path = "tokens/list.html")]
struct ListPage {
    frame: Frame,
    api_url: String,
    tokens: Vec<TokenRow>,
}

/// All API tokens.
pub(crate) async fn list(visitor: Visitor) -> Answer {
    let when = |at_ms| When::new(at_ms, visitor.now_ms());
    let tokens = tokens::list(&visitor.app, &visitor.caller, &Window::whole())
        .await?
        .items
        .into_iter()
        .map(|token| TokenRow {
            id: token.id,
            name: token.name,
            role: token.role,
            created: when(token.created_ms),
            used: token.used_ms.map(when),
            expires: token.expires_ms.map(when),
        })
        .collect();
    let api_url = format!("{}api/v1/", visitor.app.public_url());
    Ok(show(
        StatusCode::OK,
        &ListPage {
            frame: visitor.frame(Section::Tokens),
            api_url,
            tokens,
        },
    ))
}

const LIVES: [(&str, &str); 5] = [
    ("86400", "One day"),
    ("2592000", "30 days"),
    ("7776000", "90 days"),
    ("31536000", "One year"),
    ("", "Until it is revoked"),
];

#[derive(Template)]
#[template(path = "tokens/new.html")]
struct NewPage {
    frame: Frame,
    roles: Vec<Choice>,
    lives: Vec<Choice>,
    form: Form,
}

impl NewPage {
    fn respond(visitor: &Visitor, form: Form) -> Response {
        let lives = LIVES
            .into_iter()
            .map(|(value, label)| Choice::new(value, label))
            .collect();
        let status = form.status();
        show(
            status,
            &Self {
                frame: visitor.frame(Section::Tokens),
                roles: roles(),
                lives,
                form,
            },
        )
    }
}

/// The empty form.
pub(crate) async fn ask_create(visitor: Visitor) -> Answer {
    visitor.caller.needs(Permission::ManageAccess)?;
    Ok(NewPage::respond(
        &visitor,
        Form::default()
            .with("role", Role::Auditor)
            .with("life_s", "7776000"),
    ))
}

/// Makes a token and shows its secret once.
pub(crate) async fn create(visitor: Visitor, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ManageAccess)?;
    let (name, role, life_s) = (
        form.take("name"),
        form.take("role"),
        form.take_optional("life_s"),
    );
    if let (Some(name), Some(role), true) = (name, role, form.is_sound()) {
        let made = tokens::create(
            &visitor.app,
            &visitor.caller,
            NewApiToken { name, role, life_s },
        )
        .await;
        if let Some(made) = form.answer(made)? {
            return Ok(shown_once(&visitor, &made));
        }
    }
    Ok(NewPage::respond(&visitor, form))
}

fn shown_once(visitor: &Visitor, made: &tokens::MadeApiToken) -> Response {
    let secret = made.secret.expose();
    let example = format!(
        "curl -H 'Authorization: Bearer {secret}' {}api/v1/edges",
        visitor.app.public_url()
    );
    SecretPage {
        frame: visitor.frame(Section::Tokens),
        title: format!("API token {}", made.token.name),
        warning: "The server keeps only a fingerprint of it; it cannot be shown again.",
        lines: vec![
            Line {
                label: "Token",
                text: secret.to_owned(),
                help: String::new(),
            },
            Line {
                label: "To try it",
                text: example,
                help: "Lists the edges.".to_owned(),
            },
        ],
        back: "/tokens".to_owned(),
        back_name: "API tokens",
        done: "I have copied it",
    }
    .respond()
}

/// Asks before revoking.
pub(crate) async fn ask_revoke(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let id = id_in(&id)?;
    let tokens = tokens::list(&visitor.app, &visitor.caller, &Window::whole())
        .await?
        .items;
    let token = tokens
        .into_iter()
        .find(|token| token.id == id)
        .ok_or_else(Failure::no_page)?;
    Ok(Confirm {
        frame: visitor.frame(Section::Tokens),
        title: format!("Revoke {}?", token.name),
        lines: vec![
            "What uses this token is refused from now on. A revoked token cannot be given back."
                .to_owned(),
        ],
        button: "Revoke the token".to_owned(),
        gentle: false,
        action: format!("/tokens/{id}/revoke"),
        hidden: Vec::new(),
        back: "/tokens".to_owned(),
        back_name: "API tokens",
        conflict: None,
    }
    .respond())
}

/// Revokes a token.
pub(crate) async fn revoke(visitor: Visitor, Path(id): Path<String>) -> Answer {
    tokens::revoke(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    Ok(go("/tokens", "The token was revoked."))
}

#[cfg(test)]
mod tests {
    use crate::fixture::Server;

    #[tokio::test]
    async fn a_token_is_shown_once_and_opens_the_api() {
        let server = Server::start().await;
        let new = [
            ("name", "nightly"),
            ("role", "auditor"),
            ("life_s", "86400"),
        ];
        let made = server.administrator().submit("/tokens/new", &new).await;
        assert_eq!(made.status, 201);
        let secret = made
            .text
            .split("Bearer ")
            .nth(1)
            .and_then(|rest| rest.split('&').next())
            .unwrap_or_default();
        assert!(secret.starts_with("weir_"), "{secret}");
        assert_eq!(
            server.with_token(secret).get("/api/v1/users").await.status,
            200
        );
        let list = server.administrator().get("/tokens").await;
        assert!(list.text.contains("nightly") && !list.text.contains(secret));
        let again = server.administrator().submit("/tokens/new", &new).await;
        assert!(again.status == 409 && again.text.contains("value=\"nightly\""));
    }

    #[tokio::test]
    async fn c1_other_roles_neither_see_nor_make_tokens() {
        let server = Server::start().await;
        for someone in [server.operator(), server.auditor()] {
            assert_eq!(someone.get("/tokens").await.status, 403);
            assert_eq!(
                someone
                    .submit("/tokens/new", &[("name", "x"), ("role", "administrator")])
                    .await
                    .status,
                403
            );
        }
    }
}
