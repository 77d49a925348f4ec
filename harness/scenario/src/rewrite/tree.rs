//! A YAML text as a tree of spans: the start and end of every part of a table.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Parser, ScanError, Span, StructureStyle};

use crate::expect::Expected;
use crate::place::Position;

/// A part of a text.
#[derive(Debug)]
pub(super) struct TextNode {
    /// Its bytes, without anchor and tag.
    pub(super) span: Range<usize>,
    /// Its position, as the loader counts.
    pub(super) position: Position,
    pub(super) content: NodeContent,
    /// Whether an alias may repeat it.
    is_anchored: bool,
}

#[derive(Debug)]
pub(super) enum NodeContent {
    Scalar(String),
    List(Layout, Vec<TextNode>),
    Map(Layout, Vec<(TextNode, TextNode)>),
    Alias,
}

/// How a collection is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// In brackets.
    Flow,
    /// By indentation.
    Block,
}

impl TextNode {
    /// The text, if this is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.content {
            NodeContent::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a list; none of anything else.
    pub(super) fn elements(&self) -> &[Self] {
        match &self.content {
            NodeContent::List(_, elements) => elements,
            _ => &[],
        }
    }

    /// The entries of a mapping; none of anything else.
    pub(super) fn entries(&self) -> &[(Self, Self)] {
        match &self.content {
            NodeContent::Map(_, entries) => entries,
            _ => &[],
        }
    }

    fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(found, _)| found.text() == Some(key)).map(|(_, value)| value)
    }
}

/// The first document of a text; none if it is not YAML.
pub(super) fn parse(text: &str) -> Option<TextNode> {
    let is_part =
        |event: &Result<(Event<'_>, Span), ScanError>| !matches!(event, Ok((Event::Comment(..), _)));
    let mut events = Parser::new_from_str(text).filter(is_part);
    loop {
        let (event, span) = events.next()?.ok()?;
        match event {
            Event::StreamStart | Event::DocumentStart(..) => {}
            Event::DocumentEnd | Event::StreamEnd => return None,
            first => return node(&first, span, &mut events),
        }
    }
}

/// The node that starts with an event. The loader has limited the depth.
fn node<'a>(
    first: &Event<'a>,
    span: Span,
    events: &mut impl Iterator<Item = Result<(Event<'a>, Span), ScanError>>,
) -> Option<TextNode> {
    let whole = span.byte_range()?;
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let position =
        Position { line: number(span.start.line()), column: number(span.start.col()).saturating_add(1) };
    let is_anchored = first.anchor_id().is_some();
    let layout = |style: StructureStyle| match style {
        StructureStyle::Flow => Layout::Flow,
        StructureStyle::Block => Layout::Block,
    };
    let (content, end) = match first {
        Event::Scalar(text, ..) => (NodeContent::Scalar(text.to_string()), whole.end),
        Event::SequenceStart(style, ..) => {
            let mut elements = Vec::new();
            let end = loop {
                let (event, span) = events.next()?.ok()?;
                if matches!(event, Event::SequenceEnd) {
                    break span;
                }
                elements.push(node(&event, span, events)?);
            };
            let last = elements.last().map_or(whole.start, |element| element.span.end);
            let layout = layout(*style);
            (NodeContent::List(layout, elements), end_of(layout, end, last)?)
        }
        Event::MappingStart(style, ..) => {
            let mut entries: Vec<(TextNode, TextNode)> = Vec::new();
            let end = loop {
                let (event, span) = events.next()?.ok()?;
                if matches!(event, Event::MappingEnd) {
                    break span;
                }
                let key = node(&event, span, events)?;
                let (event, span) = events.next()?.ok()?;
                entries.push((key, node(&event, span, events)?));
            };
            let last = entries.last().map_or(whole.start, |(key, value)| value.span.end.max(key.span.end));
            let layout = layout(*style);
            (NodeContent::Map(layout, entries), end_of(layout, end, last)?)
        }
        Event::Alias(_) => (NodeContent::Alias, whole.end),
        _ => return None,
    };
    Some(TextNode { span: whole.start..end, position, content, is_anchored })
}

/// The end of a collection: after its bracket, or with its last part.
fn end_of(layout: Layout, end: Span, last: usize) -> Option<usize> {
    match layout {
        Layout::Flow => Some(end.byte_range()?.end),
        Layout::Block => Some(last),
    }
}

/// A mapping from verdicts to their sources.
#[derive(Debug)]
pub(super) struct VerdictMap<'t> {
    pub(super) layout: Layout,
    pub(super) entries: Vec<VerdictEntry<'t>>,
    /// Whether there is an anchor or alias between the table and its sources.
    pub(super) is_shared: bool,
    start: usize,
}

/// A verdict and its sources.
#[derive(Debug)]
pub(super) struct VerdictEntry<'t> {
    pub(super) key: &'t TextNode,
    pub(super) value: &'t TextNode,
    /// The text of the key.
    pub(super) expected: Option<Expected>,
    /// The sources, one by one.
    pub(super) sources: Vec<&'t TextNode>,
}

impl VerdictMap<'_> {
    /// Its start in the text.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Whether one of its sources is at a position.
    pub(super) fn has(&self, position: Position) -> bool {
        self.entries.iter().flat_map(|entry| &entry.sources).any(|source| source.position == position)
    }
}

/// All tables of a scenario.
#[derive(Debug, Default)]
pub(super) struct ScenarioTables<'t> {
    maps: Vec<VerdictMap<'t>>,
    /// The map that contains a source, by the position of the source.
    places: BTreeMap<Position, usize>,
}

impl<'t> ScenarioTables<'t> {
    /// The tables of a scenario's document.
    pub(super) fn of(root: &'t TextNode) -> Self {
        let mut tables = Self::default();
        let steps = root.get("steps");
        let is_shared = steps.is_some_and(|steps| steps.is_anchored);
        for step in steps.map_or(&[][..], TextNode::elements) {
            let is_shared = is_shared || step.is_anchored;
            tables.table(step.get("expect"), is_shared);
            let differs = step.get("differs");
            let is_shared = is_shared || differs.is_some_and(|differs| differs.is_anchored);
            for difference in differs.map_or(&[][..], TextNode::elements) {
                tables.table(difference.get("expect"), is_shared || difference.is_anchored);
            }
        }
        tables
    }

    fn table(&mut self, table: Option<&'t TextNode>, is_shared: bool) {
        let Some(table) = table else { return };
        for (_, verdicts) in table.entries() {
            let NodeContent::Map(layout, entries) = &verdicts.content else { continue };
            let mut is_shared = is_shared || table.is_anchored || verdicts.is_anchored;
            let entry = |(key, value): &'t (TextNode, TextNode)| {
                let sources = match &value.content {
                    NodeContent::List(_, elements) => elements.iter().collect(),
                    _ => vec![value],
                };
                let is_plain = |node: &TextNode| !node.is_anchored && node.text().is_some();
                is_shared |=
                    value.is_anchored || !is_plain(key) || !sources.iter().all(|node| is_plain(node));
                let expected = key.text().and_then(|words| words.parse().ok());
                VerdictEntry { key, value, expected, sources }
            };
            let entries: Vec<VerdictEntry<'t>> = entries.iter().map(entry).collect();
            let number = self.maps.len();
            for source in entries.iter().flat_map(|entry| &entry.sources) {
                self.places.insert(source.position, number);
            }
            self.maps.push(VerdictMap { layout: *layout, entries, is_shared, start: verdicts.span.start });
        }
    }

    /// The map that contains a source at a position.
    pub(super) fn map_with(&self, position: Position) -> Option<&VerdictMap<'t>> {
        self.maps.get(*self.places.get(&position)?)
    }
}
