//! From a located tree to the types of the file, keeping positions.
//!
//! Reading the tree rather than the text a second time means that every mistake, of shape or of meaning, has its
//! place from one parser.

use std::fmt;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::located::LOCATED;
use crate::document::{Entry, Value, YamlNode};
use crate::place::Position;

/// Why a tree has not the wanted shape; the structural check finds these first, with better words.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ShapeError {
    /// What is wrong.
    pub(crate) message: String,
    /// Where, as closely as known.
    pub(crate) position: Option<Position>,
}

impl de::Error for ShapeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), position: None }
    }
}

impl ShapeError {
    fn at(self, position: Position) -> Self {
        Self { position: Some(self.position.unwrap_or(position)), ..self }
    }
}

/// Reads a value of a type from a tree.
pub(crate) fn from_node<'de, T: Deserialize<'de>>(node: &'de YamlNode) -> Result<T, ShapeError> {
    T::deserialize(Tree(node)).map_err(|error| error.at(node.position))
}

struct Tree<'de>(&'de YamlNode);

impl<'de> Deserializer<'de> for Tree<'de> {
    type Error = ShapeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(elements) => visitor.visit_seq(Elements(elements.iter())),
            Value::Map(entries) => visitor.visit_map(Entries { rest: entries.iter(), value: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        if self.0.value == Value::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        if name == LOCATED {
            let position = self.0.position;
            visitor.visit_seq(LocatedParts { position, next: 0, value: Some(self) })
        } else {
            self.deserialize_any(visitor)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        let text = self.0.text().ok_or_else(|| de::Error::custom("this must be a word"))?;
        visitor.visit_enum(IntoDeserializer::<ShapeError>::into_deserializer(text))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        map struct identifier ignored_any
    }
}

struct Elements<'de>(std::slice::Iter<'de, YamlNode>);

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = ShapeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ShapeError> {
        let Some(node) = self.0.next() else { return Ok(None) };
        seed.deserialize(Tree(node)).map(Some).map_err(|error| error.at(node.position))
    }
}

struct Entries<'de> {
    rest: std::slice::Iter<'de, Entry>,
    value: Option<&'de YamlNode>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = ShapeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ShapeError> {
        let Some(entry) = self.rest.next() else { return Ok(None) };
        self.value = Some(&entry.value);
        seed.deserialize(EntryKey(entry)).map(Some).map_err(|error| error.at(entry.position))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ShapeError> {
        let node = self.value.take().ok_or_else(|| de::Error::custom("a key without a value"))?;
        seed.deserialize(Tree(node)).map_err(|error| error.at(node.position))
    }
}

struct EntryKey<'de>(&'de Entry);

impl<'de> Deserializer<'de> for EntryKey<'de> {
    type Error = ShapeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        visitor.visit_borrowed_str(&self.0.key)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        let value = StrDeserializer::new(&self.0.key);
        visitor.visit_seq(LocatedParts { position: self.0.position, next: 0, value: Some(value) })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple map struct enum identifier ignored_any
    }
}

/// A located value as three parts: line, column, value.
struct LocatedParts<D> {
    position: Position,
    next: u8,
    value: Option<D>,
}

impl<'de, D: Deserializer<'de, Error = ShapeError>> SeqAccess<'de> for LocatedParts<D> {
    type Error = ShapeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ShapeError> {
        self.next += 1;
        match self.next {
            1 => seed.deserialize(self.position.line.into_deserializer()).map(Some),
            2 => seed.deserialize(self.position.column.into_deserializer()).map(Some),
            _ => self.value.take().map(|value| seed.deserialize(value)).transpose(),
        }
    }
}
