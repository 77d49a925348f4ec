//! Fields of objects as they can be read: text, labels, numbers, or why not.

use verdikt_scenario::document::{Entry, Value, YamlNode};
use verdikt_scenario::loader::{Unrendered, unrendered_text};
use verdikt_scenario::place::Position;
use verdikt_scenario::topology::Labels;

/// Why a field cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// A tool has yet to render it.
    Unrendered(Unrendered),
    /// SOPS has encrypted it.
    Encrypted,
    /// The API server does not take it.
    Wrong(Position, String),
}

/// How an encrypted value begins.
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

/// The text of a field that may be left out.
pub(crate) fn optional_text<'a>(root: &'a YamlNode, path: &[&str]) -> Result<Option<&'a str>, Unusable> {
    let node = root.at(path);
    node.map(|node| text(node, &format!("`{}`", path.join(".")))).transpose()
}

/// Labels; none where the field is left out.
pub(crate) fn labels(node: Option<&YamlNode>) -> Result<Labels, Unusable> {
    let mut labels = Labels::new();
    for Entry { key, position, value } in node.map_or(&[][..], YamlNode::entries) {
        if let Some(why) = unrendered_text(key) {
            return Err(Unusable::Unrendered(why));
        }
        // `app: null` is an empty value to the API server.
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
