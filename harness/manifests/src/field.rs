//! Reads fields of objects: text, labels, numbers, or why they cannot be read.

use verdikt_scenario::document::{Entry, Value, YamlNode};
use verdikt_scenario::loader::{Unrendered, unrendered_text};
use verdikt_scenario::place::Position;
use verdikt_scenario::topology::Labels;

/// Why a field cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It is not rendered yet.
    Unrendered(Unrendered),
    /// It is encrypted with SOPS.
    Encrypted,
    /// The API server would refuse it.
    Wrong(Position, String),
}

/// The prefix of an encrypted value.
/// <https://getsops.io/docs/#encrypting-only-parts-of-a-file>
const ENCRYPTED: &str = "ENC[";

/// The text of a field.
pub(crate) fn text<'a>(node: &'a YamlNode, what: &str) -> Result<&'a str, Unusable> {
    let Some(text) = node.text() else {
        return Err(Unusable::Wrong(node.position, format!("{what} is not text: write it in quotes")));
    };
    if text.starts_with(ENCRYPTED) {
        return Err(Unusable::Encrypted);
    }
    unrendered_text(text).map_or(Ok(text), |why| Err(Unusable::Unrendered(why)))
}

/// The text of an optional field.
pub(crate) fn optional_text<'a>(root: &'a YamlNode, path: &[&str]) -> Result<Option<&'a str>, Unusable> {
    let node = root.at(path);
    node.map(|node| text(node, &format!("`{}`", path.join(".")))).transpose()
}

/// Labels; none if the field is missing.
pub(crate) fn labels(node: Option<&YamlNode>) -> Result<Labels, Unusable> {
    let mut labels = Labels::new();
    for Entry { key, position, value } in node.map_or(&[][..], YamlNode::entries) {
        if let Some(why) = unrendered_text(key) {
            return Err(Unusable::Unrendered(why));
        }
        // To the API server, `app: null` is an empty value.
        let value = match &value.value {
            Value::Null => "",
            _ => text(value, &format!("the value of label `{key}`")).map_err(|error| at(error, *position))?,
        };
        labels.insert(key.to_string(), value.to_owned());
    }
    Ok(labels)
}

fn at(error: Unusable, position: Position) -> Unusable {
    match error {
        Unusable::Wrong(_, message) => Unusable::Wrong(position, message),
        error => error,
    }
}
