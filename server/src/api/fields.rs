//! A setting made of the fields that a request gives: laid over a new one or over the one that is
//! there. Each fault names its field.

use contract::fault::FieldFault;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::app::Error;

/// The fields of a request's JSON object.
pub(super) type Fields = Map<String, Value>;

/// The setting with these fields instead of its own. An object within is laid over likewise, but
/// one that is tagged by `kind` is replaced whole.
///
/// # Errors
/// [`Error::Invalid`] with each field that is not known, or whose value cannot be taken.
pub(super) fn laid_over<T: Serialize + DeserializeOwned>(
    base: &T,
    fields: &Fields,
) -> Result<T, Error> {
    let base = serde_json::to_value(base).map_err(Error::internal)?;
    let mut faults: Vec<FieldFault> = fields
        .keys()
        .filter(|name| base.get(name.as_str()).is_none())
        .map(|name| FieldFault::new(name.as_str(), "there is no such field"))
        .collect();
    if fields
        .get("id")
        .is_some_and(|id| Some(id) != base.get("id"))
    {
        faults.push(FieldFault::new(
            "id",
            "an id is given by the server and never changes",
        ));
    }
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    match with_fields(&base, fields) {
        Ok(value) => Ok(value),
        Err(whole) => {
            let single = |(name, value): (&String, &Value)| {
                let field = Map::from_iter([(name.clone(), value.clone())]);
                let fault = with_fields::<T>(&base, &field).err()?;
                Some(FieldFault::new(name.as_str(), fault))
            };
            let faults: Vec<FieldFault> = fields.iter().filter_map(single).collect();
            // Fields that are right by themselves may be wrong together.
            Err(Error::Invalid(if faults.is_empty() {
                vec![FieldFault::new("", whole)]
            } else {
                faults
            }))
        }
    }
}

fn with_fields<T: DeserializeOwned>(base: &Value, fields: &Fields) -> Result<T, serde_json::Error> {
    let mut value = base.clone();
    for (name, field) in fields {
        lay(&mut value[name.as_str()], field);
    }
    serde_json::from_value(value)
}

fn lay(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) if !over.contains_key("kind") => {
            for (name, field) in over {
                lay(under.entry(name.as_str()).or_insert(Value::Null), field);
            }
        }
        (under, over) => *under = over.clone(),
    }
}

/// Takes a field that must be given out of the request.
///
/// # Errors
/// [`Error::Invalid`] when it is missing or cannot be taken.
pub(super) fn required<T: DeserializeOwned>(fields: &Fields, name: &str) -> Result<T, Error> {
    match fields.get(name) {
        Some(value) => {
            serde_json::from_value(value.clone()).map_err(|fault| Error::field(name, fault))
        }
        None => Err(Error::field(name, "this field must be given")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::app::routes;

    fn check(fields: Value, faulty: &[&str]) {
        let base = routes::blank("live".parse().unwrap());
        let Value::Object(fields) = fields else {
            unreachable!("a test gives an object")
        };
        match laid_over(&base, &fields) {
            Ok(_) => assert!(faulty.is_empty(), "{fields:?} should be refused"),
            Err(Error::Invalid(faults)) => {
                let names: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
                assert_eq!(names, faulty, "{faults:?}");
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_each_field_that_cannot_be_taken() {
        check(json!({}), &[]);
        check(
            json!({"app": "live/*", "port": null, "live": {"wait_ms": 1}}),
            &[],
        );
        check(json!({"port": "x", "app": "live"}), &["port"]);
        check(json!({"colour": "red"}), &["colour"]);
        check(json!({"id": "route_00000000000000000000000000"}), &["id"]);
        check(json!({"live": {"wait": 1}}), &["live"]);
        check(
            json!({"default_effect": "maybe", "plane": "ftp"}),
            &["default_effect", "plane"],
        );
    }

    #[test]
    fn an_object_within_keeps_what_was_not_given() {
        let base = routes::blank("live".parse().unwrap());
        let fields = json!({"live": {"wait_ms": 7}});
        let route = laid_over(&base, fields.as_object().unwrap()).unwrap();
        assert_eq!(route.it.live.wait_ms, 7);
        assert_eq!(route.it.live.linger_ms, base.it.live.linger_ms);
    }
}
