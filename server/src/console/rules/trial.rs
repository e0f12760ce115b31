//! Trying out a connection: what an edge would decide, and every stage's word on it.
//!
//! In: an address as a client writes it, and who and where it is. Out: the judgment of the edge's own code.
//! Invariant: asking changes nothing, and the question stands in the page's address, so that it can be shared.

use std::net::IpAddr;

use askama::Template;
use axum::extract::Query;
use contract::address::Requested;
use contract::admit::Stage;
use contract::facts::{Action, Facts, Proof};
use contract::id::{ClientId, EdgeId};
use contract::protocol::{Ingress, Plane};
use contract::token::proof_in;

use crate::app::rules::{self, Judgment, Trial};
use crate::console::form::{Choice, Form};
use crate::console::names::Names;
use crate::console::page::{Frame, Section};
use crate::console::visitor::{Answer, Visitor, escaped, show};

struct StepView {
    stage: &'static str,
    said: String,
    href: Option<String>,
    decides: bool,
}

struct Outcome {
    class: &'static str,
    title: &'static str,
    text: String,
    rule: Option<(String, String)>,
    way: Option<String>,
    trace: Vec<StepView>,
}

#[derive(Template)]
#[template(path = "rules/try.html")]
struct TryPage {
    frame: Frame,
    edges: Vec<Choice>,
    actions: Vec<Choice>,
    clients: Vec<Choice>,
    more_open: bool,
    outcome: Option<Outcome>,
    form: Form,
}

/// The form, and the answer if a question stands in the address.
pub(crate) async fn ask(visitor: Visitor, Query(pairs): Query<Vec<(String, String)>>) -> Answer {
    let mut form: Form = pairs.into_iter().collect();
    let names = Names::read(&visitor).await?;
    let mut outcome = None;
    if form.value("url").is_empty() {
        form = form
            .or("url", "rtmp://edge.example/live/camera")
            .or("addr", "192.0.2.7")
            .or("action", "play");
    } else if let Some(trial) = read(&mut form, visitor.now_ms()) {
        let judged = rules::try_out(&visitor.app, &visitor.caller, trial);
        outcome = form.answer(judged)?.map(|judgment| view(&judgment, &names));
    }
    let mut clients = vec![Choice::new("", "Nobody: not signed in")];
    clients.extend(names.client_choices());
    let page = TryPage {
        frame: visitor.frame(Section::Rules),
        edges: names.edge_choices(),
        actions: vec![
            Choice::new("play", "play"),
            Choice::new("publish", "publish"),
            Choice::new("connect", "connect, stream not named yet"),
        ],
        clients,
        more_open: ["user_agent", "page_url", "at"]
            .iter()
            .any(|name| !form.value(name).is_empty()),
        outcome,
        form,
    };
    Ok(show(page.form.status(), &page))
}

/// The address of the tester with these facts filled in.
pub(crate) fn link(
    edge: EdgeId,
    url: &str,
    addr: IpAddr,
    action: Option<Action>,
    client: Option<ClientId>,
    user_agent: &str,
) -> String {
    let action = action.map_or("connect", Action::as_str);
    let client = client.map_or_else(String::new, |id| id.to_string());
    let pairs = [
        ("edge", edge.to_string()),
        ("url", url.to_owned()),
        ("addr", addr.to_string()),
        ("action", action.to_owned()),
        ("client", client),
        ("user_agent", user_agent.to_owned()),
    ];
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", escaped(value)))
        .collect();
    format!("/rules/try?{}", pairs.join("&"))
}

fn read(form: &mut Form, now_ms: u64) -> Option<Trial> {
    let edge = form.take::<EdgeId>("edge");
    let addr = form.take::<IpAddr>("addr");
    let client = form.take_optional::<ClientId>("client");
    let at = form.take_optional::<jiff::Timestamp>("at");
    let action = match form.value("action") {
        "publish" => Some(Action::Publish),
        "connect" => None,
        _ => Some(Action::Play),
    };
    let asked = asked(form.value("url").trim(), action.is_some())
        .map_err(|fault| form.blame("url", fault))
        .ok();
    if !form.is_sound() {
        return None;
    }
    let text =
        |name: &str| Some(form.value(name).trim().to_owned()).filter(|text| !text.is_empty());
    let Asked {
        ingress,
        host,
        port,
        requested,
    } = asked?;
    let facts = Facts {
        at_ms: at
            .and_then(|at| u64::try_from(at.as_millisecond()).ok())
            .unwrap_or(now_ms),
        addr: addr?,
        ingress,
        host,
        port,
        action,
        // A client that is chosen counts as proven; otherwise the address may bring a token.
        proof: client.map_or_else(
            || proof_in(&requested),
            |client| Proof::StreamPassword { client },
        ),
        requested,
        page_url: text("page_url"),
        swf_url: None,
        user_agent: text("user_agent"),
        admitted_ms: None,
        hop: None,
        client: None,
        groups: Vec::new(),
    };
    Some(Trial {
        edge: edge?,
        facts,
        rules: None,
    })
}

/// What an address asks for.
#[derive(Debug)]
struct Asked {
    ingress: Ingress,
    host: String,
    port: u16,
    requested: Requested,
}

/// Cuts an address into what the edge would see: host, port, application and stream.
fn asked(url: &str, with_stream: bool) -> Result<Asked, String> {
    let (scheme, rest) = url
        .split_once("://")
        .ok_or("write the whole address, with `rtmp://` or `http://`")?;
    let ingress = Ingress::ALL
        .into_iter()
        .find(|ingress| ingress.scheme().eq_ignore_ascii_case(scheme))
        .ok_or("the address begins with `rtmp://`, `rtmps://`, `http://` or `https://`")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // A name and password are not part of what rules see.
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, after)| after);
    let at = contract::address::HostPort::parse(authority, ingress.default_port())
        .map_err(|error| error.to_string())?;
    let requested = match ingress.plane() {
        Plane::Rtmp => rtmp(path, with_stream)?,
        Plane::Http => {
            let (path, query) = path
                .split_once('?')
                .map_or((path, None), |(path, query)| (path, Some(query)));
            Requested::http(&format!("/{path}"), query)
        }
        .map_err(|error| error.to_string())?,
    };
    Ok(Asked {
        ingress,
        host: at.host,
        port: at.port,
        requested,
    })
}

fn rtmp(path: &str, with_stream: bool) -> Result<Requested, String> {
    let (app, stream) = match path.strip_prefix('?') {
        // As ffmpeg cuts a wrapped address: everything after the first scheme is the stream's name.
        Some(wrapped) => match wrapped.split_once("://") {
            Some((scheme, rest)) => (format!("?{scheme}:/"), rest),
            None => {
                return Err(
                    "a wrapped address looks like `rtmp://edge/?rtmp://origin/live/cam`".to_owned(),
                );
            }
        },
        None => match path.rsplit_once('/') {
            Some((app, stream)) => (app.to_owned(), stream),
            None => (path.to_owned(), ""),
        },
    };
    let stream = (with_stream && !stream.is_empty()).then_some(stream);
    Requested::parse(&app, stream).map_err(|error| error.to_string())
}

fn view(judgment: &Judgment, names: &Names) -> Outcome {
    let (class, title) = match judgment.verdict {
        "admit" => ("allow", "Let in"),
        "relay" => ("allow", "Let in, and carried to its edge"),
        "redirect" => ("postpone", "Sent to its edge"),
        "challenge" => ("postpone", "Asked to prove who it is"),
        "postpone" => ("postpone", "Decided later"),
        _ => ("deny", "Refused"),
    };
    let mut way: Vec<String> = judgment
        .edge
        .iter()
        .map(|edge| format!("edge {}", names.edge(*edge)))
        .collect();
    way.extend(
        judgment
            .origins
            .iter()
            .map(|origin| format!("origin {}", names.origin(*origin))),
    );
    let last = judgment.trace.len().saturating_sub(1);
    let trace = judgment
        .trace
        .iter()
        .enumerate()
        .map(|(place, step)| StepView {
            stage: match step.stage {
                Stage::Route => "Route",
                Stage::Identity => "Identity",
                Stage::Rules => "Rules",
                Stage::Assignment => "Assignment",
            },
            said: step.said.clone(),
            href: step.subject.as_deref().and_then(link_of),
            decides: if class == "allow" {
                step.stage == Stage::Rules
            } else {
                place == last
            },
        })
        .collect();
    let mut text = judgment.sentence.clone();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Outcome {
        class,
        title,
        text: format!("{text}."),
        rule: judgment
            .rule
            .and_then(|id| Some((id.to_string(), names.rule(id)?))),
        way: (!way.is_empty()).then(|| way.join(", then ")),
        trace,
    }
}

/// Where a record of this id is looked at.
fn link_of(id: &str) -> Option<String> {
    let (prefix, _) = id.split_once('_')?;
    Some(match prefix {
        "rule" => format!("/rules#{id}"),
        "assignment" => format!("/assignments#{id}"),
        "route" => format!("/routes#{id}"),
        "client" => format!("/clients/{id}"),
        "edge" => format!("/edges/{id}"),
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn cuts_an_address_as_the_edge_sees_it() {
        let table = [
            ("rtmp://edge/live/cam", "live", Some("cam"), 0),
            (
                "rtmp://name:secret@edge:1936/live/room/cam?token=x",
                "live/room",
                Some("cam"),
                0,
            ),
            (
                "rtmp://edge/?rtmp://origin:1935/live/cam",
                "live",
                Some("cam"),
                1,
            ),
            ("http://edge:8080/vod/film.mp4", "vod", Some("film.mp4"), 0),
        ];
        for (url, app, stream, hops) in table {
            let asked = asked(url, true).unwrap();
            assert_eq!(asked.host, "edge", "{url}");
            assert_eq!(asked.requested.app.as_ref().unwrap().as_str(), app, "{url}");
            assert_eq!(
                asked.requested.stream.as_ref().map(|name| name.as_str()),
                stream,
                "{url}"
            );
            assert_eq!(asked.requested.hops.len(), hops, "{url}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_an_address() {
        for url in [
            "live/cam",
            "ftp://edge/x",
            "rtmp://edge/?nonsense",
            "rtmp://edge:99999/live/cam",
            "rtmp:///live",
        ] {
            assert!(asked(url, true).is_err(), "{url}");
        }
    }
}
