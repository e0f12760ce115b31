//! What a client wants or says, with all it said.
//!
//! Names are as sent; none of the texts is safe to log, for any may carry a token.

use crate::amf::{Properties, Value};
use crate::command::Command;
use crate::{Fault, Message, name};

/// What a client wants or says.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// `connect`: answer with [`super::Session::accept_connect`] or
    /// [`super::Session::reject_connect`].
    Connect(Box<Connect>),
    /// `releaseStream`, answered already: the name may be published anew.
    ReleaseStream {
        /// Its transaction.
        transaction: f64,
        /// The stream.
        name: String,
    },
    /// `FCPublish`, answered already: the client is going to publish.
    FcPublish {
        /// Its transaction.
        transaction: f64,
        /// The stream.
        name: String,
    },
    /// `FCUnpublish`, answered already: the client is done publishing.
    FcUnpublish {
        /// Its transaction.
        transaction: f64,
        /// The stream.
        name: String,
    },
    /// `FCSubscribe`, answered already: the client is going to play.
    FcSubscribe {
        /// Its transaction.
        transaction: f64,
        /// The stream.
        name: String,
    },
    /// `getStreamLength`: who knows the seconds answers with [`super::Session::result`]; no client
    /// waits for it.
    GetStreamLength {
        /// Its transaction.
        transaction: f64,
        /// The stream.
        name: String,
    },
    /// `createStream`, answered already with this id.
    CreateStream {
        /// The new message stream.
        stream_id: u32,
    },
    /// `publish`: answer with [`super::Session::accept_publish`] or a status of level `error`.
    Publish(Publish),
    /// `play`: answer with [`super::Session::start_play`] or a status of level `error`.
    Play(Play),
    /// `pause`: hold or go on.
    Pause {
        /// The message stream.
        stream_id: u32,
        /// True to hold.
        paused: bool,
        /// Where the player is.
        position_ms: f64,
    },
    /// `seek`.
    Seek {
        /// The message stream.
        stream_id: u32,
        /// Where to go on.
        position_ms: f64,
    },
    /// `receiveAudio`: whether the player wants audio.
    ReceiveAudio {
        /// The message stream.
        stream_id: u32,
        /// False to be spared it.
        wanted: bool,
    },
    /// `receiveVideo`: whether the player wants video.
    ReceiveVideo {
        /// The message stream.
        stream_id: u32,
        /// False to be spared it.
        wanted: bool,
    },
    /// `closeStream`, or `publish` and `play` of false: publishing or playing ends, the message
    /// stream stays.
    CloseStream {
        /// The message stream.
        stream_id: u32,
    },
    /// `deleteStream`: the message stream is gone, with what it did.
    DeleteStream {
        /// The message stream.
        stream_id: u32,
    },
    /// Audio, video or data of a stream that is being published. Data is as sent, often with
    /// `@setDataFrame`: [`crate::data::for_viewers`] makes it a viewer's. It may come before
    /// `publish` was answered.
    Media(Message),
    /// Any other command.
    Command {
        /// The message stream it came on.
        stream_id: u32,
        /// All of it.
        command: Box<Command>,
    },
    /// Any other message: shared objects and kinds that nobody knows; in a tunnel every message.
    Other(Message),
    /// How much a player buffers.
    BufferLength {
        /// The message stream.
        stream_id: u32,
        /// The buffer.
        length_ms: u32,
    },
    /// The answer to [`super::Session::ping`].
    PingResponse {
        /// The lower 32 bits of the milliseconds at which it was asked.
        timestamp: u32,
    },
}

/// All that `connect` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Connect {
    /// Its transaction, by custom 1.
    pub transaction: f64,
    /// The application as the client cut it from its URL, query string included.
    pub app: String,
    /// The URL without the stream.
    pub tc_url: Option<String>,
    /// The page that holds the player.
    pub page_url: Option<String>,
    /// The player program.
    pub swf_url: Option<String>,
    /// The kind of client: its user agent.
    pub flash_version: Option<String>,
    /// The AMF it wants to speak: 0 or 3.
    pub object_encoding: f64,
    /// Flags of what it can do.
    pub capabilities: Option<u32>,
    /// Flags of the audio codecs that it knows.
    pub audio_codecs: Option<u32>,
    /// Flags of the video codecs that it knows.
    pub video_codecs: Option<u32>,
    /// Flags of what it does with video; 1 is seeking to the frame.
    pub video_function: Option<u32>,
    /// Enhanced RTMP: codecs it knows.
    pub fourcc_list: Vec<String>,
    /// Enhanced RTMP: capability flags; 1 is reconnecting on request.
    pub caps_ex: Option<u32>,
    /// Enhanced RTMP: what it can do with each video codec, by FourCC or `*`.
    pub video_fourcc_info: Properties,
    /// Enhanced RTMP: the same for audio.
    pub audio_fourcc_info: Properties,
    /// Every property, those above included.
    pub object: Properties,
    /// What followed the properties.
    pub arguments: Vec<Value>,
}

impl Connect {
    /// Reads the command.
    pub(super) fn new(command: &Command) -> Result<Self, Fault> {
        let object = command.argument(0).ok_or(Fault::ConnectArguments)?;
        let properties = object.properties().ok_or(Fault::ConnectArguments)?;
        let text = |key: &str| -> Result<Option<String>, Fault> {
            let Some(text) = object.get(key).and_then(Value::as_str) else {
                return Ok(None);
            };
            name::check(text)?;
            Ok(Some(text.to_owned()))
        };
        let number = |key: &str| object.get(key).and_then(Value::as_number);
        let flags = |key: &str| number(key).map(|flags| flags as u32);
        let map = |key: &str| object.get(key).and_then(Value::properties).cloned();
        let fourcc_list = match object.get("fourCcList") {
            Some(Value::StrictArray(list)) => list
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            Some(_) | None => Vec::new(),
        };
        Ok(Self {
            transaction: command.transaction,
            app: text("app")?.ok_or(Fault::ConnectArguments)?,
            tc_url: text("tcUrl")?,
            page_url: text("pageUrl")?,
            swf_url: text("swfUrl")?,
            flash_version: text("flashVer")?,
            object_encoding: number("objectEncoding").unwrap_or(0.0),
            capabilities: flags("capabilities"),
            audio_codecs: flags("audioCodecs"),
            video_codecs: flags("videoCodecs"),
            video_function: flags("videoFunction"),
            fourcc_list,
            caps_ex: flags("capsEx"),
            video_fourcc_info: map("videoFourCcInfoMap").unwrap_or_default(),
            audio_fourcc_info: map("audioFourCcInfoMap").unwrap_or_default(),
            object: properties.clone(),
            arguments: command.arguments[1..].to_vec(),
        })
    }
}

/// How a stream is to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishKind {
    /// Live only; also what is meant where nothing or something unknown is said.
    Live,
    /// Recorded from the start.
    Record,
    /// Recorded at the end of what is there.
    Append,
}

impl PublishKind {
    pub(super) fn of(text: Option<&str>) -> Self {
        match text {
            Some("record") => Self::Record,
            Some("append") => Self::Append,
            Some(_) | None => Self::Live,
        }
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Record => "record",
            Self::Append => "append",
        }
    }
}

/// All that `publish` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// Its transaction.
    pub transaction: f64,
    /// The message stream that will carry the media.
    pub stream_id: u32,
    /// The stream as sent, query string included; empty where the client gave none.
    pub name: String,
    /// Live, record or append.
    pub kind: PublishKind,
}

/// All that `play` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Play {
    /// Its transaction.
    pub transaction: f64,
    /// The message stream that shall carry the media.
    pub stream_id: u32,
    /// The stream as sent, query string included; empty where the client gave none.
    pub name: String,
    /// As sent, which is in milliseconds whatever the documents say; [`Play::from`] reads it.
    pub start: f64,
    /// As sent, in milliseconds; negative (also where nothing is said) to the end.
    pub duration: f64,
    /// Whether what plays on this message stream ends; true where nothing is said.
    pub reset: bool,
}

/// What a player wants to see first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PlayFrom {
    /// The live stream, or where there is none the recorded one from its begin.
    LiveOrRecorded,
    /// The live stream only.
    Live,
    /// The recorded stream from here on. librtmp asks for 0 also where it means a live stream.
    At {
        /// Milliseconds from its begin.
        position_ms: f64,
    },
}

impl Play {
    /// What `start` means. Measured with ffmpeg 5.1.9 and rtmpdump 2.4: they multiply the -2 and -1
    /// of the documents by 1,000; some send them as they are.
    pub fn from(&self) -> PlayFrom {
        if self.start >= 0.0 {
            PlayFrom::At {
                position_ms: self.start,
            }
        } else if self.start == -1_000.0 || self.start == -1.0 {
            PlayFrom::Live
        } else {
            PlayFrom::LiveOrRecorded
        }
    }
}
