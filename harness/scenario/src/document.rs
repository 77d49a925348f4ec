//! YAML documents as trees in which every key and value knows its place.
//!
//! One tree serves the loader (unknown keys, wrong shapes) and the engine (which rule of which line).

mod kubectl;
mod limits;
mod parse;

use std::fmt;
use std::marker::PhantomData;

use compact_str::CompactString;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::place::Position;

pub(crate) use self::kubectl::{refused_directive, refused_tab};
pub(crate) use self::limits::LARGEST_FILE;
pub use self::parse::{DocumentError, parse};
pub(crate) use self::parse::{ParsedText, parse_all};

/// A value of a document, with its position.
#[derive(Clone, Debug, PartialEq)]
pub struct YamlNode {
    /// The value.
    pub value: Value,
    /// Its position.
    pub position: Position,
}

/// A YAML or JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(CompactString),
    /// A list.
    List(Vec<YamlNode>),
    /// A mapping, in the order of the file.
    Map(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: CompactString,
    /// The position of the key.
    pub position: Position,
    /// Its value.
    pub value: YamlNode,
}

impl YamlNode {
    /// The value under a key, if this is a mapping that has it and the value is not null.
    ///
    /// The API server drops a null where a field is not nullable, which holds for every field verdikt reads:
    /// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting-and-nullable>
    pub fn get(&self, key: &str) -> Option<&YamlNode> {
        let entry = self.entries().iter().find(|entry| entry.key == key)?;
        (entry.value.value != Value::Null).then_some(&entry.value)
    }

    /// The value at the end of a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&YamlNode> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The position of the value at the end of a path, or of its nearest parent that exists.
    pub fn position_near(&self, path: &[&str]) -> Position {
        let mut node = self;
        for key in path {
            match node.get(key) {
                Some(inner) => node = inner,
                None => break,
            }
        }
        node.position
    }

    /// The entries of a mapping; none for any other value.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a list; none for any other value.
    pub fn elements(&self) -> &[YamlNode] {
        match &self.value {
            Value::List(elements) => elements,
            _ => &[],
        }
    }

    /// The text, if this is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Value {
    /// The type of the value, in the words of JSON Schema.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Integer(_) => "integer",
            Self::Float(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Map(_) => "object",
        }
    }
}

impl<'de> Deserialize<'de> for YamlNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { position: position_of(&spanned.referenced), value: spanned.value })
    }
}

fn position_of(location: &serde_saphyr::Location) -> Position {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    Position { line: number(location.line()), column: number(location.column()) }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor::<WithPositions>(PhantomData))
    }
}

/// Reads a tree without positions, from a format that has none (JSON made by a program).
#[derive(Clone, Debug, PartialEq)]
pub struct Unlocated(pub YamlNode);

impl<'de> Deserialize<'de> for Unlocated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(ValueVisitor::<WithoutPositions>(PhantomData))?;
        Ok(Self(YamlNode { value, position: Position::default() }))
    }
}

/// Whether the parts of a tree are read with their positions.
trait TreeParts<'de> {
    type Element: Deserialize<'de> + Into<YamlNode>;
    type Key: Deserialize<'de> + Into<MappingKey>;
}

struct WithPositions;
struct WithoutPositions;

impl TreeParts<'_> for WithPositions {
    type Element = YamlNode;
    type Key = Spanned<CompactString>;
}

impl TreeParts<'_> for WithoutPositions {
    type Element = Unlocated;
    type Key = CompactString;
}

struct MappingKey(CompactString, Position);

impl From<Spanned<CompactString>> for MappingKey {
    fn from(key: Spanned<CompactString>) -> Self {
        let position = position_of(&key.referenced);
        Self(key.value, position)
    }
}

impl From<CompactString> for MappingKey {
    fn from(key: CompactString) -> Self {
        Self(key, Position::default())
    }
}

impl From<Unlocated> for YamlNode {
    fn from(Unlocated(node): Unlocated) -> Self {
        node
    }
}

struct ValueVisitor<P>(PhantomData<P>);

impl<'de, P: TreeParts<'de>> Visitor<'de> for ValueVisitor<P> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value)
            .map(Value::Integer)
            .map_err(|_| E::custom(format!("{value} is too large a number")))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // A leading zero makes the parser answer 120.0 for `0120`; whole numbers stay whole.
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
        if value.fract() == 0.0 && value.abs() < 9e15 {
            return Ok(Value::Integer(value as i64));
        }
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = access.next_element::<P::Element>()? {
            elements.push(element.into());
        }
        Ok(Value::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<P::Key>()? {
            let MappingKey(key, position) = key.into();
            let value = access.next_value::<P::Element>()?.into();
            entries.push(Entry { key, position, value });
        }
        Ok(Value::Map(entries))
    }
}
