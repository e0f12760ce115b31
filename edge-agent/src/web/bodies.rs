//! Which bodies in slices somebody holds, by generation: what is read from the shelf while it is put
//! there is the same body, so that no slice is fetched by two who do not know of each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::object::{Held, Object};
use super::slices::Slices;

/// How many are known before those that nobody holds any more are looked for. Chosen: it takes some
/// microseconds for so many.
const TIDY: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Bodies {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_generation: HashMap<u64, Weak<Slices>>,
    tidy_at: usize,
}

impl Bodies {
    /// The object with the one body of its generation.
    pub(super) fn one(&self, object: Arc<Object>) -> Arc<Object> {
        let Held::Slices(slices) = &object.body else {
            return object;
        };
        let one = self.known(slices);
        if Arc::ptr_eq(&one, slices) {
            return object;
        }
        Arc::new(Object {
            body: Held::Slices(one),
            ..Object::clone(&object)
        })
    }

    fn known(&self, slices: &Arc<Slices>) -> Arc<Slices> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let held = known.by_generation.get(&slices.generation);
        if let Some(held) = held.and_then(Weak::upgrade) {
            return held;
        }
        if known.by_generation.len() >= known.tidy_at.max(TIDY) {
            known
                .by_generation
                .retain(|_, held| held.strong_count() > 0);
            known.tidy_at = 2 * known.by_generation.len();
        }
        let weak = Arc::downgrade(slices);
        known.by_generation.insert(slices.generation, weak);
        Arc::clone(slices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_has_one_body_as_long_as_somebody_holds_it() {
        let bodies = Bodies::default();
        let first = bodies.known(&Slices::new(1, 10, None));
        let second = bodies.known(&Slices::new(1, 10, None));
        assert!(Arc::ptr_eq(&first, &second));
        drop((first, second));
        let later = Slices::new(1, 10, None);
        assert!(Arc::ptr_eq(&bodies.known(&later), &later));
        for generation in 0..10_000 {
            bodies.known(&Slices::new(generation, 10, None));
        }
        let known = bodies.known.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(known.by_generation.len() <= TIDY);
    }
}
