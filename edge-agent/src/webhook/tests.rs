//! How applications are asked, against a small one on a real socket.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contract::facts::{Action, Facts};
use contract::id::{DecisionId, EdgeId};
use contract::origin::Reach;
use contract::secret::Secret;
use contract::webhook::{Question, Webhook, WebhookEvent, WebhookSettings, signature};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use super::*;

/// An application that answers each question with what `answer` makes of its body.
struct App {
    url: String,
    asked: Arc<AtomicUsize>,
    at_once: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

async fn app(pause: Duration, answer: fn(&str) -> (&'static str, &'static str)) -> App {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?k=1", listener.local_addr().unwrap());
    let made = App {
        url,
        asked: Arc::default(),
        at_once: Arc::default(),
        heads: Arc::default(),
    };
    let (asked, at_once, heads) = (
        Arc::clone(&made.asked),
        Arc::clone(&made.at_once),
        Arc::clone(&made.heads),
    );
    tokio::spawn(async move {
        let now = Arc::new(AtomicUsize::new(0));
        while let Ok((mut socket, _)) = listener.accept().await {
            let (asked, at_once, heads, now) = (
                Arc::clone(&asked),
                Arc::clone(&at_once),
                Arc::clone(&heads),
                Arc::clone(&now),
            );
            tokio::spawn(async move {
                let mut read = Vec::new();
                loop {
                    let Some((head, body)) = message(&mut socket, &mut read).await else {
                        return;
                    };
                    asked.fetch_add(1, Ordering::SeqCst);
                    let many = now.fetch_add(1, Ordering::SeqCst) + 1;
                    at_once.fetch_max(many, Ordering::SeqCst);
                    let never = std::future::pending::<()>();
                    let _ = timeout(pause, never).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    let (status, text) = answer(&body);
                    locked(&heads).push(format!("{head}{body}"));
                    let length = text.len();
                    let answer =
                        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{text}");
                    if socket.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    made
}

async fn message(
    socket: &mut tokio::net::TcpStream,
    read: &mut Vec<u8>,
) -> Option<(String, String)> {
    loop {
        let text = String::from_utf8(read.clone()).unwrap();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if rest.len() >= length {
                let body = rest[..length].to_owned();
                let head = format!("{head}\r\n\r\n");
                read.drain(..head.len() + length);
                return Some((head, body));
            }
        }
        let mut piece = [0; 4096];
        match socket.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend_from_slice(&piece[..count]),
        }
    }
}

fn webhook(url: &str, change: impl FnOnce(&mut WebhookSettings)) -> Webhook {
    let mut settings = WebhookSettings::blank("hook".parse().unwrap(), url.parse().unwrap());
    settings.reach = Reach {
        private: false,
        loopback: true,
    };
    change(&mut settings);
    Webhook {
        id: WebhookId::from_bits(1),
        settings,
        secret: Secret::new("hush"),
    }
}

fn inquiry(webhook: &Webhook, stream: &str) -> Inquiry {
    let facts: Facts = serde_json::from_value(serde_json::json!({
        "at_ms": 1, "addr": "192.0.2.1", "ingress": "rtmp", "host": "edge", "port": 1935,
        "action": Action::Play,
        "requested": contract::address::Requested::parse("live", Some(stream)).unwrap(),
    }))
    .unwrap();
    let (decision, edge) = (DecisionId::new(), EdgeId::from_bits(1));
    Inquiry {
        webhook: webhook.clone(),
        question: Question::about(&facts, WebhookEvent::Play, decision, edge, None),
    }
}

fn webhooks() -> Webhooks {
    Webhooks::new(Dialer::new())
}

#[tokio::test]
async fn a_question_is_signed_answered_and_its_answer_kept() {
    let app = app(Duration::ZERO, |body| {
        if body.contains("\"stream\":\"secret\"") {
            (
                "200 OK",
                "{\"allow\": false, \"reason\": \"no subscription\"}",
            )
        } else {
            ("200 OK", "{\"allow\": true, \"client\": \"studio\"}")
        }
    })
    .await;
    let hook = webhook(&app.url, |_| {});
    let webhooks = webhooks();
    for _ in 0..3 {
        let word = webhooks.ask(inquiry(&hook, "s")).await;
        assert_eq!(
            (word.refuses, word.client.as_deref()),
            (None, Some("studio"))
        );
        let word = webhooks.ask(inquiry(&hook, "secret")).await;
        assert_eq!(word.refuses, Some(Reason::DeniedByWebhook));
        assert_eq!(word.detail.as_deref(), Some("no subscription"));
    }
    let counts = webhooks.counts()[&hook.id];
    assert_eq!((counts.asked, counts.cached), (2, 4));
    assert_eq!((counts.allowed, counts.denied, counts.silent), (1, 1, 0));
    let heads = locked(&app.heads).clone();
    assert_eq!(heads.len(), 2);
    assert!(
        heads[0].starts_with("POST /hook?k=1 HTTP/1.1\r\n"),
        "{heads:?}"
    );
    let (head, body) = heads[0].split_once("\r\n\r\n").unwrap();
    let signed = head
        .lines()
        .find_map(|line| line.strip_prefix("weir-signature: "))
        .unwrap();
    let at_s = signed[2..].split_once(',').unwrap().0.parse().unwrap();
    assert_eq!(signed, signature(&hook.secret, at_s, body.as_bytes()));
}

#[tokio::test]
async fn without_an_answer_the_stated_policy_holds_in_time() {
    let slow = app(Duration::from_secs(60), |_| ("200 OK", "")).await;
    let broken = app(Duration::ZERO, |_| ("500 Broken", "")).await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}/", gone.local_addr().unwrap());
    drop(gone);
    for (url, detail) in [
        (&slow.url, Silence::TimedOut),
        (&broken.url, Silence::Unreadable),
        (&nobody, Silence::NotReached),
    ] {
        for (silent, refuses) in [
            (Effect::Allow, None),
            (Effect::Deny, Some(Reason::WebhookSilent)),
        ] {
            let hook = webhook(url, |it| {
                it.silent = silent;
                it.timeout_ms = 200;
            });
            let word = webhooks().ask(inquiry(&hook, "s")).await;
            assert_eq!(word.refuses, refuses, "{url}");
            assert_eq!(word.detail, Some(detail.to_string()));
        }
    }
    let elsewhere = webhook(&slow.url, |it| it.reach.loopback = false);
    let word = webhooks().ask(inquiry(&elsewhere, "s")).await;
    assert_eq!(word.detail, Some(Silence::NotReached.to_string()));
    assert_eq!(slow.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn no_more_are_asked_at_once_than_the_settings_say() {
    let app = app(Duration::from_millis(20), |_| ("204 Fine", "")).await;
    let hook = webhook(&app.url, |it| {
        it.max_at_once = 4;
        it.timeout_ms = 5_000;
    });
    let webhooks = webhooks();
    let all = (0..40).map(|number| {
        let (webhooks, inquiry) = (webhooks.clone(), inquiry(&hook, &format!("s{number}")));
        async move { webhooks.ask(inquiry).await }
    });
    for word in futures_util::future::join_all(all).await {
        assert_eq!(word.refuses, None);
    }
    assert_eq!(app.asked.load(Ordering::SeqCst), 40);
    assert!(app.at_once.load(Ordering::SeqCst) <= 4);
}

#[tokio::test]
async fn an_application_that_is_silent_costs_nobody_its_time_after_a_while() {
    let app = app(Duration::from_secs(60), |_| ("200 OK", "")).await;
    let hook = webhook(&app.url, |it| it.timeout_ms = 50);
    let webhooks = webhooks();
    for _ in 0..5 {
        webhooks.ask(inquiry(&hook, "s")).await;
    }
    let begun = Instant::now();
    for _ in 0..1_000 {
        let word = webhooks.ask(inquiry(&hook, "s")).await;
        assert_eq!(word.detail, Some(Silence::Resting.to_string()));
        assert_eq!(word.refuses, Some(Reason::WebhookSilent));
    }
    // They would have taken 50 s.
    assert!(begun.elapsed() < hook::REST, "{:?}", begun.elapsed());
    assert_eq!(app.asked.load(Ordering::SeqCst), 5);
}
