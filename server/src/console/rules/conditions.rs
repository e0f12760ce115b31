//! The conditions of a rule as parts of one form, drawn from each kind's own description.
//!
//! In: the conditions of a rule, or the fields of a form. Out: blocks to draw, or conditions. A block is named
//! by its place: `c0.`, `c1.`; it counts when anything in it is filled in. Invariant: conditions that go into a
//! form come out of it in their order, several of one kind too. It knows no kind by name.

use contract::rule::Condition;
use contract::rule::condition::{Field, Input};

use crate::console::form::Form;
use crate::console::users::capitalized;

/// The most blocks that are read from a form; chosen, because a rule has at most 16 conditions.
const BLOCKS: usize = 64;

/// One condition in the form.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) prefix: String,
    pub(crate) kind: &'static str,
    pub(crate) label: String,
    pub(crate) open: bool,
    pub(crate) summary: Option<String>,
    pub(crate) fields: Vec<FieldView>,
}

/// One field of a condition, as it is drawn.
#[derive(Debug)]
pub(crate) struct FieldView {
    pub(crate) name: String,
    pub(crate) label: &'static str,
    pub(crate) help: &'static str,
    pub(crate) fault: Option<String>,
    pub(crate) input: InputView,
}

/// How a field is drawn.
#[derive(Debug)]
pub(crate) enum InputView {
    /// Several lines.
    Lines(String),
    /// One line.
    Text(String),
    /// Boxes to tick.
    Choices(Vec<ChoiceView>),
}

/// A box to tick.
#[derive(Debug)]
pub(crate) struct ChoiceView {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) chosen: bool,
}

/// Names that a condition can choose from, and by which its sentence is read.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Clients by id.
    pub(crate) clients: Vec<(String, String)>,
    /// Groups by id.
    pub(crate) groups: Vec<(String, String)>,
}

impl Known {
    /// The name of an id.
    pub(crate) fn name_of(&self, id: &str) -> Option<String> {
        let found = self
            .clients
            .iter()
            .chain(&self.groups)
            .find(|(known, _)| known == id);
        found.map(|(_, name)| name.clone())
    }
}

/// The form of these conditions.
pub(crate) fn filled(mut form: Form, conditions: &[Condition]) -> Form {
    for (place, condition) in conditions.iter().enumerate() {
        form = form.with(&format!("c{place}.kind"), condition.kind());
        for (name, values) in condition.to_form() {
            form = form.with_all(&format!("c{place}.{name}"), values);
        }
    }
    form
}

/// The conditions that stand in a form; what is wrong is marked at its field.
pub(crate) fn read(form: &mut Form) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for prefix in prefixes(form) {
        let kind = form.value(&format!("{prefix}kind")).to_owned();
        let values = form.below(&prefix);
        let is_filled = values.iter().any(|(name, values)| {
            name != "kind" && values.iter().any(|value| !value.trim().is_empty())
        });
        if !is_filled {
            continue;
        }
        match Condition::from_form(&kind, &values) {
            Ok(condition) => conditions.push(condition),
            Err(faults) => {
                for fault in faults {
                    form.blame(&format!("{prefix}{}", fault.field), fault.message);
                }
            }
        }
    }
    conditions
}

fn prefixes(form: &Form) -> Vec<String> {
    (0..BLOCKS)
        .map(|place| format!("c{place}."))
        .filter(|prefix| !form.value(&format!("{prefix}kind")).is_empty())
        .collect()
}

/// All blocks: those of the form, and an empty one for every kind that is not in it.
pub(crate) fn blocks(form: &Form, known: &Known) -> Vec<Block> {
    let mut blocks: Vec<Block> = prefixes(form)
        .into_iter()
        .filter_map(|prefix| {
            let kind = form.value(&format!("{prefix}kind"));
            let (tag, label, fields) = Condition::KINDS.iter().find(|(tag, _, _)| *tag == kind)?;
            Some(block(form, known, prefix, tag, label, fields))
        })
        .collect();
    let mut place = (0..BLOCKS)
        .rev()
        .find(|place| !form.value(&format!("c{place}.kind")).is_empty())
        .map_or(0, |last| last + 1);
    for (tag, label, fields) in Condition::KINDS {
        if blocks.iter().any(|block| block.kind == *tag) {
            continue;
        }
        blocks.push(block(form, known, format!("c{place}."), tag, label, fields));
        place += 1;
    }
    blocks
}

fn block(
    form: &Form,
    known: &Known,
    prefix: String,
    kind: &'static str,
    label: &'static str,
    fields: &'static [Field],
) -> Block {
    let fields: Vec<FieldView> = fields
        .iter()
        .map(|field| view(form, known, &prefix, field))
        .collect();
    let summary = Condition::from_form(kind, &form.below(&prefix))
        .ok()
        .map(|condition| condition.sentence(&|id| known.name_of(id)));
    let is_filled = fields.iter().any(|field| match &field.input {
        InputView::Lines(text) | InputView::Text(text) => !text.trim().is_empty(),
        InputView::Choices(choices) => choices.iter().any(|choice| choice.chosen),
    });
    let open = is_filled || fields.iter().any(|field| field.fault.is_some());
    Block {
        prefix,
        kind,
        label: capitalized(label),
        open,
        summary: summary.filter(|_| is_filled),
        fields,
    }
}

fn view(form: &Form, known: &Known, prefix: &str, field: &Field) -> FieldView {
    let name = format!("{prefix}{}", field.name);
    let choice = |value: &str, label: &str| ChoiceView {
        value: value.to_owned(),
        label: label.to_owned(),
        chosen: form.has(&name, value),
    };
    let named =
        |names: &[(String, String)]| names.iter().map(|(id, name)| choice(id, name)).collect();
    let input = match field.input {
        Input::Lines => InputView::Lines(form.lines(&name)),
        Input::Text => InputView::Text(form.value(&name).to_owned()),
        Input::Choices(choices) => InputView::Choices(
            choices
                .iter()
                .map(|(value, label)| choice(value, label))
                .collect(),
        ),
        Input::Clients => InputView::Choices(named(&known.clients)),
        Input::Groups => InputView::Choices(named(&known.groups)),
    };
    FieldView {
        fault: form.fault(&name).map(str::to_owned),
        label: field.label,
        help: field.help,
        input,
        name,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn conditions(json: &str) -> Vec<Condition> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn conditions_go_into_a_form_and_come_out_in_their_order() {
        for json in [
            "[]",
            r#"[{"kind":"network","networks":["10.0.0.0/8","192.0.2.0/24"]},{"kind":"action","actions":["publish"]}]"#,
            r#"[{"kind":"app","patterns":["a*"]},{"kind":"app","patterns":["*b"]}]"#,
            r#"[{"kind":"time_window","zone":"Europe/Berlin","days":["mon"],"from":"08:00","until":"18:00"}]"#,
        ] {
            let given = conditions(json);
            let mut form = filled(Form::default(), &given);
            assert_eq!(read(&mut form), given);
            assert!(form.is_sound());
        }
    }

    #[test]
    fn every_kind_has_a_block_and_each_kind_it_did_not_use_an_empty_one() {
        let form = filled(
            Form::default(),
            &conditions(r#"[{"kind":"app","patterns":["a"]},{"kind":"app","patterns":["b"]}]"#),
        );
        let blocks = blocks(&form, &Known::default());
        assert_eq!(blocks.len(), Condition::KINDS.len() + 1);
        assert_eq!(blocks.iter().filter(|block| block.open).count(), 2);
        let prefixes: std::collections::HashSet<&str> =
            blocks.iter().map(|block| block.prefix.as_str()).collect();
        assert_eq!(prefixes.len(), blocks.len());
    }

    #[test]
    fn a_fault_stands_at_its_field_and_opens_its_block() {
        let mut form = Form::default()
            .with("c2.kind", "network")
            .with("c2.networks", "10.0.0.0/40");
        assert!(read(&mut form).is_empty());
        assert!(form.fault("c2.networks").is_some());
        let blocks = blocks(&form, &Known::default());
        assert!(blocks[0].open && blocks[0].fields[0].fault.is_some());
    }
}
