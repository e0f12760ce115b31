//! Limits in forms: of a route, a client or an edge, each with what is used of it now.
//!
//! Invariant: limits that go into a form and are sent unchanged come out the same.

use std::collections::HashMap;

use super::form::Form;
use super::parts::count;
use crate::app::limits::{LimitKind, Limits};

/// The field of one limit.
#[derive(Debug)]
pub(crate) struct LimitField {
    /// Its name in the form, which is the one that faults name.
    pub(crate) name: &'static str,
    /// What people read.
    pub(crate) label: &'static str,
    /// What it means, and what is used of it.
    pub(crate) help: String,
}

const fn name(kind: LimitKind) -> &'static str {
    match kind {
        LimitKind::Connections => "limits.connections",
        LimitKind::ViewersPerStream => "limits.viewers_per_stream",
        LimitKind::Publishers => "limits.publishers",
        LimitKind::ConnectionsPerSecond => "limits.connections_per_second",
        LimitKind::ConnectionsPerAddress => "limits.connections_per_address",
        LimitKind::ReceiveBitsPerSecond => "limits.receive_bits_per_second",
        LimitKind::SendBitsPerSecond => "limits.send_bits_per_second",
    }
}

/// Every field, with what is used now where that is known.
pub(crate) fn fields(used: &HashMap<LimitKind, u64>) -> Vec<LimitField> {
    LimitKind::ALL
        .into_iter()
        .map(|kind| LimitField {
            name: name(kind),
            label: kind.label(),
            help: used
                .get(&kind)
                .map_or_else(String::new, |now| format!("Now {}.", count(*now))),
        })
        .collect()
}

/// The form with these limits.
pub(crate) fn filled(form: Form, limits: &Limits) -> Form {
    LimitKind::ALL
        .into_iter()
        .fold(form, |form, kind| match limits.of(kind) {
            Some(limit) => form.with(name(kind), limit),
            None => form,
        })
}

/// The limits that stand in a form; what is wrong is marked at its field.
pub(crate) fn read(form: &mut Form) -> Limits {
    LimitKind::ALL
        .into_iter()
        .fold(Limits::default(), |limits, kind| {
            let name = name(kind);
            if form.value(name).trim().is_empty() {
                return limits;
            }
            let accepted = "a whole number of 1 or more, or nothing for no limit";
            limits.with(kind, form.take_number(name, accepted))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_go_through_a_form_and_back() {
        let limits = Limits {
            connections: Some(5),
            send_bits_per_second: Some(1_000_000),
            ..Limits::default()
        };
        let mut form = filled(Form::default(), &limits);
        assert_eq!(read(&mut form), limits);
        assert!(form.is_sound());
        let mut form = Form::default().with("limits.publishers", "many");
        assert_eq!(read(&mut form), Limits::default());
        assert!(form.fault("limits.publishers").is_some());
        assert!(
            LimitKind::ALL
                .into_iter()
                .all(|kind| name(kind) == format!("limits.{}", kind.as_str()))
        );
    }
}
