//! Differences between how kubectl reads a text and YAML.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::IgnoredAny;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, StructureStyle};

use crate::place::Position;

/// A text as kubectl reads it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text<'a> {
    /// The text, with blanks where kubectl does not look.
    pub(super) read: Cow<'a, str>,
    /// The starts of the parts that it does not look at.
    pub(super) unread: Vec<Position>,
}

/// The JSON values of a text that has several: kubectl reads them one after the other, with or without anything
/// between them.
pub(super) fn json_values(text: &str) -> Option<Vec<Range<usize>>> {
    if !text.trim_start_matches(BYTE_ORDER_MARK).trim_start().starts_with('{') {
        return None;
    }
    let begin = text.len() - text.trim_start_matches(BYTE_ORDER_MARK).len();
    let json = &text[begin..];
    let mut values = serde_json::Deserializer::from_str(json).into_iter::<IgnoredAny>();
    let (mut found, mut start) = (Vec::new(), 0);
    while let Some(value) = values.next() {
        value.ok()?;
        let end = values.byte_offset();
        let blank = json[start..end].len() - json[start..end].trim_start().len();
        found.push(begin + start + blank..begin + end);
        start = end;
    }
    (found.len() > 1).then_some(found)
}

/// The position of a directive, such as `%YAML 1.2`: kubectl separates it from its document, and refuses both.
pub(crate) fn refused_directive(text: &str) -> Option<Position> {
    let lines = (1..).zip(text.trim_start_matches(BYTE_ORDER_MARK).lines());
    let mut written = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let (line, _) = written.next().filter(|(_, line)| line.starts_with('%'))?;
    Some(Position { line, column: 1 })
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Removes what is between `...` and the next `---`: kubectl splits a text at the lines `---`, and reads only the
/// first document of each piece.
pub(super) fn read(text: &str) -> Text<'_> {
    let mut unread = Vec::new();
    let mut gaps: Vec<Range<usize>> = Vec::new();
    let (mut is_read, mut is_told, mut start) = (true, false, 0);
    let mut is_first = false;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        // Each document may have a mark of its own.
        if std::mem::take(&mut is_first) && line.starts_with(BYTE_ORDER_MARK) {
            gaps.push(start..start + BYTE_ORDER_MARK.len_utf8());
        }
        if is_marker(line, "---") {
            is_first = true;
            is_read = true;
        } else if is_read {
            is_read = !is_marker(line, "...");
            is_told = false;
        } else {
            let column = line.len() - line.trim_start().len();
            if !is_told
                && !line[column..].is_empty()
                && !line[column..].starts_with('#')
                && !is_marker(line, "...")
            {
                is_told = true;
                let column = u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1);
                unread.push(Position { line: number, column });
            }
            gaps.push(start..start + line.trim_end_matches(['\r', '\n']).len());
        }
        start += line.len();
    }
    if gaps.is_empty() {
        return Text { read: Cow::Borrowed(text), unread };
    }
    let mut read = String::with_capacity(text.len());
    let mut end = 0;
    for gap in gaps {
        read.push_str(&text[end..gap.start]);
        end = gap.end;
    }
    read.push_str(&text[end..]);
    Text { read: Cow::Owned(read), unread }
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// The first tab in a blank line, or before a comment, which YAML allows and kubectl does not, except in brackets and
/// multi-line scalars. The text has to be YAML.
/// <https://github.com/kubernetes-sigs/yaml/blob/master/goyaml.v2/scannerc.go>
pub(crate) fn refused_tab(text: &str) -> Option<Position> {
    let tab = |line: &str| {
        let indented = line.trim_start_matches(' ');
        let content = indented.trim_start();
        let is_refused = indented.starts_with('\t') && (content.is_empty() || content.starts_with('#'));
        is_refused.then(|| line.len() - indented.len())
    };
    let tabs = (1..).zip(text.lines()).filter_map(|(line, text)| Some((line, tab(text)?)));
    let mut tabs = tabs.peekable();
    tabs.peek()?;
    let taken = lines_of_brackets_and_scalars(text);
    let is_taken = |line: usize| {
        let after = taken.partition_point(|lines| lines.start < line);
        after.checked_sub(1).is_some_and(|index| taken[index].end > line)
    };
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    tabs.find(|(line, _)| !is_taken(*line))
        .map(|(line, column)| Position { line: number(line), column: number(column).saturating_add(1) })
}

/// The lines from the first to the last of each outermost pair of brackets, and of each scalar that is quoted or a
/// block, in the order of the text.
fn lines_of_brackets_and_scalars(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    // For each open collection, the line of its bracket; none if it has none.
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut brackets = 0;
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        match event {
            Event::SequenceStart(style, ..) | Event::MappingStart(style, ..) => {
                let bracket = (style == StructureStyle::Flow).then(|| span.start.line());
                brackets += usize::from(bracket.is_some());
                open.push(bracket);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Some(start)) = open.pop() {
                    brackets -= 1;
                    if brackets == 0 {
                        found.push(start..span.end.line());
                    }
                }
            }
            Event::Scalar(_, style, ..) if style != ScalarStyle::Plain && brackets == 0 => {
                found.push(span.start.line()..span.end.line());
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubectl_does_not_look_at() {
        let check = |text: &str, documents: usize, unread: &[(u32, u32)]| {
            let seen = read(text);
            let places: Vec<(u32, u32)> = seen.unread.iter().map(|at| (at.line, at.column)).collect();
            let read = super::super::parse(&seen.read).unwrap();
            assert_eq!((read.len(), places.as_slice()), (documents, unread), "{text:?}");
            assert_eq!(seen.read.lines().count(), text.lines().count(), "{text:?}");
        };
        check("a: 1\n", 1, &[]);
        check("a: 1\n...\n", 1, &[]);
        check("a: 1\n...\n---\nb: 2\n", 2, &[]);
        check("a: 1\n... # end\n# only a remark\n", 1, &[]);
        check("a: 1\n...\nb: 2\nc: 3\n", 1, &[(3, 1)]);
        check("a: 1\r\n...\r\n  b: 2\r\n---\r\nc: 3\r\n", 2, &[(3, 3)]);
        check("a: 1\n...\nb: 2\n...\nc: 3\n---\nd: 4\n...\ne: 5\n", 2, &[(3, 1), (9, 1)]);
        check("a: ....\n....b: 2\n---c: 3\n", 1, &[]);
    }

    /// What kubectl reads of texts, by the positions of their documents.
    #[test]
    fn values_of_json_and_marks_of_documents() {
        let check = |text: &str, places: &[(u32, u32)]| {
            let read = super::super::parse(text).unwrap();
            let found = read.iter().map(|document| {
                let value = document.get("a").unwrap();
                (value.position.line, value.position.column)
            });
            assert_eq!(found.collect::<Vec<_>>(), places, "{text:?}");
        };
        check("{\"a\": 1}", &[(1, 7)]);
        check("{\"a\": 1}{\"a\": 2}\n", &[(1, 7), (1, 15)]);
        check("\n{\"a\": 1}\n\n{\n \"a\": 2}\n", &[(2, 7), (5, 7)]);
        check("{a: 1}\n---\na: 2\n", &[(1, 5), (3, 4)]);
        check("a: 1\n---\n\u{feff}a: 2\n", &[(1, 4), (3, 4)]);
        assert!(super::super::parse("{\"a\": 1}{").is_err());
    }

    #[test]
    fn directives() {
        let check = |text: &str, line: Option<u32>| {
            assert_eq!(refused_directive(text).map(|position| position.line), line, "{text:?}");
        };
        check("%YAML 1.2\n---\na: 1\n", Some(1));
        check("# remark\n\n%TAG ! tag:x,2000:\n---\na: 1\n", Some(3));
        check("a: |\n  x\n%: 1\n", None);
    }

    #[test]
    fn tabs_in_blank_lines() {
        let check = |text: &str, tab: Option<(u32, u32)>| {
            assert!(super::super::parse(text).is_ok(), "{text:?}");
            assert_eq!(refused_tab(text).map(|at| (at.line, at.column)), tab, "{text:?}");
        };
        check("a: 1\n\nb: 2\n", None);
        check("a: 1\n\t\nb: 2\n", Some((2, 1)));
        check("a: 1\n  \t \nb: 2\n", Some((2, 3)));
        check("a: 1\n\t# remark\nb: 2\n", Some((2, 1)));
        check("a: 1\t\nb:\t2\n", None);
        check("a: [1,\n\t\n2]\nb: {c: [3,\n\t\n4]}\n", None);
        check("a: [1]\n\t\nb: [2,\n\t\n3]\n", Some((2, 1)));
        check("a: \"x\n  \t\n  y\"\nb: |\n  x\n  \t\n  y\n", None);
        check("a: [1,\n2]\n\t\nb: 3\n", Some((3, 1)));
    }
}
