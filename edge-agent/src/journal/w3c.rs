//! An entry as a line of W3C's extended log format, with the field names of Flash Media Server's access
//! log, in its order; what an edge cannot know is `-`.
//!
//! Fields are set apart by tabs. In a field, what could be taken for something else (white space,
//! control characters, quotes, `#`, `%` and what is not ASCII) is written as `%XX`, a byte each.

use jiff::Timestamp;

use super::entry::Entry;

/// What stands where nothing is known.
const NOTHING: &str = "-";
/// Flash Media Server's name for the instance of an application that names none.
const NO_INSTANCE: &str = "_definst_";

/// The name of a field, and what stands in it.
type Field = (&'static str, fn(&Entry) -> Option<String>);

/// The fields in their order.
pub(super) const FIELDS: &[Field] = &[
    ("x-event", |entry| Some(entry.event.as_str().to_owned())),
    ("x-category", |entry| Some(category(entry).to_owned())),
    ("date", |entry| time(entry.at_ms, "%Y-%m-%d")),
    ("time", |entry| time(entry.at_ms, "%H:%M:%S")),
    ("tz", |_| Some("UTC".to_owned())),
    ("x-ctx", |entry| {
        entry.session.reason.map(|reason| reason.code().to_owned())
    }),
    ("s-ip", |_| None),
    ("x-pid", |_| Some(std::process::id().to_string())),
    ("x-cpu-load", |_| None),
    ("x-mem-load", |_| None),
    ("x-adaptor", |_| None),
    ("x-vhost", |entry| Some(entry.session.host.clone())),
    ("x-app", |entry| Some(app(entry).0.to_owned())),
    ("x-appinst", |entry| Some(app(entry).1.to_owned())),
    ("x-duration", |entry| {
        Some((entry.duration_ms / 1_000).to_string())
    }),
    ("x-status", |entry| Some(entry.status.to_string())),
    ("c-ip", |entry| Some(entry.session.addr.to_string())),
    ("c-proto", |entry| {
        Some(entry.session.ingress.scheme().to_owned())
    }),
    ("s-uri", |entry| Some(uri(entry))),
    ("cs-uri-stem", |entry| Some(uri(entry))),
    ("cs-uri-query", |_| None),
    ("c-referrer", |_| None),
    ("c-user-agent", |entry| entry.session.user_agent.clone()),
    ("c-client-id", |entry| Some(entry.session.id.to_string())),
    ("cs-bytes", |entry| {
        Some(entry.session.received_bytes.to_string())
    }),
    ("sc-bytes", |entry| {
        Some(entry.session.sent_bytes.to_string())
    }),
    ("c-connect-type", |_| None),
    ("x-sname", |entry| stream(entry).cloned()),
    ("x-sname-query", |_| None),
    ("x-suri-query", |_| None),
    ("x-suri-stem", stream_uri),
    ("x-suri", stream_uri),
    ("x-file-name", |_| None),
    ("x-file-ext", |_| None),
    ("x-file-size", |_| None),
    ("x-file-length", |_| None),
    ("x-spos", |_| None),
    ("x-sid", |_| None),
    ("sc-stream-bytes", |entry| {
        of_stream(entry, entry.stream_sent_bytes)
    }),
    ("cs-stream-bytes", |entry| {
        of_stream(entry, entry.stream_received_bytes)
    }),
    ("x-weir-client", |entry| {
        entry.session.client.map(|client| client.to_string())
    }),
    ("x-weir-route", |entry| {
        entry.session.route.map(|route| route.to_string())
    }),
    ("x-weir-decision", |entry| {
        entry.session.decision.map(|decision| decision.to_string())
    }),
];

/// What a file begins with.
pub(super) fn header(at_ms: u64) -> String {
    let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    let began = time(at_ms, "%Y-%m-%d %H:%M:%S").unwrap_or_default();
    format!(
        "#Version: 1.0\n#Software: Weir {}\n#Start-Date: {began}\n#Fields: {}\n",
        env!("CARGO_PKG_VERSION"),
        names.join(" "),
    )
}

/// The line, with its end.
pub(super) fn line(entry: &Entry) -> String {
    let mut line = String::new();
    for (_, value) in FIELDS {
        if !line.is_empty() {
            line.push('\t');
        }
        escape(&value(entry).unwrap_or_default(), &mut line);
    }
    line.push('\n');
    line
}

fn escape(text: &str, line: &mut String) {
    use std::fmt::Write as _;
    if text.is_empty() {
        line.push_str(NOTHING);
        return;
    }
    for byte in text.bytes() {
        let is_plain = byte.is_ascii_graphic() && !b"\"#%<>[]^`{|}~'".contains(&byte);
        if is_plain && text != NOTHING {
            line.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(line, "%{byte:02X}");
        }
    }
}

fn time(at_ms: u64, form: &str) -> Option<String> {
    let at = Timestamp::from_millisecond(at_ms.try_into().ok()?).ok()?;
    Some(at.strftime(form).to_string())
}

fn category(entry: &Entry) -> &'static str {
    if entry.event.is_of_stream() {
        "stream"
    } else {
        "session"
    }
}

/// The application and its instance.
fn app(entry: &Entry) -> (&str, &str) {
    let app = entry.session.app.as_str();
    app.split_once('/').unwrap_or((app, NO_INSTANCE))
}

fn uri(entry: &Entry) -> String {
    let session = &entry.session;
    let scheme = session.ingress.scheme();
    format!("{scheme}://{}/{}", session.host, session.app)
}

fn stream(entry: &Entry) -> Option<&String> {
    let name = entry.session.stream.as_ref();
    name.filter(|_| entry.event.is_of_stream())
}

fn stream_uri(entry: &Entry) -> Option<String> {
    Some(format!("{}/{}", uri(entry), stream(entry)?))
}

fn of_stream(entry: &Entry, bytes: u64) -> Option<String> {
    entry.event.is_of_stream().then(|| bytes.to_string())
}
