//! Waiting for a thing to become so, instead of for a time to pass. The only place of the tests that sleeps:
//! between two looks.

use std::time::{Duration, Instant};

/// Between two looks. Chosen: short against the second that tests measure, long against a look's own cost.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Looks until `look` gives something, and gives it back with the time it took.
///
/// # Panics
/// When the deadline passes first, saying what was waited for.
#[track_caller]
pub(crate) fn timed<T>(
    deadline: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> (T, Duration) {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return (found, begun.elapsed());
        }
        assert!(
            begun.elapsed() < deadline,
            "waited {deadline:?} in vain: {what}"
        );
        pause();
    }
}

/// Looks until `look` gives something.
///
/// # Panics
/// When the deadline passes first, saying what was waited for.
#[track_caller]
pub(crate) fn eventually<T>(deadline: Duration, what: &str, look: impl FnMut() -> Option<T>) -> T {
    timed(deadline, what, look).0
}

/// Looks until `look` says so or the deadline passes; says which.
pub(crate) fn comes_true(deadline: Duration, mut look: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if look() {
            return true;
        }
        if begun.elapsed() >= deadline {
            return false;
        }
        pause();
    }
}

/// Asserts that something stays so for a whole time, looking at it again and again.
///
/// # Panics
/// When it does not, saying what.
#[track_caller]
pub(crate) fn stays(span: Duration, what: &str, mut look: impl FnMut() -> bool) {
    let begun = Instant::now();
    while begun.elapsed() < span {
        assert!(look(), "after {:?} no longer: {what}", begun.elapsed());
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "between two looks, in this one place"
)]
fn pause() {
    std::thread::sleep(BETWEEN_LOOKS);
}
