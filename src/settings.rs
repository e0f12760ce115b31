//! From what was written to what is meant: every value is looked at, and all faults are told at once
//! with the option they stand in and what would be accepted.

use std::fmt::{self, Display};

use contract::fault::FieldFault;

/// Values that cannot be accepted, one line each.
#[derive(Debug)]
pub(crate) struct Wrong(Vec<String>);

impl Wrong {
    /// Faults that were found by field.
    pub(crate) fn of(faults: Vec<FieldFault>) -> Self {
        Self(faults.iter().map(ToString::to_string).collect())
    }
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [only] => f.write_str(only),
            several => {
                write!(f, "{} settings cannot be accepted", several.len())?;
                several.iter().try_for_each(|one| write!(f, "\n  {one}"))
            }
        }
    }
}

impl std::error::Error for Wrong {}

/// Collects faults while values are read.
#[derive(Debug, Default)]
pub(crate) struct Reading(Vec<String>);

impl Reading {
    /// Reads one value; what it cannot be is remembered.
    pub(crate) fn value<T>(
        &mut self,
        option: &str,
        text: &str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = parse(text);
        if value.is_none() {
            self.0.push(format!("{option} `{text}` is not {accepted}"));
        }
        value
    }

    /// What was read, if all of it could be.
    pub(crate) fn end<T>(self, value: Option<T>) -> Result<T, Wrong> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            Some(_) | None => Err(Wrong(self.0)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn number(reading: &mut Reading, option: &str, text: &str) -> Option<u8> {
        reading.value(option, text, "a small number", |text| text.parse().ok())
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let mut reading = Reading::default();
        let sum = number(&mut reading, "--a", "x")
            .zip(number(&mut reading, "--b", "1"))
            .zip(number(&mut reading, "--c", "999"));
        let said = reading.end(sum).unwrap_err().to_string();
        assert_eq!(
            said,
            "2 settings cannot be accepted\n  --a `x` is not a small number\n  --c `999` is not a small number"
        );
    }

    #[test]
    fn what_is_right_is_taken() {
        let mut reading = Reading::default();
        let value = number(&mut reading, "--a", "7");
        assert_eq!(reading.end(value).unwrap(), 7);
    }
}
