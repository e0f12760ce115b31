//! What we say of ourselves at `connect`.

use crate::amf::{Properties, Value};
use crate::command::Command;

/// The properties of `connect`. It has no `Debug`: any of them may carry a token.
#[derive(Clone)]
pub struct ConnectOptions {
    /// The application.
    pub app: String,
    /// The URL without the stream.
    pub tc_url: String,
    /// The page that holds the player.
    pub page_url: Option<String>,
    /// The player program.
    pub swf_url: Option<String>,
    /// The kind of client.
    pub flash_version: String,
    /// Enhanced RTMP: codecs known; left out when empty.
    pub fourcc_list: Vec<String>,
    /// Enhanced RTMP: capability flags.
    pub caps_ex: Option<u32>,
    /// More properties, such as a hop token. They win over the ones above.
    pub extra: Properties,
    /// What follows the properties.
    pub arguments: Vec<Value>,
}

impl ConnectOptions {
    /// The least that a server wants to know.
    pub fn new(app: &str, tc_url: &str) -> Self {
        Self {
            app: app.to_owned(),
            tc_url: tc_url.to_owned(),
            page_url: None,
            swf_url: None,
            // Chosen, because servers that judge a client by it expect one of this form.
            flash_version: "LNX 9,0,124,2".to_owned(),
            fourcc_list: Vec::new(),
            caps_ex: None,
            extra: Vec::new(),
            arguments: Vec::new(),
        }
    }

    /// The command that says all this.
    pub(super) fn command(&self, transaction: f64) -> Command {
        let mut properties = vec![
            ("app".to_owned(), self.app.as_str().into()),
            ("flashVer".to_owned(), self.flash_version.as_str().into()),
            ("tcUrl".to_owned(), self.tc_url.as_str().into()),
            ("fpad".to_owned(), false.into()),
            // Everything that a Flash player could do: the numbers that ffmpeg sends.
            ("capabilities".to_owned(), 239.0.into()),
            ("audioCodecs".to_owned(), 3575.0.into()),
            ("videoCodecs".to_owned(), 252.0.into()),
            ("videoFunction".to_owned(), 1.0.into()),
            ("objectEncoding".to_owned(), 0.0.into()),
        ];
        let texts = [("pageUrl", &self.page_url), ("swfUrl", &self.swf_url)];
        properties.extend(
            texts
                .into_iter()
                .filter_map(|(key, text)| Some((key.to_owned(), text.as_deref()?.into()))),
        );
        if !self.fourcc_list.is_empty() {
            let list = self
                .fourcc_list
                .iter()
                .map(|code| code.as_str().into())
                .collect();
            properties.push(("fourCcList".to_owned(), Value::StrictArray(list)));
        }
        if let Some(flags) = self.caps_ex {
            properties.push(("capsEx".to_owned(), f64::from(flags).into()));
        }
        properties.retain(|(key, _)| !self.extra.iter().any(|(other, _)| other == key));
        properties.extend(self.extra.iter().cloned());
        let mut arguments = vec![Value::Object(properties)];
        arguments.extend(self.arguments.iter().cloned());
        Command::new("connect", transaction, arguments)
    }
}
