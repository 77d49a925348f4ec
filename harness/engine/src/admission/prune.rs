//! Drops what the API server does not store. Copies only what changes.

use std::borrow::Cow;

use verdikt_scenario::document::{Entry, Value, YamlNode};
use verdikt_scenario::version::CiliumVersion;

use super::KindSchema;
use super::schema::{ObjectSchema, Type};

/// The object without unknown fields, and without nulls if its kind drops them.
pub(super) fn prune(object: &YamlNode, kind: KindSchema, version: CiliumVersion) -> Cow<'_, YamlNode> {
    Pruning { version, drops_nulls: kind.drops_nulls() }.object(object, kind.schema)
}

#[derive(Clone, Copy, Debug)]
struct Pruning {
    version: CiliumVersion,
    drops_nulls: bool,
}

impl Pruning {
    fn object<'a>(self, node: &'a YamlNode, schema: &ObjectSchema) -> Cow<'a, YamlNode> {
        self.entries(node, |entry| {
            let field = schema.field(&entry.key, self.version)?;
            Some(self.value(&entry.value, &field.kind))
        })
    }

    fn value<'a>(self, node: &'a YamlNode, kind: &Type) -> Cow<'a, YamlNode> {
        match (kind, &node.value) {
            (Type::Object(schema), _) => self.object(node, schema),
            (Type::Texts(_), _) => self.entries(node, |entry| Some(Cow::Borrowed(&entry.value))),
            (Type::List { element, .. }, Value::List(elements)) => self.list(node, elements, element),
            _ => Cow::Borrowed(node),
        }
    }

    /// A mapping with the stored part of its entries.
    fn entries<'a>(
        self,
        node: &'a YamlNode,
        stored: impl Fn(&'a Entry) -> Option<Cow<'a, YamlNode>>,
    ) -> Cow<'a, YamlNode> {
        let Value::Map(entries) = &node.value else { return Cow::Borrowed(node) };
        let mut kept: Option<Vec<Entry>> = None;
        for (index, entry) in entries.iter().enumerate() {
            let dropped = self.drops_nulls && entry.value.value == Value::Null;
            let value = if dropped { None } else { stored(entry) };
            if kept.is_none() && matches!(value, Some(Cow::Borrowed(_))) {
                continue;
            }
            let kept = kept.get_or_insert_with(|| entries[..index].to_vec());
            kept.extend(value.map(|value| Entry { value: value.into_owned(), ..entry.clone() }));
        }
        kept.map_or(Cow::Borrowed(node), |entries| {
            Cow::Owned(YamlNode { value: Value::Map(entries), position: node.position })
        })
    }

    /// A list with the stored part of its elements. No element is dropped, not even a null.
    fn list<'a>(self, node: &'a YamlNode, elements: &'a [YamlNode], element: &Type) -> Cow<'a, YamlNode> {
        let mut kept: Option<Vec<YamlNode>> = None;
        for (index, node) in elements.iter().enumerate() {
            let value = self.value(node, element);
            if kept.is_none() && matches!(value, Cow::Borrowed(_)) {
                continue;
            }
            kept.get_or_insert_with(|| elements[..index].to_vec()).push(value.into_owned());
        }
        kept.map_or(Cow::Borrowed(node), |elements| {
            Cow::Owned(YamlNode { value: Value::List(elements), position: node.position })
        })
    }
}
