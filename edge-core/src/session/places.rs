//! The places of a client under limits: one to be connected, for as long as it is, and one for each
//! stream that it plays or publishes.

use contract::facts::{Action, Facts};

use super::Session;
use super::streams::{Admitted, Denied};
use crate::admission::{Door, Ruling, limits};
use crate::limit::Place;

impl Session {
    /// Takes the place of a client that was let in to be connected, where it has none yet.
    ///
    /// # Errors
    /// The refusal; places that it had it keeps until it is closed.
    pub(super) fn take_connection(
        &mut self,
        door: &Door<'_>,
        facts: &Facts,
        ruling: &Ruling,
    ) -> Result<(), Box<Ruling>> {
        let place = Place::Connection(facts.addr);
        let held = limits::take(door, facts, ruling, place, &self.held)?;
        if let Some(held) = held {
            // Nearly always the only ones.
            self.held.reserve_exact(1);
            self.held.push(held);
        }
        Ok(())
    }

    /// Takes the places of a client that was let in to a stream, where it has none yet.
    ///
    /// # Errors
    /// As [`Session::take_connection`].
    pub(super) fn take_stream(
        &mut self,
        mut admitted: Admitted,
        action: Action,
        door: &Door<'_>,
    ) -> Result<Admitted, Box<Denied>> {
        let (facts, ruling) = (&admitted.facts, &admitted.ruling);
        let place = match action {
            Action::Play => Place::Viewer(limits::stream_name(facts)),
            Action::Publish => Place::Publisher,
        };
        let taken = self
            .take_connection(door, facts, ruling)
            .and_then(|()| limits::take(door, facts, ruling, place, &admitted.held));
        match taken {
            Ok(held) => {
                if let Some(held) = held {
                    admitted.held.reserve_exact(1);
                    admitted.held.push(held);
                }
                Ok(admitted)
            }
            Err(ruling) => {
                let facts = Some(admitted.facts);
                let ruling = *ruling;
                Err(Box::new(Denied { facts, ruling }))
            }
        }
    }
}
