//! Parses a YAML stream into the trees of its documents, or says why it cannot.

use std::borrow::Cow;
use std::collections::BTreeMap;

use compact_str::CompactString;
use serde_saphyr::granit_parser::ErrorKind;
use serde_saphyr::localizer::ExternalMessageSource;
use serde_saphyr::{DuplicateKeyPolicy, Error};

use super::kubectl;
use super::limits::{self, LimitExcess};
use super::{LARGEST_FILE, Value, YamlNode, position_of};
use crate::place::Position;

/// Why a text is not a YAML document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DocumentError {
    /// The parser's message, without the place.
    pub message: String,
    /// What to do, if the parser's message does not say it.
    pub help: Option<Cow<'static, str>>,
    /// Where.
    pub position: Position,
}

/// The documents of a YAML stream (JSON is YAML). Empty documents are left out.
pub fn parse(text: &str) -> Result<Vec<YamlNode>, DocumentError> {
    let ParsedText { documents, duplicates, .. } = parse_all(text)?;
    duplicates.into_iter().next().map_or(Ok(documents), Err)
}

/// The content of a text.
#[derive(Debug)]
pub(crate) struct ParsedText {
    /// The documents that kubectl reads. If a key occurs twice in a mapping, the first one counts.
    pub(crate) documents: Vec<YamlNode>,
    /// The keys that occur twice.
    pub(crate) duplicates: Vec<DocumentError>,
    /// The starts of the parts that kubectl does not look at.
    pub(crate) unread: Vec<Position>,
}

/// Reads a text, continuing after keys that occur twice.
pub(crate) fn parse_all(text: &str) -> Result<ParsedText, DocumentError> {
    if text.len() > LARGEST_FILE {
        return Err(DocumentError::excess(limits::too_many_bytes(text.len()), START));
    }
    if let Some(values) = kubectl::json_values(text) {
        return json(text, &values);
    }
    let options = serde_saphyr::options! {
        budget: limits::budget(),
        // The tree gets every key, and all duplicates are found in it.
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        // Otherwise the parser keeps them, and only a limited number in a row.
        emit_comments: false,
        with_snippet: false,
    };
    let kubectl::Text { read, unread } = kubectl::read(text);
    let documents = serde_saphyr::from_multiple_with_options::<YamlNode>(&read, options);
    let mut documents = documents.map_err(|error| DocumentError::from_parser(&error))?;
    let mut duplicates = Vec::new();
    for document in &mut documents {
        take_duplicates(document, &mut duplicates);
    }
    Ok(ParsedText { documents, duplicates, unread })
}

const START: Position = Position { line: 1, column: 1 };

/// Reads values of JSON one by one.
fn json(text: &str, values: &[std::ops::Range<usize>]) -> Result<ParsedText, DocumentError> {
    let mut all = ParsedText { documents: Vec::new(), duplicates: Vec::new(), unread: Vec::new() };
    let (mut before, mut at) = (0, START);
    for value in values {
        at = after(at, &text[before..value.start]);
        let begin = at;
        let place = |error: DocumentError| DocumentError { position: moved(error.position, begin), ..error };
        let mut parsed = parse_all(&text[value.clone()]).map_err(place)?;
        parsed.documents.iter_mut().for_each(|document| move_node(document, begin));
        all.documents.append(&mut parsed.documents);
        all.duplicates.extend(parsed.duplicates.into_iter().map(place));
        at = after(at, &text[value.clone()]);
        before = value.end;
    }
    Ok(all)
}

/// The position after a text that begins at another one.
fn after(at: Position, text: &str) -> Position {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let lines = count(text.matches('\n').count());
    let last = text.rsplit('\n').next().unwrap_or(text);
    let columns = count(last.chars().count());
    match lines {
        0 => Position { column: at.column.saturating_add(columns), ..at },
        _ => Position { line: at.line.saturating_add(lines), column: columns.saturating_add(1) },
    }
}

/// A position in a text, relative to the start of the text.
fn moved(position: Position, begin: Position) -> Position {
    let column = if position.line == 1 { begin.column - 1 } else { 0 };
    Position {
        line: position.line.saturating_add(begin.line - 1),
        column: position.column.saturating_add(column),
    }
}

fn move_node(node: &mut YamlNode, begin: Position) {
    node.position = moved(node.position, begin);
    match &mut node.value {
        Value::List(elements) => elements.iter_mut().for_each(|node| move_node(node, begin)),
        Value::Map(entries) => {
            for entry in entries {
                entry.position = moved(entry.position, begin);
                move_node(&mut entry.value, begin);
            }
        }
        _ => {}
    }
}

fn take_duplicates(node: &mut YamlNode, duplicates: &mut Vec<DocumentError>) {
    match &mut node.value {
        Value::List(elements) => elements.iter_mut().for_each(|node| take_duplicates(node, duplicates)),
        Value::Map(entries) => {
            let mut seen: BTreeMap<CompactString, u32> = BTreeMap::new();
            entries.retain(|entry| {
                let Some(first) = seen.get(&entry.key) else {
                    seen.insert(entry.key.clone(), entry.position.line);
                    return true;
                };
                let message = format!("duplicate mapping key: {}", entry.key);
                let help = Some(format!("line {first} has it already: keep one of them").into());
                duplicates.push(DocumentError { message, help, position: entry.position });
                false
            });
            for entry in entries {
                take_duplicates(&mut entry.value, duplicates);
            }
        }
        _ => {}
    }
}

impl DocumentError {
    fn excess(excess: LimitExcess, position: Position) -> Self {
        Self { message: excess.message, help: Some(excess.help.into()), position }
    }

    fn from_parser(error: &Error) -> Self {
        let position = error.location().map_or(START, |location| position_of(&location));
        let position = Position { line: position.line.max(1), column: position.column.max(1) };
        match excess(error) {
            Some(excess) => Self::excess(excess, position),
            None => Self { message: words(error), help: None, position },
        }
    }
}

/// The limit that an error is about.
fn excess(error: &Error) -> Option<LimitExcess> {
    match error.without_snippet() {
        Error::Budget { breach, .. } => Some(limits::excess(breach)),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. } => Some(limits::too_many_copies()),
        Error::ExternalMessage { source, .. } => match &**source {
            ExternalMessageSource::Parser(error) if *error.kind() == ErrorKind::RecursionLimitExceeded => {
                Some(limits::too_deep())
            }
            _ => None,
        },
        Error::AliasError { error, .. } => excess(error),
        _ => None,
    }
}

/// The parser's message, without the place and without advice for programmers.
fn words(error: &Error) -> String {
    let text = error.without_snippet().to_string();
    let message = text.split(" at line ").next().unwrap_or(&text);
    message.split(", set DuplicateKeyPolicy").next().unwrap_or(message).to_owned()
}
