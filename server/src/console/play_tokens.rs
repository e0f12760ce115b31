//! Making a play token: a signed right that is shown once and not stored.

use askama::Template;
use axum::response::Response;
use contract::facts::Action;
use contract::key_set::Algorithm;
use http::StatusCode;

use super::form::{Choice, Form};
use super::names::Names;
use super::page::{Frame, Section};
use super::secret::{Line, SecretPage};
use super::visitor::{Answer, Visitor, show};
use crate::app::key_sets;
use crate::app::play_tokens::{self, MadePlayToken, NewPlayToken};
use crate::app::{Permission, Window};

const LIVES: [(&str, &str); 5] = [
    ("3600", "One hour"),
    ("86400", "One day"),
    ("604800", "7 days"),
    ("2592000", "30 days"),
    ("31536000", "One year"),
];

#[derive(Template)]
#[template(path = "play_tokens/new.html")]
struct NewPage {
    frame: Frame,
    actions: Vec<Choice>,
    lives: Vec<Choice>,
    clients: Vec<Choice>,
    key_sets: Vec<Choice>,
    form: Form,
}

impl NewPage {
    async fn respond(visitor: &Visitor, form: Form) -> Answer {
        let names = Names::read(visitor).await?;
        let mut clients = vec![Choice::new("", "None: its bearer stays unknown")];
        clients.extend(names.client_choices());
        let mut key_sets = vec![Choice::new("", "The server’s own key")];
        let known = key_sets::list(&visitor.app, &visitor.caller, &Window::whole()).await?;
        let signs = |key: &key_sets::KeySummary| key.algorithm == Algorithm::Hs256;
        key_sets.extend(
            known
                .items
                .into_iter()
                .filter(|set| set.settings.enabled && set.keys.iter().any(signs))
                .map(|set| Choice::new(set.id, format!("{}, as a JWT", set.settings.name))),
        );
        let page = Self {
            frame: visitor.frame(Section::Clients),
            actions: vec![
                Choice::new("play", "Play"),
                Choice::new("publish", "Publish"),
            ],
            lives: LIVES
                .into_iter()
                .map(|(value, label)| Choice::new(value, label))
                .collect(),
            clients,
            key_sets,
            form,
        };
        let status: StatusCode = page.form.status();
        Ok(show(status, &page))
    }
}

/// Asks what it is a right to.
pub(crate) async fn ask_create(visitor: Visitor) -> Answer {
    visitor.caller.needs(Permission::MakeSecrets)?;
    let form = Form::default()
        .with("action", "play")
        .with("app", "live")
        .with("stream", "*")
        .with("life_s", "86400");
    NewPage::respond(&visitor, form).await
}

/// Makes a token and shows it once.
pub(crate) async fn create(visitor: Visitor, mut form: Form) -> Answer {
    visitor.caller.needs(Permission::MakeSecrets)?;
    let action = match form.value("action") {
        "play" => Some(Action::Play),
        "publish" => Some(Action::Publish),
        _ => None,
    };
    if action.is_none() {
        form.blame("action", "choose whether it allows to play or to publish");
    }
    let (app, stream) = (form.take("app"), form.take("stream"));
    let life_s = form.take_number("life_s", "choose how long it lasts");
    let (addr, client) = (form.take_optional("addr"), form.take_optional("client"));
    let (uses, key_set) = (form.take_optional("uses"), form.take_optional("key_set"));
    if let (Some(app), Some(stream), Some(action), Some(life_s), true) =
        (app, stream, action, life_s, form.is_sound())
    {
        let new = NewPlayToken {
            app,
            stream,
            action,
            life_s,
            addr,
            client,
            uses,
            key_set,
        };
        let made = play_tokens::create(&visitor.app, &visitor.caller, new).await;
        if let Some(made) = form.answer(made)? {
            return Ok(shown_once(&visitor, &made));
        }
    }
    NewPage::respond(&visitor, form).await
}

fn shown_once(visitor: &Visitor, made: &MadePlayToken) -> Response {
    let (token, secret) = (&made.token, made.secret.expose());
    let url = format!(
        "rtmp://EDGE/{}/{}?{}={secret}",
        token.app, token.stream, made.parameter
    );
    SecretPage {
        frame: visitor.frame(Section::Clients),
        title: "Play token".to_owned(),
        warning: "It is not stored, so it cannot be shown again or taken back.",
        lines: vec![
            Line {
                label: "Token",
                text: secret.to_owned(),
                help: format!(
                    "A right to {} {}/{}.",
                    token.action.as_str(),
                    token.app,
                    token.stream
                ),
            },
            Line {
                label: "In an address",
                text: url,
                help: "Put the edge in, and names where there is a star.".to_owned(),
            },
        ],
        back: "/clients".to_owned(),
        back_name: "Clients",
        done: "I have copied it",
    }
    .respond()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::fixture::Server;

    #[tokio::test]
    async fn a_play_token_is_shown_once_and_faults_keep_the_form() {
        let server = Server::start().await;
        let fields = [
            ("action", "play"),
            ("app", "live"),
            ("stream", "cam*"),
            ("life_s", "3600"),
        ];
        let made = server
            .administrator()
            .submit("/play-tokens/new", &fields)
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert!(
            made.text.contains("weirplay1.") && made.text.contains("/live/cam*?token="),
            "{}",
            made.text
        );
        let wrong = [
            ("action", "steal"),
            ("app", ""),
            ("stream", "x"),
            ("life_s", "soon"),
            ("addr", "nowhere"),
        ];
        let answer = server
            .administrator()
            .submit("/play-tokens/new", &wrong)
            .await;
        assert_eq!(answer.status, 422);
        for said in [
            "action-fault",
            "app-fault",
            "life_s-fault",
            "addr-fault",
            "value=\"nowhere\"",
        ] {
            assert!(answer.text.contains(said), "lacks {said}");
        }
        assert_eq!(
            server
                .operator()
                .submit("/play-tokens/new", &fields)
                .await
                .status,
            403
        );
    }
}
