//! One file of the session log: lines go in at its end; when it is full, or a day is over, it is set
//! aside under the day's name and a number, and the oldest of those set aside are removed.
//!
//! The invariant: a line stands in it whole or not at all, but for the last one of an edge that was
//! cut off; what comes later begins on a line of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::JournalConfig;
use super::entry::Entry;
use super::{json, w3c};

/// How long after a fault it is tried again, by the time of the entries.
const RETRY_MS: u64 = 5_000;
/// The most files of one day that have a number.
const MAX_NUMBER: u32 = 9_999;

/// In which form lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// W3C's extended log format.
    W3c,
    /// JSON.
    Json,
}

impl Form {
    const fn extension(self) -> &'static str {
        match self {
            Self::W3c => "log",
            Self::Json => "jsonl",
        }
    }

    fn header(self, at_ms: u64) -> String {
        match self {
            Self::W3c => w3c::header(at_ms),
            Self::Json => String::new(),
        }
    }

    fn line(self, entry: &Entry) -> String {
        match self {
            Self::W3c => w3c::line(entry),
            Self::Json => json::line(entry),
        }
    }
}

/// The file that is written to, with those set aside.
#[derive(Debug)]
pub(super) struct LogFile {
    folder: PathBuf,
    form: Form,
    file_bytes: u64,
    files: usize,
    open: Option<Open>,
    /// When it is tried again after a fault.
    retry_ms: u64,
}

#[derive(Debug)]
struct Open {
    file: BufWriter<File>,
    bytes: u64,
    day: Date,
}

impl LogFile {
    pub(super) fn new(folder: PathBuf, form: Form, config: &JournalConfig) -> Self {
        Self {
            folder,
            form,
            file_bytes: config.file_bytes,
            files: config.files,
            open: None,
            retry_ms: 0,
        }
    }

    /// Writes an entry's line; says whether it could.
    pub(super) fn append(&mut self, entry: &Entry) -> bool {
        if self.open.is_none() && entry.at_ms < self.retry_ms {
            return false;
        }
        let written = self.try_append(entry);
        if let Err(error) = &written {
            self.fault(error, entry.at_ms);
        }
        written.is_ok()
    }

    /// Hands what was written to the system.
    pub(super) fn flush(&mut self) {
        let flushed = self.open.as_mut().map_or(Ok(()), |open| open.file.flush());
        if let Err(error) = flushed {
            self.fault(&error, 0);
        }
    }

    /// Brings what was written to the disk.
    pub(super) fn finish(&mut self) {
        let finished = self.open.take().map_or(Ok(()), Open::finish);
        if let Err(error) = finished {
            self.fault(&error, 0);
        }
    }

    fn fault(&mut self, error: &io::Error, at_ms: u64) {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            folder = %self.folder.display(),
            "the session log cannot be written"
        );
        if let Some(open) = self.open.take() {
            // What its buffer holds is lost; writing it on drop might repeat the fault.
            let _ = open.file.into_parts();
        }
        self.retry_ms = at_ms.saturating_add(RETRY_MS);
    }

    fn try_append(&mut self, entry: &Entry) -> io::Result<()> {
        let line = self.form.line(entry);
        let day = day_of(entry.at_ms);
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open_last(entry.at_ms, day)?,
        };
        let is_full = open.bytes.saturating_add(line.len() as u64) > self.file_bytes;
        if day > open.day || is_full {
            let of = open.day;
            open.finish()?;
            self.set_aside(of)?;
            open = self.begin(entry.at_ms, day)?;
        }
        open.write(&line)?;
        self.open = Some(open);
        Ok(())
    }

    fn current(&self) -> PathBuf {
        let extension = self.form.extension();
        self.folder.join(format!("sessions.{extension}"))
    }

    /// Goes on with the file that is there. What it held is of the day on which it was written last.
    fn open_last(&self, at_ms: u64, day: Date) -> io::Result<Open> {
        fs::create_dir_all(&self.folder)?;
        let written = match fs::metadata(self.current()) {
            Ok(known) if known.len() > 0 => day_of(unix_ms(known.modified()?)),
            Ok(_) | Err(_) => day,
        };
        Ok(Open {
            day: written.min(day),
            ..self.begin(at_ms, day)?
        })
    }

    fn begin(&self, at_ms: u64, day: Date) -> io::Result<Open> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(self.current())?;
        let bytes = file.metadata()?.len();
        let mut open = Open {
            bytes,
            day,
            file: BufWriter::new(file.try_clone()?),
        };
        if bytes > 0 && !ends_a_line(&mut file)? {
            open.write("\n")?;
        }
        open.write(&self.form.header(at_ms))?;
        Ok(open)
    }

    /// Renames the current file, and removes the oldest ones.
    fn set_aside(&self, day: Date) -> io::Result<()> {
        let extension = self.form.extension();
        let mut aside = aside(&self.folder, extension)?;
        let of_day = format!("sessions-{day}-");
        let number = |path: &PathBuf| -> Option<u32> {
            let name = path.file_stem()?.to_str()?;
            name.strip_prefix(&of_day)?.parse().ok()
        };
        let last = aside.iter().filter_map(number).max().unwrap_or(0);
        // A day with more files than have numbers writes over its last one.
        let next = last.saturating_add(1).min(MAX_NUMBER);
        let to = self.folder.join(format!("{of_day}{next:04}.{extension}"));
        fs::rename(self.current(), &to)?;
        aside.retain(|known| *known != to);
        aside.push(to);
        aside.sort_unstable();
        let surplus = aside.len().saturating_sub(self.files);
        for old in aside.into_iter().take(surplus) {
            fs::remove_file(old)?;
        }
        Ok(())
    }
}

impl Open {
    fn write(&mut self, text: &str) -> io::Result<()> {
        self.bytes += text.len() as u64;
        self.file.write_all(text.as_bytes())
    }

    fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_data()
    }
}

/// The files of this form that were set aside.
fn aside(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_ours = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with("sessions-"));
        if is_ours && path.extension().is_some_and(|known| known == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn unix_ms(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(u64::MAX)
}

/// The day in UTC.
fn day_of(at_ms: u64) -> Date {
    let at = at_ms.try_into().ok().map(Timestamp::from_millisecond);
    let at = at.and_then(Result::ok).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(TimeZone::UTC).date()
}
