//! A session whose route asks an application.

use contract::webhook::{Webhook, WebhookEvent, WebhookSettings};

use super::*;
use crate::admission::webhook::Word;

pub(super) fn asking(events: &[WebhookEvent]) -> Settings {
    let mut settings = fixture::settings();
    let url = "http://app.example/hook".parse().unwrap();
    let webhook = Webhook {
        id: contract::id::WebhookId::from_bits(1),
        settings: WebhookSettings {
            events: events.to_vec(),
            ..WebhookSettings::blank("hook".parse().unwrap(), url)
        },
        secret: contract::secret::Secret::new("hush"),
    };
    for route in &mut settings.snapshot.routes {
        route.webhook = Some(webhook.id);
    }
    settings.snapshot.webhooks = vec![webhook];
    settings
}

pub(super) fn word(refuses: Option<Reason>) -> Word {
    Word {
        refuses,
        detail: Some("because".to_owned()),
        client: Some("encoder".to_owned()),
    }
}

impl Pair {
    fn asked(&self) -> Vec<WebhookEvent> {
        let asked = |wish: &Output| match wish {
            Output::Ask(inquiry) => Some(inquiry.question.event),
            _ => None,
        };
        self.wishes.iter().filter_map(asked).collect()
    }

    pub(super) fn answer(&mut self, word: Word) {
        self.edge.answered(word, &self.settings.door());
        self.exchange();
    }

    fn wants_a_stream(&self) -> bool {
        let wanted = |wish: &Output| matches!(wish, Output::Subscribe(..) | Output::Publish(..));
        self.wishes.iter().any(wanted)
    }
}

#[test]
fn nothing_is_said_or_fetched_before_the_word_and_what_came_since_is_done_after_it() {
    use WebhookEvent::{Connect, Play, Publish};
    let mut pair = pair(asking(&[Connect, Play, Publish]), "live?key=1");
    assert_eq!(pair.asked(), [Connect]);
    assert!(pair.heard.is_empty() && !pair.edge.is_admitted());
    // It does not wait for the answer to `connect`.
    pair.play("s?token=mine");
    assert!(!pair.wants_a_stream());
    pair.answer(word(None));
    assert_eq!(pair.asked(), [Connect, Play]);
    let Some(Output::Ask(inquiry)) = pair.wishes.last() else {
        panic!("{:?}", pair.wishes)
    };
    let question = &inquiry.question;
    assert_eq!(question.app.as_deref(), Some("live"));
    assert_eq!(question.stream.as_deref(), Some("s"));
    // What is between the client and the application goes there.
    let query = question.query.as_deref().unwrap_or_default();
    assert!(query.contains("token=mine"), "{query}");
    assert!(!pair.wants_a_stream());
    pair.answer(word(None));
    assert!(pair.wants_a_stream() && pair.edge.is_admitted());
    let mut record = blank_record();
    pair.edge.describe(&mut record);
    assert_eq!(record.client, Some(fixture::ENCODER));
}

#[test]
fn a_word_against_it_refuses_where_it_was_asked() {
    let denied = Some(Reason::DeniedByWebhook);
    let mut refused = pair(asking(&[WebhookEvent::Connect]), "live");
    refused.answer(word(denied));
    assert_eq!(refused.closed_for(), denied);
    assert_eq!(refused.last_status().0, "NetConnection.Connect.Rejected");

    let mut refused = pair(asking(&[WebhookEvent::Publish]), "live");
    refused.publish("s");
    refused.answer(word(Some(Reason::WebhookSilent)));
    assert_eq!(refused.closed_for(), Some(Reason::WebhookSilent));
    let (code, description) = refused.last_status();
    assert_eq!(code, "NetStream.Publish.BadName");
    // Why is for the record.
    assert!(description.contains("decision_") && !description.contains("because"));
    assert!(refused.wishes.iter().any(|wish| matches!(
        wish,
        Output::Close(closing) if closing.detail.as_deref() == Some("because")
    )));
    assert!(!refused.wants_a_stream());
}

#[test]
fn who_was_not_asked_about_at_connect_is_asked_about_at_the_stream() {
    let check = |app: &str, name: &str, events: &[WebhookEvent], expected: &[WebhookEvent]| {
        let mut pair = pair(asking(events), app);
        if !pair.asked().is_empty() {
            pair.answer(word(None));
        }
        pair.play(name);
        assert_eq!(pair.asked(), expected, "{app} {name} {events:?}");
    };
    use WebhookEvent::{Connect, Play, Publish};
    check("live", "s", &[Connect], &[Connect]);
    check("live", "s", &[Play], &[Play]);
    check("live", "s", &[Publish], &[]);
    // There is no route before the stream's name completes the address.
    check("?rtmp:/", "origin.example/live/s", &[Connect], &[Play]);
}

#[test]
fn a_session_is_not_asked_about_again_when_settings_change() {
    let mut pair = pair(asking(&[WebhookEvent::Play]), "live");
    pair.play("s");
    pair.answer(word(None));
    pair.edge.rejudge(&pair.settings.door());
    pair.exchange();
    assert_eq!(pair.asked().len(), 1);
    assert_eq!(pair.closed_for(), None);
}

#[test]
fn a_rule_that_changed_meanwhile_holds_against_a_good_word() {
    let deny = |pair: &mut Pair| {
        let network = json!([{"kind": "network", "networks": ["192.0.2.0/24"]}]);
        pair.settings.snapshot.rules = vec![fixture::deny(network)];
        pair.answer(word(None));
    };
    let mut playing = pair(asking(&[WebhookEvent::Play]), "live");
    playing.play("s");
    deny(&mut playing);
    assert_eq!(playing.closed_for(), Some(Reason::DeniedByRule));
    assert!(!playing.wants_a_stream());

    let mut connecting = pair(asking(&[WebhookEvent::Connect]), "live");
    deny(&mut connecting);
    assert_eq!(connecting.closed_for(), Some(Reason::NoLongerAllowed));
}

#[test]
fn one_that_ends_meanwhile_hears_no_word() {
    let mut pair = pair(asking(&[WebhookEvent::Play]), "live");
    pair.play("s");
    pair.edge.end(Reason::EndedByOperator);
    pair.answer(word(None));
    assert_eq!(pair.closed_for(), Some(Reason::EndedByOperator));
    assert!(!pair.wants_a_stream());
}
