//! Edits a text, changing as few bytes as possible and never a comment.

use std::ops::Range;

use super::RewriteError;
use super::assign::{Assignment, EntryChange};
use super::tree::{Layout, NodeContent, TextNode, VerdictEntry, VerdictMap};

/// The edits of a text, none of which overlap.
#[derive(Debug)]
pub(super) struct Edits<'t> {
    text: &'t str,
    edits: Vec<(Range<usize>, String)>,
}

impl<'t> Edits<'t> {
    /// No edits yet.
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, edits: Vec::new() }
    }

    /// The edited text.
    pub(super) fn apply(mut self) -> String {
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        let mut edited = String::with_capacity(self.text.len());
        let mut done = 0;
        for (range, new) in self.edits {
            edited.push_str(&self.text[done..range.start]);
            edited.push_str(&new);
            done = range.end;
        }
        edited.push_str(&self.text[done..]);
        edited
    }

    /// Rewrites a mapping from verdicts to sources.
    pub(super) fn rewrite(
        &mut self,
        map: &VerdictMap<'_>,
        assignment: &Assignment,
    ) -> Result<(), RewriteError> {
        let changes = || map.entries.iter().zip(&assignment.entries);
        for (entry, change) in changes().filter(|(_, change)| !change.is_removed()) {
            if let Some(words) = &change.rename {
                self.replace(entry.key.span.clone(), words.clone());
            }
            self.sources(entry, change)?;
        }
        match map.layout {
            Layout::Flow => {
                let units: Vec<Range<usize>> =
                    map.entries.iter().map(|entry| entry.key.span.start..entry.value.span.end).collect();
                let keep: Vec<bool> = changes().map(|(_, change)| !change.is_removed()).collect();
                self.remove_units(&units, &keep);
                let new: Vec<String> = assignment.new.iter().map(entry_text).collect();
                self.add_units(&units, &keep, &new, map.start());
            }
            Layout::Block => {
                for (entry, _) in changes().filter(|(_, change)| change.is_removed()) {
                    self.remove_lines(entry)?;
                }
                self.add_lines(map, &assignment.new)?;
            }
        }
        Ok(())
    }

    /// Rewrites the sources of one verdict.
    fn sources(&mut self, entry: &VerdictEntry<'_>, change: &EntryChange) -> Result<(), RewriteError> {
        let EntryChange { keep, added, .. } = change;
        if added.is_empty() && !keep.contains(&false) {
            return Ok(());
        }
        match &entry.value.content {
            NodeContent::List(Layout::Flow, elements) => {
                let units: Vec<Range<usize>> = elements.iter().map(|element| element.span.clone()).collect();
                self.remove_units(&units, keep);
                self.add_units(&units, keep, added, entry.value.span.start);
                Ok(())
            }
            NodeContent::List(Layout::Block, elements) => self.block_list(elements, keep, added),
            _ => {
                let written = self.text[entry.value.span.clone()].to_owned();
                let kept = keep.first().is_some_and(|kept| *kept).then_some(written);
                let all: Vec<String> = kept.into_iter().chain(added.iter().cloned()).collect();
                self.replace(entry.value.span.clone(), value_text(&all));
                Ok(())
            }
        }
    }

    /// Removes units from brackets, each with its comma; comments between them stay.
    fn remove_units(&mut self, units: &[Range<usize>], keep: &[bool]) {
        let Some(last) = units.last().cloned() else { return };
        let last_kept = keep.iter().rposition(|kept| *kept);
        let behind = last_kept.map_or(0, |kept| kept + 1);
        for number in (0..behind).filter(|number| !keep[*number]) {
            let (unit, next) = (units[number].clone(), units[number + 1].start);
            let has_break = self.text[unit.end..next].contains(['#', '\n']);
            let end = if has_break { self.behind_comma(unit.end) } else { next };
            self.remove(unit.start..end);
        }
        if behind == units.len() {
            return;
        }
        let start = last_kept.map_or(units[0].start, |kept| units[kept].end);
        if self.text[start..last.end].contains('#') {
            for unit in &units[behind..] {
                let end = if unit.end == last.end { unit.end } else { self.behind_comma(unit.end) };
                self.remove(unit.start..end);
            }
        } else {
            self.remove(start..last.end);
        }
    }

    /// Adds units inside brackets that open at `open`, after the last that stays.
    fn add_units(&mut self, units: &[Range<usize>], keep: &[bool], added: &[String], open: usize) {
        if added.is_empty() {
            return;
        }
        let joined = added.join(", ");
        match keep.iter().rposition(|kept| *kept) {
            Some(kept) => self.insert(units[kept].end, format!(", {joined}")),
            None => self.insert(units.first().map_or(open + 1, |unit| unit.start), joined),
        }
    }

    /// Rewrites a list with one source a line.
    fn block_list(
        &mut self,
        elements: &[TextNode],
        keep: &[bool],
        added: &[String],
    ) -> Result<(), RewriteError> {
        let Some(last) = elements.last() else { return Ok(()) };
        for (element, kept) in elements.iter().zip(keep) {
            let lead = &self.text[self.line_start(element.span.start)..element.span.start];
            if lead.trim() != "-" || self.text[element.span.clone()].contains('\n') {
                return Err(RewriteError::Layout(element.position.line));
            }
            if !kept {
                let lines = self.line_start(element.span.start)..self.line_end(element.span.end);
                self.remove_but_comments(lines, std::slice::from_ref(&element.span));
            }
        }
        let lead = &self.text[self.line_start(last.span.start)..last.span.start];
        let lines: Vec<String> = added.iter().map(|source| format!("{lead}{source}")).collect();
        self.insert_lines(last.span.end, &lines);
        Ok(())
    }

    /// Removes a verdict with its sources from a mapping with one verdict a line.
    fn remove_lines(&mut self, entry: &VerdictEntry<'_>) -> Result<(), RewriteError> {
        let start = self.line_start(entry.key.span.start);
        if !self.text[start..entry.key.span.start].trim().is_empty() {
            return Err(RewriteError::Layout(entry.key.position.line));
        }
        let spans: Vec<Range<usize>> = [entry.key.span.clone()]
            .into_iter()
            .chain(entry.sources.iter().map(|source| source.span.clone()))
            .collect();
        self.remove_but_comments(start..self.line_end(entry.value.span.end), &spans);
        Ok(())
    }

    /// Adds verdicts after the last one of a mapping with one verdict a line.
    fn add_lines(&mut self, map: &VerdictMap<'_>, new: &[(String, Vec<String>)]) -> Result<(), RewriteError> {
        let (Some(first), Some(last)) = (map.entries.first(), map.entries.last()) else { return Ok(()) };
        if new.is_empty() {
            return Ok(());
        }
        let lead = &self.text[self.line_start(first.key.span.start)..first.key.span.start];
        if !lead.trim().is_empty() {
            return Err(RewriteError::Layout(first.key.position.line));
        }
        let lines: Vec<String> = new.iter().map(|entry| format!("{lead}{}", entry_text(entry))).collect();
        self.insert_lines(last.value.span.end, &lines);
        Ok(())
    }

    /// Adds lines below the one in which a place is.
    fn insert_lines(&mut self, at: usize, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        let end = self.line_end(at);
        let line_break = self.line_break();
        let has_end = self.text[..end].ends_with('\n');
        let lines = lines.join(line_break);
        let new = if has_end { format!("{lines}{line_break}") } else { format!("{line_break}{lines}") };
        self.insert(end, new);
    }

    /// Removes whole lines, except comments, each of which stays on its own line.
    fn remove_but_comments(&mut self, lines: Range<usize>, scalars: &[Range<usize>]) {
        let mut left = String::new();
        let mut start = lines.start;
        for line in self.text[lines.clone()].split_inclusive('\n') {
            if let Some(comment) = comment(line, start, scalars) {
                let indent = line.len() - line.trim_start().len();
                left.push_str(&line[..indent]);
                left.push_str(comment);
            }
            start += line.len();
        }
        self.replace(lines, left);
    }

    /// The position after a following comma and blanks.
    fn behind_comma(&self, at: usize) -> usize {
        let rest = &self.text[at..];
        let Some(behind) = rest.trim_start().strip_prefix(',') else { return at };
        let next = behind.trim_start_matches(' ');
        // Without a blank before it, a `#` starts no comment.
        self.text.len() - if next.starts_with('#') { behind.len() } else { next.len() }
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |at| at + 1)
    }

    /// The position after the end of a line.
    fn line_end(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |end| at + end + 1)
    }

    fn line_break(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    fn remove(&mut self, range: Range<usize>) {
        self.replace(range, String::new());
    }

    fn insert(&mut self, at: usize, new: String) {
        self.replace(at..at, new);
    }

    fn replace(&mut self, range: Range<usize>, new: String) {
        self.edits.push((range, new));
    }
}

/// The comment of a line that starts at `start`: everything after a `#` outside of scalars.
fn comment<'l>(line: &'l str, start: usize, scalars: &[Range<usize>]) -> Option<&'l str> {
    let signs = line.match_indices('#').map(|(at, _)| at);
    let begins = |at: &usize| {
        let is_apart = line[..*at].chars().next_back().is_none_or(char::is_whitespace);
        is_apart && !scalars.iter().any(|scalar| scalar.contains(&(start + at)))
    };
    signs.into_iter().find(begins).map(|at| &line[at..])
}

/// A verdict with its sources, as written in one line or in brackets.
fn entry_text((words, sources): &(String, Vec<String>)) -> String {
    format!("{words}: {}", value_text(sources))
}

/// The sources of a verdict.
fn value_text(sources: &[String]) -> String {
    match sources {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}
