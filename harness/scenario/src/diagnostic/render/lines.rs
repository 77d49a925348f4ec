//! Finds the lines of a text without reading it again for each of them.

use std::collections::BTreeMap;

/// The distance between remembered positions of a line, in characters.
const STRIDE: usize = 1024;

/// A text by lines and columns.
#[derive(Debug)]
pub(super) struct TextLines<'a> {
    text: &'a str,
    /// Where each line begins, in bytes.
    starts: Vec<usize>,
    /// For each requested line, the byte positions at this distance.
    strides: BTreeMap<usize, Vec<usize>>,
    /// The number of characters read so far, which must not grow with the number of requests.
    #[cfg(test)]
    pub(super) steps: usize,
}

impl<'a> TextLines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let breaks = text.match_indices('\n').map(|(index, _)| index + 1);
        let starts = std::iter::once(0).chain(breaks.filter(|start| *start < text.len())).collect();
        Self {
            text,
            starts,
            strides: BTreeMap::new(),
            #[cfg(test)]
            steps: text.len(),
        }
    }

    /// A line without its end, by its number from 1.
    pub(super) fn line(&self, number: usize) -> Option<&'a str> {
        let index = number.checked_sub(1)?;
        let start = *self.starts.get(index).filter(|start| **start < self.text.len())?;
        let end = self.starts.get(index + 1).copied().unwrap_or(self.text.len());
        let line = &self.text[start..end];
        let line = line.strip_suffix('\n').unwrap_or(line);
        Some(line.strip_suffix('\r').unwrap_or(line))
    }

    /// The rest of a line after a number of characters.
    pub(super) fn from(&mut self, number: usize, skipped: usize) -> &'a str {
        let Some(line) = self.line(number) else { return "" };
        #[cfg(test)]
        let steps = &mut self.steps;
        let strides = self.strides.entry(number).or_insert_with(|| {
            #[cfg(test)]
            {
                *steps += line.len();
            }
            line.char_indices().step_by(STRIDE).map(|(index, _)| index).collect()
        });
        let Some(start) = strides.get(skipped / STRIDE) else { return "" };
        let rest = &line[*start..];
        #[cfg(test)]
        {
            self.steps += skipped % STRIDE;
        }
        rest.char_indices().nth(skipped % STRIDE).map_or("", |(index, _)| &rest[index..])
    }
}
