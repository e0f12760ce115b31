//! Signing in and out, setting up, and one's own logins.
//!
//! In: names, passwords, the set-up link's token. Out: the login cookie, and pages.
//! Invariant: a wrong name and a wrong password look alike; a password is never written into a page.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use contract::id::{LoginId, UserId};
use contract::name::Name;
use contract::secret::Secret;
use http::header::{RETRY_AFTER, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::failure::id_in;
use super::form::Form;
use super::page::{Frame, Section};
use super::parts::{When, duration};
use super::theme::own_path;
use super::visitor::{Answer, Reader, Visitor, go, show};
use crate::app::{App, Error, From, logins, setup, users};
use crate::auth;

#[derive(Template)]
#[template(path = "logins/sign-in.html")]
struct SignInPage {
    frame: Frame,
    form: Form,
    refusal: Option<String>,
}

/// Asks who it is.
pub(crate) async fn ask(
    reader: Reader,
    query: axum::extract::Query<Vec<(String, String)>>,
) -> Response {
    let form: Form = query
        .0
        .into_iter()
        .filter(|(name, _)| name == "next")
        .collect();
    if reader.is_known() {
        return Redirect::to(own_path(form.value("next"))).into_response();
    }
    let frame = reader.frame(Section::Elsewhere);
    show(
        StatusCode::OK,
        &SignInPage {
            frame,
            form,
            refusal: None,
        },
    )
}

/// Signs in, and goes on to where the visitor wanted to be.
pub(crate) async fn sign_in(
    State(app): State<App>,
    reader: Reader,
    headers: HeaderMap,
    mut form: Form,
) -> Answer {
    let password = form.take_secret("password");
    let (status, refusal, retry_after) = match enter(
        &app,
        &headers,
        form.value("name"),
        password,
        reader.from.clone(),
    )
    .await
    {
        Ok(cookie) => {
            return Ok(with_cookie(
                Redirect::to(own_path(form.value("next"))).into_response(),
                cookie,
            ));
        }
        Err(Error::Unknown) => (
            StatusCode::UNAUTHORIZED,
            "The name or the password is wrong.".to_owned(),
            None,
        ),
        Err(Error::Busy { retry_after }) => {
            let seconds = retry_after.as_secs().max(1);
            let words = format!(
                "Too many tries. The lock ends by itself in {}.",
                duration(seconds * 1_000)
            );
            (StatusCode::TOO_MANY_REQUESTS, words, Some(seconds))
        }
        Err(error) => return Err(error.into()),
    };
    let frame = reader.frame(Section::Elsewhere);
    let mut response = show(
        status,
        &SignInPage {
            frame,
            form,
            refusal: Some(refusal),
        },
    );
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}

async fn enter(
    app: &App,
    headers: &HeaderMap,
    name: &str,
    password: Secret,
    from: From,
) -> Result<HeaderValue, Error> {
    let browser = headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let (secret, _) = logins::sign_in(app, name.trim(), password, browser, from).await?;
    Ok(auth::login_cookie(app, &secret))
}

fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}

/// Ends the login of this browser.
pub(crate) async fn sign_out(visitor: Visitor) -> Answer {
    if let Some(id) = visitor.caller.login_id() {
        logins::end(&visitor.app, &visitor.caller, id).await?;
    }
    Ok(with_cookie(
        go("/sign-in", "You are signed out."),
        auth::no_login_cookie(&visitor.app),
    ))
}

#[derive(Template)]
#[template(path = "logins/set-up.html")]
struct SetUpPage {
    frame: Frame,
    form: Form,
    token: String,
}

/// Shows the form behind the one-time link.
pub(crate) async fn ask_set_up(
    State(app): State<App>,
    reader: Reader,
    Path(token): Path<String>,
) -> Answer {
    if !setup::link_opens(&app, &token).await? {
        return Err(Error::NotFound {
            noun: "set-up link",
        }
        .into());
    }
    let frame = Frame {
        path: "/".to_owned(),
        ..reader.frame(Section::Elsewhere)
    };
    Ok(show(
        StatusCode::OK,
        &SetUpPage {
            frame,
            form: Form::default(),
            token,
        },
    ))
}

/// Makes the first administrator and signs in.
pub(crate) async fn set_up(
    State(app): State<App>,
    reader: Reader,
    Path(token): Path<String>,
    headers: HeaderMap,
    mut form: Form,
) -> Answer {
    let name = form.take::<Name>("name");
    let password = new_password(&mut form);
    if let (Some(name), Some(password)) = (name, password) {
        let made = setup::complete(
            &app,
            &token,
            name.clone(),
            password.clone(),
            reader.from.clone(),
        )
        .await;
        if form.answer(made)?.is_some() {
            let cookie = enter(&app, &headers, name.as_str(), password, reader.from).await?;
            return Ok(with_cookie(
                go(
                    "/",
                    "The server is set up. Next: make a cluster, then add an edge.",
                ),
                cookie,
            ));
        }
    }
    let frame = Frame {
        path: "/".to_owned(),
        ..reader.frame(Section::Elsewhere)
    };
    Ok(show(form.status(), &SetUpPage { frame, form, token }))
}

/// A new password that was typed twice alike.
pub(crate) fn new_password(form: &mut Form) -> Option<Secret> {
    let (first, again) = (form.take_secret("password"), form.take_secret("again"));
    if first != again {
        form.blame("again", "the two passwords differ");
    }
    form.is_sound().then_some(first)
}

/// A login as a line.
pub(crate) struct LoginRow {
    pub(crate) id: LoginId,
    pub(crate) browser: String,
    pub(crate) is_this: bool,
    pub(crate) address: String,
    pub(crate) created: When,
    pub(crate) seen: When,
    pub(crate) expires: When,
}

/// The logins of a user: the visitor's own, or anyone's for who manages access.
pub(crate) async fn rows(visitor: &Visitor, user_id: UserId) -> Result<Vec<LoginRow>, Error> {
    let now_ms = visitor.now_ms();
    let row = |login: logins::Login| LoginRow {
        is_this: visitor.caller.login_id() == Some(login.id),
        id: login.id,
        browser: browser_words(&login.user_agent),
        address: login.address,
        created: When::new(login.created_ms, now_ms),
        seen: When::new(login.seen_ms, now_ms),
        expires: When::new(login.expires_ms, now_ms),
    };
    let found = logins::list(&visitor.app, &visitor.caller, user_id).await?;
    Ok(found.into_iter().map(row).collect())
}

#[derive(Template)]
#[template(path = "logins/list.html")]
struct ListPage {
    frame: Frame,
    logins: Vec<LoginRow>,
    form: Form,
}

/// The visitor's own logins.
pub(crate) async fn list(visitor: Visitor) -> Answer {
    page(&visitor, Form::default()).await
}

async fn page(visitor: &Visitor, form: Form) -> Answer {
    let user_id = visitor.caller.user_id().ok_or(Error::Unknown)?;
    let logins = rows(visitor, user_id).await?;
    let frame = visitor.frame(Section::Elsewhere);
    Ok(show(
        form.status(),
        &ListPage {
            frame,
            logins,
            form,
        },
    ))
}

/// Ends a login: one of the visitor's own, or anyone's for who manages access.
pub(crate) async fn end(visitor: Visitor, Path(id): Path<String>, form: Form) -> Answer {
    let id: LoginId = id_in(&id)?;
    logins::end(&visitor.app, &visitor.caller, id).await?;
    if visitor.caller.login_id() == Some(id) {
        return Ok(with_cookie(
            go("/sign-in", "You are signed out."),
            auth::no_login_cookie(&visitor.app),
        ));
    }
    let form = form.or("back", "/logins");
    Ok(go(own_path(form.value("back")), "The login was ended."))
}

/// Changes the visitor's own password.
pub(crate) async fn change_password(visitor: Visitor, mut form: Form) -> Answer {
    let present = form.take_secret("present");
    if let Some(wanted) = new_password(&mut form) {
        let changed =
            users::change_own_password(&visitor.app, &visitor.caller, present, wanted).await;
        if form.answer(changed)?.is_some() {
            return Ok(go(
                "/logins",
                "Your password was changed. Your other logins were ended.",
            ));
        }
    }
    page(&visitor, form).await
}

/// The browser and system out of a `User-Agent`, as far as they are known.
fn browser_words(agent: &str) -> String {
    let first = |known: &[(&'static str, &'static str)]| {
        known
            .iter()
            .find(|(mark, _)| agent.contains(mark))
            .map(|(_, name)| *name)
    };
    // Edge and Chromium say that they are Chrome, and Chrome that it is Safari: the order tells them apart.
    let browser = first(&[
        ("Firefox/", "Firefox"),
        ("Edg/", "Microsoft Edge"),
        ("HeadlessChrome/", "Chrome without a window"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = first(&[
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) if agent.is_empty() => "Not named".to_owned(),
        (None, None) => agent.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture::Server;

    fn credentials(password: &str) -> [(&str, &str); 3] {
        [
            ("name", "operator"),
            ("password", password),
            ("next", "/users"),
        ]
    }

    #[tokio::test]
    async fn signing_in_leads_to_the_page_that_was_asked_for_and_out_again() {
        let server = Server::start().await;
        let turned_away = server.anonymous().get("/users").await;
        assert_eq!(
            (turned_away.status, turned_away.header("location")),
            (303, "/sign-in?next=/users")
        );
        assert_eq!(
            server.anonymous().submit("/users/new", &[]).await.status,
            401
        );
        let answer = server
            .anonymous()
            .submit("/sign-in", &credentials(Server::PASSWORD))
            .await;
        assert_eq!((answer.status, answer.header("location")), (303, "/users"));
        let browser = server.with_cookie(answer.header("set-cookie"));
        assert_eq!(browser.get("/users").await.status, 200);
        assert!(browser.get("/logins").await.text.contains("this one"));
        assert_eq!(browser.submit("/sign-out", &[]).await.status, 303);
        assert_eq!(browser.get("/users").await.status, 303);
    }

    #[tokio::test]
    async fn a_wrong_name_and_a_wrong_password_look_alike() {
        let server = Server::start().await;
        let wrong = server
            .anonymous()
            .submit("/sign-in", &credentials("wrong password"))
            .await;
        let unknown = server
            .anonymous()
            .submit(
                "/sign-in",
                &[("name", "operator2"), ("password", "wrong password")],
            )
            .await;
        assert_eq!((wrong.status, unknown.status), (401, 401));
        for page in [&wrong.text, &unknown.text] {
            assert!(
                page.contains("The name or the password is wrong.")
                    && !page.contains("wrong password\""),
                "{page}"
            );
        }
        let elsewhere = [
            ("name", "operator"),
            ("password", Server::PASSWORD),
            ("next", "//evil.example"),
        ];
        assert_eq!(
            server
                .anonymous()
                .submit("/sign-in", &elsewhere)
                .await
                .header("location"),
            "/"
        );
    }

    #[tokio::test]
    async fn c2_too_many_tries_are_told_when_to_come_again() {
        let server = Server::start().await;
        let mut last = server
            .anonymous()
            .submit("/sign-in", &credentials("wrong password"))
            .await;
        for _ in 0..20 {
            last = server
                .anonymous()
                .submit("/sign-in", &credentials("wrong password"))
                .await;
        }
        assert_eq!(last.status, 429);
        let wait_s: u64 = last.header("retry-after").parse().unwrap();
        assert!(last.text.contains("The lock ends by itself"));
        server
            .clock()
            .advance(std::time::Duration::from_secs(wait_s + 1));
        assert_eq!(
            server
                .anonymous()
                .submit("/sign-in", &credentials(Server::PASSWORD))
                .await
                .status,
            303
        );
    }

    #[tokio::test]
    async fn one_s_own_password_needs_the_present_one_and_the_new_one_twice() {
        let server = Server::start().await;
        let answer = server
            .anonymous()
            .submit("/sign-in", &credentials(Server::PASSWORD))
            .await;
        let browser = server.with_cookie(answer.header("set-cookie"));
        let sent = |present, password, again| {
            [
                ("present", present),
                ("password", password),
                ("again", again),
            ]
        };
        let differ = browser
            .submit(
                "/logins/password",
                &sent(Server::PASSWORD, "a new long one", "another long one"),
            )
            .await;
        assert!(differ.status == 422 && differ.text.contains("again-fault"));
        let wrong = browser
            .submit(
                "/logins/password",
                &sent("not it at all", "a new long one", "a new long one"),
            )
            .await;
        assert!(wrong.status == 422 && wrong.text.contains("present-fault"));
        let done = browser
            .submit(
                "/logins/password",
                &sent(Server::PASSWORD, "a new long one", "a new long one"),
            )
            .await;
        assert_eq!(done.status, 303);
        assert_eq!(
            server
                .anonymous()
                .submit("/sign-in", &credentials("a new long one"))
                .await
                .status,
            303
        );
    }

    #[tokio::test]
    async fn an_administrator_ends_anothers_login_and_an_operator_does_not() {
        let server = Server::start().await;
        let answer = server
            .anonymous()
            .submit("/sign-in", &credentials(Server::PASSWORD))
            .await;
        let browser = server.with_cookie(answer.header("set-cookie"));
        let id = server.user_id("operator").await;
        let page = server.administrator().get(&format!("/users/{id}")).await;
        let end = page
            .text
            .split("action=\"/logins/")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap();
        let (end, back) = (format!("/logins/{end}"), format!("/users/{id}"));
        assert_eq!(server.auditor().submit(&end, &[]).await.status, 403);
        let ended = server
            .administrator()
            .submit(&end, &[("back", &back)])
            .await;
        assert_eq!(
            (ended.status, ended.header("location")),
            (303, back.as_str())
        );
        assert_eq!(browser.get("/users").await.status, 303);
    }

    #[tokio::test]
    async fn a_set_up_link_that_does_not_open_says_so() {
        let server = Server::start().await;
        let answer = server.anonymous().get("/setup/nonsense").await;
        assert_eq!(answer.status, 404);
        assert!(answer.text.contains("set-up link"));
    }

    #[test]
    fn names_a_browser_in_words() {
        let table = [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130 Safari/537.36 Edg/130",
                "Microsoft Edge on Windows",
            ),
            ("curl/7.88.1", "curl"),
            ("", "Not named"),
            ("<script>", "<script>"),
        ];
        for (agent, expected) in table {
            assert_eq!(browser_words(agent), expected);
        }
    }
}
