//! Streams: what the edges carry now.

use askama::Template;
use http::StatusCode;

use super::names::Names;
use super::page::{Frame, Section};
use super::parts::{When, bit_rate, count};
use super::visitor::{Answer, Visitor, escaped, part, show};
use crate::app::Window;
use crate::app::streams::{self, Filter, Stream};

/// A line of the table of streams.
#[derive(Debug)]
pub(crate) struct StreamRow {
    pub(crate) name: String,
    pub(crate) sessions_href: String,
    pub(crate) route: String,
    pub(crate) edge: String,
    pub(crate) edge_id: String,
    pub(crate) origin: String,
    pub(crate) codecs: String,
    pub(crate) viewers: String,
    pub(crate) shed: u64,
    pub(crate) rate: String,
    pub(crate) since: When,
}

/// A stream as a line.
pub(crate) fn row(stream: &Stream, names: &Names, now_ms: u64) -> StreamRow {
    let state = &stream.state;
    let name = format!("{}/{}", state.app, state.stream);
    let codecs: Vec<&str> = [&state.video, &state.audio]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let hop = state.next_hop.as_ref().map(|hop| names.hop(hop));
    StreamRow {
        sessions_href: format!("/sessions?stream={}&edge={}", escaped(&name), stream.edge),
        name,
        route: names.route(state.route),
        edge: names.edge(stream.edge),
        edge_id: stream.edge.to_string(),
        origin: match (state.publisher, hop) {
            (Some(_), Some(hop)) => format!("a client here, sent on to {hop}"),
            (Some(_), None) => "a client here".to_owned(),
            (None, Some(hop)) => hop,
            (None, None) => "not connected".to_owned(),
        },
        codecs: if codecs.is_empty() {
            "–".to_owned()
        } else {
            codecs.join(", ").to_uppercase()
        },
        viewers: count(state.viewers),
        shed: state.shed,
        rate: bit_rate(state.bits_per_second / 8),
        since: When::new(state.began_ms, now_ms),
    }
}

/// What an edge sends to viewers of its streams, in bits a second.
pub(crate) fn to_viewers<'s>(streams: impl IntoIterator<Item = &'s Stream>) -> u64 {
    streams
        .into_iter()
        .map(|stream| {
            stream
                .state
                .bits_per_second
                .saturating_mul(stream.state.viewers)
        })
        .sum()
}

#[derive(Template)]
#[template(path = "streams/list.html", blocks = ["live"])]
struct ListPage {
    frame: Frame,
    streams: Vec<StreamRow>,
    with_edge: bool,
}

/// All streams on all edges.
pub(crate) async fn list(visitor: Visitor) -> Answer {
    let names = Names::read(&visitor).await?;
    let now_ms = visitor.now_ms();
    let found = streams::list(
        &visitor.app,
        &visitor.caller,
        &Filter::default(),
        &Window::whole(),
    )?
    .items;
    let streams = found
        .iter()
        .map(|stream| row(stream, &names, now_ms))
        .collect();
    let page = ListPage {
        frame: visitor.frame(Section::Streams),
        streams,
        with_edge: true,
    };
    if visitor.wants_part() {
        return Ok(part(&page.as_live()));
    }
    Ok(show(StatusCode::OK, &page))
}
