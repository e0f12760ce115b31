//! Rules: who may do what, read in order; the first whose conditions all hold decides.

pub mod condition;

use serde::{Deserialize, Serialize};

pub use condition::{Condition, Holds};

use crate::facts::Facts;
use crate::fault::FieldFault;
use crate::id::RuleId;
use crate::name::Name;

/// The most conditions of one rule; chosen, because a rule must be readable as a sentence.
pub const MAX_CONDITIONS: usize = 16;

/// What a rule does when it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Lets the client in.
    Allow,
    /// Refuses it.
    Deny,
}

impl Effect {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// One ordered statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// What people call it.
    pub name: Name,
    /// A rule that is not enabled is passed over.
    pub enabled: bool,
    /// Lower is read first; equal ones by id.
    pub order: i64,
    /// What it does when it decides.
    pub effect: Effect,
    /// All of these must hold. Empty means that the rule always holds.
    pub conditions: Vec<Condition>,
}

impl Rule {
    /// Whether the rule holds: `No` as soon as one condition fails, else `NotYet` if one is not
    /// known yet, else `Yes`.
    #[must_use]
    pub fn holds(&self, facts: &Facts) -> Holds {
        let mut all = Holds::Yes;
        for condition in &self.conditions {
            match condition.holds(facts) {
                Holds::No => return Holds::No,
                Holds::NotYet => all = Holds::NotYet,
                Holds::Yes => {}
            }
        }
        all
    }

    /// The rule read aloud: `deny when the network is 10.0.0.0/8 and the action is publish`.
    #[must_use]
    pub fn sentence(&self, name_of: &dyn Fn(&str) -> Option<String>) -> String {
        let conditions: Vec<String> = self
            .conditions
            .iter()
            .map(|condition| condition.sentence(name_of))
            .collect();
        if conditions.is_empty() {
            return format!("{} always", self.effect.as_str());
        }
        format!("{} when {}", self.effect.as_str(), conditions.join(" and "))
    }

    /// What is wrong with the rule, by field.
    #[must_use]
    pub fn faults(&self) -> Vec<FieldFault> {
        let mut faults: Vec<FieldFault> = self
            .conditions
            .iter()
            .enumerate()
            .flat_map(|(at, condition)| {
                condition
                    .faults()
                    .into_iter()
                    .map(move |fault| fault.within(&format!("conditions.{at}")))
            })
            .collect();
        if self.conditions.len() > MAX_CONDITIONS {
            faults.push(FieldFault::new(
                "conditions",
                "a rule has at most 16 conditions",
            ));
        }
        faults
    }
}

/// What the rules said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// This rule decided.
    Rule(RuleId, Effect),
    /// No rule holds: the route's default does.
    Default(Effect),
    /// This rule may yet decide, once the stream or action is known.
    Postponed(RuleId),
}

/// Reads rules in the order given and lets the first that holds decide; `default` does when none
/// does. A rule that is not known yet postpones the ruling, for a later one must not overtake it.
#[must_use]
pub fn decide(rules: &[Rule], default: Effect, facts: &Facts) -> Ruling {
    read(rules, default, facts, Some)
}

/// Reads rules as [`decide`] does, for what must be decided by what is known: a rule that is not
/// known yet does not hold.
#[must_use]
pub fn decide_now(rules: &[Rule], default: Effect, facts: &Facts) -> Ruling {
    read(rules, default, facts, |_| None)
}

fn read(
    rules: &[Rule],
    default: Effect,
    facts: &Facts,
    waits: impl Fn(RuleId) -> Option<RuleId>,
) -> Ruling {
    for rule in rules.iter().filter(|rule| rule.enabled) {
        match rule.holds(facts) {
            Holds::Yes => return Ruling::Rule(rule.id, rule.effect),
            Holds::NotYet => {
                if let Some(id) = waits(rule.id) {
                    return Ruling::Postponed(id);
                }
            }
            Holds::No => {}
        }
    }
    Ruling::Default(default)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fixture;

    fn rule(order: u128, effect: Effect, json: &str) -> Rule {
        Rule {
            id: RuleId::from_bits(order),
            effect,
            conditions: serde_json::from_str(json).unwrap(),
            ..fixture::rule()
        }
    }

    #[test]
    fn the_first_rule_that_holds_decides_and_else_the_default() {
        let rules = [
            rule(1, Effect::Deny, r#"[{"kind":"app","patterns":["secret"]}]"#),
            rule(
                2,
                Effect::Allow,
                r#"[{"kind":"action","actions":["play"]}]"#,
            ),
            rule(3, Effect::Deny, "[]"),
        ];
        let check = |facts: &Facts, rules: &[Rule], expected: Ruling| {
            assert_eq!(decide(rules, Effect::Deny, facts), expected);
        };
        check(
            &fixture::play_facts("live", "s"),
            &rules,
            Ruling::Rule(RuleId::from_bits(2), Effect::Allow),
        );
        check(
            &fixture::play_facts("secret", "s"),
            &rules,
            Ruling::Rule(RuleId::from_bits(1), Effect::Deny),
        );
        check(
            &fixture::play_facts("live", "s"),
            &rules[..1],
            Ruling::Default(Effect::Deny),
        );
        let off = [Rule {
            enabled: false,
            ..rules[2].clone()
        }];
        check(
            &fixture::play_facts("live", "s"),
            &off,
            Ruling::Default(Effect::Deny),
        );
    }

    #[test]
    fn what_is_not_known_yet_postpones_and_is_not_overtaken() {
        let rules = [
            rule(
                1,
                Effect::Deny,
                r#"[{"kind":"stream","patterns":["secret*"]}]"#,
            ),
            rule(2, Effect::Allow, "[]"),
        ];
        let mut facts = fixture::play_facts("live", "s");
        facts.requested.stream = None;
        assert_eq!(
            decide(&rules, Effect::Deny, &facts),
            Ruling::Postponed(RuleId::from_bits(1))
        );
        let one_fails = [rule(
            1,
            Effect::Deny,
            r#"[{"kind":"stream","patterns":["x"]},{"kind":"app","patterns":["other"]}]"#,
        )];
        assert_eq!(
            decide(&one_fails, Effect::Deny, &facts),
            Ruling::Default(Effect::Deny)
        );
    }

    #[test]
    fn reads_itself_aloud() {
        let rule = rule(
            1,
            Effect::Deny,
            r#"[{"kind":"network","networks":["10.0.0.0/8"]},{"kind":"action","actions":["publish"]}]"#,
        );
        assert_eq!(
            rule.sentence(&|_| None),
            "deny when the network is 10.0.0.0/8 and the action is publish"
        );
    }
}
