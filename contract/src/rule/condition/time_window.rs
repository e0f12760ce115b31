//! Whether the time lies in a weekly window, in a named zone.

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{Field, Holds, Input, Kind, any_of};
use crate::facts::Facts;
use crate::fault::FieldFault;

/// Holds from `from` until just before `until` on each of the days. A window whose end is not
/// after its beginning goes on into the next day and belongs to the day on which it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeWindow {
    /// An IANA time zone, so that summer time is what people there expect.
    pub zone: String,
    /// Days on which it begins. Empty means every day.
    pub days: Vec<Day>,
    /// `HH:MM`.
    pub from: String,
    /// `HH:MM`; `24:00` is written `00:00`.
    pub until: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the days need no explanation")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    const fn weekday(self) -> Weekday {
        match self {
            Self::Mon => Weekday::Monday,
            Self::Tue => Weekday::Tuesday,
            Self::Wed => Weekday::Wednesday,
            Self::Thu => Weekday::Thursday,
            Self::Fri => Weekday::Friday,
            Self::Sat => Weekday::Saturday,
            Self::Sun => Weekday::Sunday,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Mon => "Monday",
            Self::Tue => "Tuesday",
            Self::Wed => "Wednesday",
            Self::Thu => "Thursday",
            Self::Fri => "Friday",
            Self::Sat => "Saturday",
            Self::Sun => "Sunday",
        }
    }
}

fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |text: &str| (text.len() == 2).then(|| text.parse::<i8>().ok()).flatten();
    Time::new(two_digits(hour)?, two_digits(minute)?, 0, 0).ok()
}

impl TimeWindow {
    /// `None` when the window itself is wrong, which [`Kind::faults`] has told its author.
    fn contains(&self, at_ms: u64) -> Option<bool> {
        let zone = TimeZone::get(&self.zone).ok()?;
        let (from, until) = (time_of_day(&self.from)?, time_of_day(&self.until)?);
        let now = Timestamp::from_millisecond(i64::try_from(at_ms).ok()?)
            .ok()?
            .to_zoned(zone);
        let (time, today) = (now.time(), now.weekday());
        let begins_on =
            |day: Weekday| self.days.is_empty() || self.days.iter().any(|one| one.weekday() == day);
        Some(if from < until {
            begins_on(today) && from <= time && time < until
        } else {
            (begins_on(today) && from <= time) || (begins_on(today.previous()) && time < until)
        })
    }
}

impl Kind for TimeWindow {
    const LABEL: &'static str = "time window";
    const FIELDS: &'static [Field] = &[
        Field {
            name: "zone",
            label: "Time zone",
            help: "An IANA name, for example `Europe/Berlin` or `UTC`.",
            input: Input::Text,
        },
        Field {
            name: "days",
            label: "Days",
            help: "Days on which the window begins; none chosen means every day.",
            input: Input::Choices(&[
                ("mon", "Monday"),
                ("tue", "Tuesday"),
                ("wed", "Wednesday"),
                ("thu", "Thursday"),
                ("fri", "Friday"),
                ("sat", "Saturday"),
                ("sun", "Sunday"),
            ]),
        },
        Field {
            name: "from",
            label: "From",
            help: "HH:MM, for example `08:00`.",
            input: Input::Text,
        },
        Field {
            name: "until",
            label: "Until",
            help: "HH:MM; not after `from` means on the next day.",
            input: Input::Text,
        },
    ];

    fn holds(&self, facts: &Facts) -> Holds {
        self.contains(facts.at_ms).unwrap_or(false).into()
    }

    fn sentence(&self, _: &dyn Fn(&str) -> Option<String>) -> String {
        let days: Vec<&str> = self.days.iter().map(|day| day.as_str()).collect();
        let days = if days.is_empty() {
            "any day".to_owned()
        } else {
            any_of(&days)
        };
        format!(
            "it is {days} from {} until {} in {}",
            self.from, self.until, self.zone
        )
    }

    fn faults(&self) -> Vec<FieldFault> {
        let mut faults = Vec::new();
        if TimeZone::get(&self.zone).is_err() {
            let message = format!(
                "`{}` is not an IANA time zone such as `Europe/Berlin`",
                self.zone
            );
            faults.push(FieldFault::new("zone", message));
        }
        for (field, text) in [("from", &self.from), ("until", &self.until)] {
            if time_of_day(text).is_none() {
                faults.push(FieldFault::new(
                    field,
                    format!("`{text}` is not a time of day such as `08:00`"),
                ));
            }
        }
        faults
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(days: &[Day], from: &str, until: &str, at: &str, expected: bool) {
        let window = TimeWindow {
            zone: "Europe/Berlin".to_owned(),
            days: days.to_vec(),
            from: from.to_owned(),
            until: until.to_owned(),
        };
        assert_eq!(window.faults(), []);
        let at: Timestamp = at.parse().unwrap();
        let at_ms = u64::try_from(at.as_millisecond()).unwrap();
        assert_eq!(window.contains(at_ms), Some(expected), "{window:?} {at}");
    }

    #[test]
    fn follows_the_clock_of_its_zone_through_summer_time() {
        check(&[], "08:00", "18:00", "2026-01-15T07:00:00Z", true);
        check(&[], "08:00", "18:00", "2026-01-15T06:59:59Z", false);
        check(&[], "08:00", "18:00", "2026-07-15T06:00:00Z", true);
        check(&[], "08:00", "18:00", "2026-07-15T16:00:00Z", false);
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_began() {
        // 2026-01-16 is a Friday.
        check(&[Day::Fri], "22:00", "02:00", "2026-01-16T21:30:00Z", true);
        check(&[Day::Fri], "22:00", "02:00", "2026-01-17T00:30:00Z", true);
        check(&[Day::Fri], "22:00", "02:00", "2026-01-16T00:30:00Z", false);
        check(&[Day::Fri], "22:00", "02:00", "2026-01-17T01:00:00Z", false);
    }
}
