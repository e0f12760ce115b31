//! People who sign in: list, add, change, set a password, delete.

use askama::Template;
use axum::extract::Path;
use contract::id::UserId;
use contract::name::Name;
use http::StatusCode;

use super::confirm::Confirm;
use super::failure::id_in;
use super::form::{Choice, Form};
use super::logins::{LoginRow, rows};
use super::page::{Frame, Section};
use super::parts::When;
use super::visitor::{Answer, Visitor, go, show};
use crate::app::users::{self, NewUser, Role, UserChange};
use crate::app::{Permission, Window};

/// What a role may do, in a sentence.
pub(crate) fn meaning(role: Role) -> &'static str {
    match role {
        Role::Administrator => "Changes everything.",
        Role::Operator => "Watches, ends sessions, drains edges.",
        Role::Auditor => "Reads everything, changes nothing.",
    }
}

/// The roles as choices.
pub(crate) fn roles() -> Vec<Choice> {
    Role::ALL
        .into_iter()
        .map(|role| Choice::new(role, capitalized(role.as_str())).meaning(meaning(role)))
        .collect()
}

/// The same word with a capital first letter.
pub(crate) fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

struct UserRow {
    id: UserId,
    name: Name,
    is_self: bool,
    role: Role,
    meaning: &'static str,
    created: When,
}

#[derive(Template)]
#[template(path = "users/list.html")]
struct ListPage {
    frame: Frame,
    may_manage: bool,
    users: Vec<UserRow>,
}

/// All users.
pub(crate) async fn list(visitor: Visitor) -> Answer {
    let now_ms = visitor.now_ms();
    let users = users::list(&visitor.app, &visitor.caller, &Window::whole())
        .await?
        .items
        .into_iter()
        .map(|user| UserRow {
            is_self: visitor.caller.user_id() == Some(user.id),
            id: user.id,
            name: user.name,
            role: user.role,
            meaning: meaning(user.role),
            created: When::new(user.created_ms, now_ms),
        })
        .collect();
    let frame = visitor.frame(Section::Users);
    Ok(show(
        StatusCode::OK,
        &ListPage {
            frame,
            may_manage: visitor.may(Permission::ManageAccess),
            users,
        },
    ))
}

#[derive(Template)]
#[template(path = "users/edit.html")]
struct EditPage {
    frame: Frame,
    title: String,
    action: String,
    is_new: bool,
    roles: Vec<Choice>,
    logins: Vec<LoginRow>,
    form: Form,
}

impl EditPage {
    async fn respond(visitor: &Visitor, known: Option<(UserId, String)>, form: Form) -> Answer {
        let logins = match &known {
            Some((id, _)) => rows(visitor, *id).await?,
            None => Vec::new(),
        };
        let frame = visitor.frame(Section::Users);
        let is_new = known.is_none();
        let (title, action) = match known {
            Some((id, name)) => (name, format!("/users/{id}")),
            None => ("Add a user".to_owned(), "/users/new".to_owned()),
        };
        let page = Self {
            frame,
            title,
            action,
            is_new,
            roles: roles(),
            logins,
            form,
        };
        Ok(show(page.form.status(), &page))
    }
}

/// The empty form.
pub(crate) async fn ask_create(visitor: Visitor) -> Answer {
    visitor.caller.needs(Permission::ManageAccess)?;
    EditPage::respond(&visitor, None, Form::default().with("role", Role::Operator)).await
}

/// Makes a user.
pub(crate) async fn create(visitor: Visitor, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ManageAccess)?;
    let (name, role, password) = (
        form.take("name"),
        form.take("role"),
        form.take_secret("password"),
    );
    if let (Some(name), Some(role)) = (name, role) {
        let made = users::create(
            &visitor.app,
            &visitor.caller,
            NewUser {
                name,
                role,
                password,
            },
        )
        .await;
        if let Some(user) = form.answer(made)? {
            return Ok(go("/users", format!("{} can sign in now.", user.name)));
        }
    }
    EditPage::respond(&visitor, None, form).await
}

/// One user's form.
pub(crate) async fn show_one(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::ManageAccess)?;
    let user = users::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let form = Form::default()
        .with("name", &user.name)
        .with("role", user.role);
    EditPage::respond(&visitor, Some((user.id, user.name.to_string())), form).await
}

/// Changes name and role.
pub(crate) async fn update(visitor: Visitor, Path(id): Path<String>, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::ManageAccess)?;
    let user = users::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let wanted = UserChange {
        name: form.take("name"),
        role: form.take("role"),
        password: None,
    };
    if form.is_sound() {
        let changed = users::update(&visitor.app, &visitor.caller, user.id, wanted).await;
        if let Some(user) = form.answer(changed)? {
            return Ok(go("/users", format!("{} was changed.", user.name)));
        }
    }
    EditPage::respond(&visitor, Some((user.id, user.name.to_string())), form).await
}

/// Sets another password.
pub(crate) async fn set_password(
    visitor: Visitor,
    Path(id): Path<String>,
    mut form: Form,
) -> Answer {
    visitor.caller.needs(Permission::ManageAccess)?;
    let user = users::show(&visitor.app, &visitor.caller, id_in(&id)?).await?;
    let wanted = UserChange {
        password: Some(form.take_secret("password")),
        ..UserChange::default()
    };
    let changed = users::update(&visitor.app, &visitor.caller, user.id, wanted).await;
    if form.answer(changed)?.is_some() {
        return Ok(go(
            "/users",
            format!(
                "{} has a new password. The logins made with the old one were ended.",
                user.name
            ),
        ));
    }
    let form = form.with("name", &user.name).with("role", user.role);
    EditPage::respond(&visitor, Some((user.id, user.name.to_string())), form).await
}

async fn question(visitor: &Visitor, id: UserId, conflict: Option<String>) -> Answer {
    let user = users::show(&visitor.app, &visitor.caller, id).await?;
    Ok(Confirm {
        frame: visitor.frame(Section::Users),
        title: format!("Delete {}?", user.name),
        lines: vec![
            "All logins of this user end at once. What the user did stays in the audit.".to_owned(),
        ],
        button: "Delete the user".to_owned(),
        gentle: false,
        action: format!("/users/{id}/delete"),
        hidden: Vec::new(),
        back: format!("/users/{id}"),
        back_name: "Back to the user",
        conflict,
    }
    .respond())
}

/// Asks before deleting.
pub(crate) async fn ask_delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    visitor.caller.needs(Permission::ManageAccess)?;
    question(&visitor, id_in(&id)?, None).await
}

/// Deletes a user.
pub(crate) async fn delete(visitor: Visitor, Path(id): Path<String>) -> Answer {
    let id = id_in(&id)?;
    let mut form = Form::default();
    let deleted = users::delete(&visitor.app, &visitor.caller, id).await;
    if form.answer(deleted)?.is_some() {
        return Ok(go("/users", "The user was deleted."));
    }
    question(&visitor, id, form.conflict().map(str::to_owned)).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::fixture::Server;

    const NEW: [(&str, &str); 3] = [
        ("name", "Noor"),
        ("role", "operator"),
        ("password", "a long sentence"),
    ];

    #[tokio::test]
    async fn c1_only_an_administrator_sees_and_sends_the_forms() {
        let server = Server::start().await;
        for someone in [server.operator(), server.auditor()] {
            assert_eq!(someone.get("/users").await.status, 200);
            assert!(!someone.get("/users").await.text.contains("/users/new"));
            assert_eq!(someone.get("/users/new").await.status, 403);
            let refused = someone.submit("/users/new", &NEW).await;
            assert_eq!(refused.status, 403);
            assert!(
                refused.text.contains("manage users and API tokens"),
                "{}",
                refused.text
            );
        }
        assert!(
            !server
                .administrator()
                .get("/users")
                .await
                .text
                .contains("Noor")
        );
        assert_eq!(
            server
                .administrator()
                .submit("/users/new", &NEW)
                .await
                .status,
            303
        );
        assert!(
            server
                .administrator()
                .get("/users")
                .await
                .text
                .contains("Noor")
        );
    }

    #[tokio::test]
    async fn a_form_with_faults_keeps_what_was_typed_but_no_password() {
        let server = Server::start().await;
        let answer = server
            .administrator()
            .submit(
                "/users/new",
                &[
                    ("name", "<b>Noor"),
                    ("role", "king"),
                    ("password", "tooshort9"),
                ],
            )
            .await;
        assert_eq!(answer.status, 422);
        assert!(
            answer.text.contains("&#60;b&#62;Noor") && !answer.text.contains("<b>Noor"),
            "{}",
            answer.text
        );
        assert!(answer.text.contains("role-fault"), "{}", answer.text);
        assert!(!answer.text.contains("tooshort9"));
        let answer = server
            .administrator()
            .submit(
                "/users/new",
                &[
                    ("name", "Noor"),
                    ("role", "operator"),
                    ("password", "tooshort9"),
                ],
            )
            .await;
        assert!(answer.text.contains("password-fault"), "{}", answer.text);
    }

    #[tokio::test]
    async fn the_last_administrator_stays() {
        let server = Server::start().await;
        let id = server.user_id("administrator").await;
        let answer = server
            .administrator()
            .submit(&format!("/users/{id}/delete"), &[])
            .await;
        assert_eq!(answer.status, 409);
        assert!(answer.text.contains("last administrator"));
        let question = server
            .administrator()
            .get(&format!("/users/{id}/delete"))
            .await;
        assert_eq!(question.status, 200);
        assert!(
            server
                .administrator()
                .get("/users/user_nonsense")
                .await
                .status
                == 404
        );
    }
}
