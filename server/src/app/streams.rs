//! Verbs on streams: list, as the edges carry them now.

use contract::id::EdgeId;
use contract::report::StreamState;
use serde::{Deserialize, Serialize};

use super::{App, Caller, Error, Listing, Permission, Window};

/// A stream with the edge that carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stream {
    /// The edge.
    pub edge: EdgeId,
    /// The stream, as the edge reported it.
    #[serde(flatten)]
    pub state: StreamState,
}

/// What a list of streams is narrowed to; an empty field narrows nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Only on this edge.
    pub edge: Option<EdgeId>,
    /// Only of this application.
    pub app: Option<String>,
    /// Only of this name.
    pub stream: Option<String>,
}

/// Lists the streams that are carried now, by application, name and edge: a stream that several
/// edges carry stands there once for each.
///
/// # Errors
/// [`Error::Denied`].
pub fn list(
    app: &App,
    caller: &Caller,
    filter: &Filter,
    window: &Window,
) -> Result<Listing<Stream>, Error> {
    caller.needs(Permission::Read)?;
    let wanted = |stream: &Stream| {
        filter.edge.is_none_or(|edge| edge == stream.edge)
            && filter
                .app
                .as_ref()
                .is_none_or(|app| *app == stream.state.app)
            && filter
                .stream
                .as_ref()
                .is_none_or(|name| *name == stream.state.stream)
            && window
                .after
                .as_ref()
                .is_none_or(|after| cursor(stream) > *after)
    };
    let mut streams: Vec<Stream> = app
        .live()
        .streams()
        .into_iter()
        .map(|(edge, state)| Stream { edge, state })
        .filter(wanted)
        .collect();
    streams.sort_unstable_by_key(cursor);
    Ok(Listing::of(streams, window.limit(), cursor))
}

fn cursor(stream: &Stream) -> String {
    format!(
        "{}/{} {}",
        stream.state.app, stream.state.stream, stream.edge
    )
}
