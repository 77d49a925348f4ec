//! Decodes the bytes of a file to text, as kubectl does.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use super::shown_path::display;
use crate::diagnostic::Diagnostic;
use crate::document::{Value, YamlNode};
use crate::lower::mistake::Mistake;
use crate::place::Position;

/// The text of a file.
#[derive(Debug)]
pub(super) struct DecodedText {
    /// The text, without a byte order mark.
    pub(super) text: String,
    /// The position from which the file is not UTF-8: such a file cannot be rewritten.
    pub(super) not_utf8: Option<Position>,
}

/// Decodes a file: UTF-16 where a byte order mark says so, else UTF-8.
/// <https://github.com/kubernetes/cli-runtime/blob/v0.36.0/pkg/resource/visitor.go> (`FileVisitor.Visit`)
pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<DecodedText, Mistake> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)),
    };
    if text.contains('\0') {
        return Err(Mistake::new(format!("`{}` is a binary file", display(path))));
    }
    let not_utf8 = match &text {
        // The bytes themselves.
        Cow::Borrowed(_) => None,
        Cow::Owned(text) => Some(position_at(text, text.find(char::REPLACEMENT_CHARACTER).unwrap_or(0))),
    };
    Ok(DecodedText { text: text.into_owned(), not_utf8 })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Cow<'static, str> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::from_utf16_lossy(&pairs.iter().map(|pair| unit(*pair)).collect::<Vec<_>>());
    text.extend(rest.iter().map(|_| char::REPLACEMENT_CHARACTER));
    Cow::Owned(text)
}

/// The position of a byte of a text.
fn position_at(text: &str, at: usize) -> Position {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    Position {
        line: number(text[..line].matches('\n').count()),
        column: number(text[line..at].chars().count()),
    }
}

/// What to do about bytes that are not text.
pub(super) const SAVE_AS_UTF8: &str = "save the file as UTF-8";

/// A warning about the first key or value of a file with bytes that are not UTF-8; in comments they are harmless.
pub(super) fn replaced(documents: &[YamlNode], file: &Arc<str>) -> Option<Diagnostic> {
    let position = documents.iter().find_map(first_replaced)?;
    let message = "not UTF-8: kubectl reads U+FFFD in place of each byte that is not text";
    Some(Diagnostic::warning(position.in_file(file), "not-utf8", message).help(SAVE_AS_UTF8))
}

fn first_replaced(node: &YamlNode) -> Option<Position> {
    let has = |text: &str| text.contains(char::REPLACEMENT_CHARACTER);
    match &node.value {
        Value::Text(text) => has(text).then_some(node.position),
        Value::List(elements) => elements.iter().find_map(first_replaced),
        Value::Map(entries) => entries.iter().find_map(|entry| {
            if has(&entry.key) { Some(entry.position) } else { first_replaced(&entry.value) }
        }),
        _ => None,
    }
}
