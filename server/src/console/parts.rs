//! The small things every page is drawn with: icons, states, times, amounts.
//!
//! In: plain values. Out: values that askama writes as they are, because everything in them is made here
//! from closed lists and numbers. Invariant: no text that a person or a peer typed passes through this module.
//! It does not know which page it is on.

use std::fmt::{self, Display, Formatter};

use askama::filters::HtmlSafe;

/// A drawing of the closed list in [`icon`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Icon(&'static str);

/// Finds an icon by its name. A name that does not exist draws nothing.
pub(crate) fn icon(name: &str) -> Icon {
    Icon(match name {
        "overview" => {
            r#"<path d="M3 3.5h5.5v6H3zM11.5 3.5H17v3.5h-5.5zM11.5 10.5H17v6h-5.5zM3 13h5.5v3.5H3z"/>"#
        }
        "sessions" => r#"<path d="M3 7h13m-3.5-3.5L16 7l-3.5 3.5M17 13H4m3.5-3.5L4 13l3.5 3.5"/>"#,
        "streams" => {
            r#"<path d="M2.5 6.5c2.5 0 2.5 2 5 2s2.5-2 5-2 2.5 2 5 2M2.5 11.500c2.5 0 2.5 2 5 2s2.5-2 5-2 2.5 2 5 2"/>"#
        }
        "cache" => {
            r#"<path d="m10 3 7 3.5-7 3.5-7-3.500zM3 10l7 3.500L17 10M3 13.5 10 17l7-3.5"/>"#
        }
        "clients" => {
            r#"<rect x="3" y="4" width="14" height="9.5" rx="1.5"/><path d="M7 16.500h6M10 13.500v3"/>"#
        }
        "groups" => {
            r#"<circle cx="7" cy="7" r="2.75"/><circle cx="14" cy="8" r="2"/><path d="M2 16c0-3 2.2-4.5 5-4.500s5 1.5 5 4.500M13.5 12.200c2.5 0 4.5 1.1 4.5 3.8"/>"#
        }
        "assignments" => r#"<path d="M3 5h6v10H3M13 6l4 4-4 4M17 10H7"/>"#,
        "rules" => {
            r#"<path d="m3 5.5 1.5 1.500L7 4M3 13.5 4.5 15 7 12M10.5 5.500H17M10.5 13.500H17"/>"#
        }
        "edges" => {
            r#"<rect x="3" y="3.5" width="14" height="5.5" rx="1.2"/><rect x="3" y="11" width="14" height="5.5" rx="1.2"/><path d="M6 6.250h.01M6 13.750h.01M9 6.250h5M9 13.750h5"/>"#
        }
        "clusters" => {
            r#"<circle cx="10" cy="4.5" r="2"/><circle cx="4.5" cy="14.5" r="2"/><circle cx="15.5" cy="14.5" r="2"/><path d="m9 6.3-3.5 6.400M11 6.300l3.5 6.400M6.5 14.500h7"/>"#
        }
        "origins" => r#"<path d="M10 2.800s5 5.2 5 9a5 5 0 0 1-10 0c0-3.8 5-9 5-9z"/>"#,
        "routes" => {
            r#"<circle cx="4.5" cy="10" r="1.75"/><path d="M6.25 10H9c3 0 1.5-5 5-5h2.500M9 10c3 0 1.5 5 5 5h2.500M14.5 3l2 2-2 2M14.5 13l2 2-2 2"/>"#
        }
        "webhooks" => {
            r#"<path d="M3 5.5h14v7H9.5L6 16v-3.500H3zM8.5 8a1.6 1.6 0 1 1 2 1.600v.600M10 11h.01"/>"#
        }
        "audit" => r#"<circle cx="10" cy="10" r="7"/><path d="M10 6v4.300l2.8 1.7"/>"#,
        "users" => {
            r#"<circle cx="10" cy="6.5" r="3"/><path d="M4 17c0-3.5 2.5-5.5 6-5.500s6 2 6 5.5"/>"#
        }
        "tokens" => {
            r#"<circle cx="6.5" cy="13.5" r="3.5"/><path d="m9 11 7.5-7.500M13 7l2.5 2.5"/>"#
        }
        "generations" => r#"<path d="M3 5.500h4v3.500h4v3.500h4V16h2.5"/>"#,
        "sun" => {
            r#"<circle cx="10" cy="10" r="3.2"/><path d="M10 2.500v2M10 15.500v2M2.5 10h2M15.5 10h2M4.7 4.700l1.4 1.400M13.9 13.900l1.4 1.400M4.7 15.300l1.4-1.400M13.9 6.100l1.4-1.4"/>"#
        }
        "moon" => r#"<path d="M16 11.800A6.5 6.5 0 0 1 8.2 4a6.5 6.5 0 1 0 7.8 7.800z"/>"#,
        "auto" => {
            r#"<circle cx="10" cy="10" r="6.5"/><path d="M10 3.500a6.5 6.5 0 0 1 0 13z" fill="currentColor"/>"#
        }
        "more" => r#"<path d="M3.5 6h13M3.5 10h13M3.5 14h13"/>"#,
        "plus" => r#"<path d="M10 4v12M4 10h12"/>"#,
        "up" => r#"<path d="m5 12 5-5 5 5"/>"#,
        "down" => r#"<path d="m5 8 5 5 5-5"/>"#,
        "edit" => r#"<path d="m4 16 .8-3.500L13 4.300l2.7 2.700L7.5 15.200zM11.5 5.800l2.7 2.7"/>"#,
        "trash" => {
            r#"<path d="M4 6h12M8 6V4h4v2M5.5 6l.7 10.500h7.600L14.5 6M8.5 9v4.500M11.5 9v4.5"/>"#
        }
        "check" => r#"<circle cx="10" cy="10" r="7"/><path d="m6.8 10.2 2.2 2.2 4.3-4.6"/>"#,
        "alert" => r#"<path d="M10 3.5 17.5 16.500h-15zM10 8.500v3.800M10 14.300v.01"/>"#,
        "info" => r#"<circle cx="10" cy="10" r="7"/><path d="M10 9.200v4.300M10 6.500v.01"/>"#,
        "search" => r#"<circle cx="9" cy="9" r="5.5"/><path d="m13 13 4 4"/>"#,
        _ => "",
    })
}

impl Display for Icon {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            r#"<svg viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{}</svg>"#,
            self.0
        )
    }
}
impl HtmlSafe for Icon {}

/// The mark: water stepping down over a sill.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark;

impl Display for Mark {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(r#"<svg viewBox="0 0 32 32" fill="none" stroke="currentColor" stroke-width="3" stroke-linecap="round" aria-hidden="true"><path d="M3 8h8.500c4.8 0 4 7 8.8 7H29"/><path d="M3 15h6c4.8 0 4 7 8.8 7H29" opacity=".72"/><path d="M3 22h3.500c4.8 0 4 7 8.8 7H29" opacity=".42"/></svg>"#)
    }
}
impl HtmlSafe for Mark {}

/// What a state means to who looks at it. Each has a shape of its own beside its color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Going on, less well, or about to change.
    Warn,
    /// Broken or refused.
    Bad,
    /// Not yet.
    Wait,
    /// Over, or switched off.
    Off,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Wait => "wait",
            Self::Off => "off",
        }
    }
}

/// A state as a shape, a word and a color.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    tone: Tone,
    word: &'static str,
    pill: bool,
}

impl State {
    /// A state as it stands in a table.
    pub(crate) const fn new(tone: Tone, word: &'static str) -> Self {
        Self {
            tone,
            word,
            pill: false,
        }
    }

    /// The same as it stands beside a title.
    pub(crate) const fn pill(self) -> Self {
        Self { pill: true, ..self }
    }
}

impl Display for State {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let pill = if self.pill { " pill" } else { "" };
        write!(
            f,
            r#"<span class="state {}{pill}">{}</span>"#,
            self.tone.class(),
            self.word
        )
    }
}
impl HtmlSafe for State {}

/// How far a generation has come on one edge, drawn as water stepping down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    generation: u64,
    reached: usize,
    failed: bool,
}

impl Steps {
    /// The generation serves.
    pub(crate) const fn all(generation: u64) -> Self {
        Self {
            generation,
            reached: NAMES_OF_STEPS.len(),
            failed: false,
        }
    }

    /// The wanted generation has come `reached` of four steps, and failed at the next or not yet.
    pub(crate) const fn some(generation: u64, reached: usize, failed: bool) -> Self {
        Self {
            generation,
            reached,
            failed,
        }
    }
}

/// The four facts that an edge reports of a generation, in their order.
pub(crate) const NAMES_OF_STEPS: [&str; 4] = ["Received", "Validated", "Applied", "Serving"];

impl Display for Steps {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = match (self.reached, self.failed) {
            (4, _) => "serving",
            (_, true) => "refused",
            (0, false) => "waiting",
            (1, false) => "received",
            (2, false) => "validated",
            (_, false) => "applied",
        };
        f.write_str(r#"<span class="with-steps"><span class="steps" aria-hidden="true">"#)?;
        for place in 0..NAMES_OF_STEPS.len() {
            f.write_str(
                match (place < self.reached, place == self.reached && self.failed) {
                    (true, _) => r#"<i class="on"></i>"#,
                    (false, true) => r#"<i class="failed"></i>"#,
                    (false, false) => "<i></i>",
                },
            )?;
        }
        write!(
            f,
            r#"</span>{} <span class="muted">{word}</span></span>"#,
            self.generation
        )
    }
}
impl HtmlSafe for Steps {}

/// A moment, said as the time since then, with the exact time at hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    at_ms: u64,
    now_ms: u64,
}

impl When {
    /// A moment seen from `now_ms`.
    pub(crate) const fn new(at_ms: u64, now_ms: u64) -> Self {
        Self { at_ms, now_ms }
    }

    fn words(self) -> String {
        let ahead = self.at_ms > self.now_ms + 999;
        let span = span_words(self.at_ms.abs_diff(self.now_ms));
        match (ahead, span) {
            (_, None) => "now".to_owned(),
            (true, Some(span)) => format!("in {span}"),
            (false, Some(span)) => format!("{span} ago"),
        }
    }
}

/// The largest unit of a span, or nothing for less than a second.
fn span_words(span_ms: u64) -> Option<String> {
    let seconds = span_ms / 1_000;
    Some(match seconds {
        0 => return None,
        1..=59 => format!("{seconds} s"),
        60..=3_599 => format!("{} min", seconds / 60),
        3_600..=86_399 => format!("{} h", seconds / 3_600),
        86_400.. => {
            let days = seconds / 86_400;
            if days == 1 {
                "1 day".to_owned()
            } else {
                format!("{days} days")
            }
        }
    })
}

impl Display for When {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let exact = exact(self.at_ms);
        write!(
            f,
            r#"<time datetime="{exact}" title="{exact}">{}</time>"#,
            self.words()
        )
    }
}
impl HtmlSafe for When {}

/// A moment as RFC 3339 in UTC, to the second.
pub(crate) fn exact(at_ms: u64) -> String {
    i64::try_from(at_ms / 1_000)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(|| at_ms.to_string(), |at| at.to_string())
}

/// How long something lasted: `4 h 12 min`, `3 min 20 s`, `12 s`.
pub(crate) fn duration(span_ms: u64) -> String {
    let seconds = span_ms / 1_000;
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest} s"),
        (0, _) => format!("{minutes} min {rest} s"),
        (1..=47, _) => format!("{hours} h {minutes} min"),
        (48.., _) => format!("{} days {} h", hours / 24, hours % 24),
    }
}

/// An amount of bytes in powers of 1,024, three digits.
pub(crate) fn bytes(amount: u64) -> String {
    scaled(amount, 1_024, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
}

/// A rate in bits a second in powers of 1,000, from bytes a second.
pub(crate) fn bit_rate(bytes_per_second: u64) -> String {
    scaled(bytes_per_second.saturating_mul(8), 1_000, &BIT_RATES)
}

/// A bit rate as its number and its unit, for figures that are drawn large.
pub(crate) fn split_bit_rate(bytes_per_second: u64) -> (String, &'static str) {
    let text = bit_rate(bytes_per_second);
    let unit = BIT_RATES
        .into_iter()
        .find(|unit| text.ends_with(&format!(" {unit}")))
        .unwrap_or_default();
    (text.trim_end_matches(unit).trim_end().to_owned(), unit)
}

const BIT_RATES: [&str; 5] = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];

fn scaled(amount: u64, base: u64, units: &[&str]) -> String {
    let mut unit = 0;
    let mut whole = 1_u64;
    while amount / whole >= base && unit + 1 < units.len() {
        whole *= base;
        unit += 1;
    }
    let tenths = (u128::from(amount) * 10 / u128::from(whole)) as u64;
    let name = units[unit];
    if unit == 0 || tenths >= 1_000 {
        format!("{} {name}", tenths / 10)
    } else {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

/// A count with its thousands set apart.
pub(crate) fn count(amount: u64) -> String {
    let digits = amount.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// One word or the other, by number: `plural(1, "edge", "edges")` is `1 edge`.
pub(crate) fn plural(amount: u64, one: &str, many: &str) -> String {
    if amount == 1 {
        format!("1 {one}")
    } else {
        format!("{} {many}", count(amount))
    }
}

/// A share of a whole as a percentage, or nothing when there is no whole.
pub(crate) fn share(part: u64, whole: u64) -> Option<String> {
    if whole == 0 {
        return None;
    }
    let tenths = (u128::from(part) * 1_000 / u128::from(whole)) as u64;
    Some(format!("{}.{} %", tenths / 10, tenths % 10))
}

/// A bar of up to three parts, drawn with attributes only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    /// Parts from left to right, each with the name of its class.
    pub(crate) parts: [(u64, &'static str); 3],
}

impl Display for Mix {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let whole: u64 = self
            .parts
            .iter()
            .map(|(amount, _)| amount)
            .sum::<u64>()
            .max(1);
        f.write_str(r#"<svg class="mix" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">"#)?;
        let mut left = 0;
        for (amount, class) in self.parts {
            let width = (u128::from(amount) * 1_000 / u128::from(whole)) as u64;
            write!(
                f,
                r#"<rect class="{class}" x="{left}" width="{width}" height="10"/>"#
            )?;
            left += width;
        }
        f.write_str("</svg>")
    }
}
impl HtmlSafe for Mix {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn says_amounts_in_three_digits() {
        let table = [
            (0, "0 B"),
            (999, "999 B"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (120 * 1_024, "120 KiB"),
            (5 << 30, "5.0 GiB"),
        ];
        for (amount, expected) in table {
            assert_eq!(bytes(amount), expected);
        }
        assert_eq!(bit_rate(125_000), "1.0 Mbit/s");
    }

    #[test]
    fn says_how_long_ago_in_the_largest_unit() {
        let table = [
            (0_i64, "now"),
            (999, "now"),
            (12_000, "12 s ago"),
            (61_000, "1 min ago"),
            (7_200_000, "2 h ago"),
            (172_800_000, "2 days ago"),
            (-90_000, "in 1 min"),
        ];
        for (age_ms, expected) in table {
            let at_ms = 10_000_000_000_u64.saturating_add_signed(-age_ms);
            assert_eq!(When::new(at_ms, 10_000_000_000).words(), expected);
        }
    }

    #[test]
    fn sets_thousands_apart() {
        for (amount, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(amount), expected);
        }
        assert_eq!(plural(1, "edge", "edges"), "1 edge");
        assert_eq!(share(1, 8).unwrap(), "12.5 %");
        assert_eq!(share(1, 0), None);
    }

    #[test]
    fn says_how_long_something_lasted() {
        for (span_ms, expected) in [
            (900, "0 s"),
            (200_000, "3 min 20 s"),
            (15_120_000, "4 h 12 min"),
            (360_000_000, "4 days 4 h"),
        ] {
            assert_eq!(duration(span_ms), expected);
        }
    }
}
