//! Tables that keep to a width: rows and columns as they are, turned round, with folded headers, in blocks, or
//! one below the other, whichever is the first to fit.

use std::ops::Range;

use crate::paint::{Paint, Tone};
use crate::text::{fold, width};

/// Between two columns.
const GAP: usize = 3;
/// How wide a folded header may be where its cells are narrower, widest first.
const FOLDED_HEADERS: [usize; 3] = [44, 32, 22];

/// A table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grid {
    /// The headers; a column of several has them in lines.
    pub(crate) columns: Vec<String>,
    /// Each row's label, and its cells: as many as there are columns.
    pub(crate) rows: Vec<(String, Vec<Option<TableCell>>)>,
    /// What stands where there is no cell.
    pub(crate) missing: &'static str,
}

/// One cell.
#[derive(Clone, Debug)]
pub(crate) struct TableCell {
    /// The verdict, with what is behind it.
    pub(crate) text: String,
    /// What stands behind it, or below it where space is short.
    pub(crate) more: Option<String>,
    /// Its colour.
    pub(crate) tone: Tone,
}

/// How headers, labels and cells are broken.
#[derive(Clone, Copy, Debug)]
struct LineFolding {
    /// Columns for a row's label.
    label: usize,
    /// Columns for a header, where its cells do not need more.
    header: usize,
    /// Whether what stands behind a cell's text goes below it.
    two_lines: bool,
}

const WHOLE: LineFolding = LineFolding { label: usize::MAX, header: usize::MAX, two_lines: false };

/// The lines of a table, none of them wider than `limit` unless there are fewer columns than a few words take.
pub(crate) fn lines(grid: &Grid, limit: usize, paint: Paint) -> Vec<String> {
    let turned = grid.turned();
    let [wide, medium, narrow] =
        FOLDED_HEADERS.map(|header| LineFolding { label: (limit / 3).max(1), header, two_lines: true });
    let layouts = if grid.columns.len() > grid.rows.len() {
        vec![(grid, WHOLE), (&turned, WHOLE), (grid, wide), (grid, medium), (&turned, narrow), (grid, narrow)]
    } else {
        vec![(grid, WHOLE), (grid, wide), (grid, medium), (grid, narrow), (&turned, narrow)]
    };
    for (grid, folding) in layouts {
        let drawing = MeasuredTable::new(grid, folding, paint);
        let all = 0..grid.columns.len();
        let columns = drawing.width(all.clone()) - drawing.label_width;
        if columns + drawing.label_width <= limit {
            // What the columns leave is for the labels.
            let label = folding.label.max(limit - columns);
            return MeasuredTable::new(grid, LineFolding { label, ..folding }, paint).lines(all);
        }
    }
    blocks(grid, narrow, limit, paint)
}

/// As many columns side by side as fit, then the next ones below.
fn blocks(grid: &Grid, folding: LineFolding, limit: usize, paint: Paint) -> Vec<String> {
    let drawing = MeasuredTable::new(grid, folding, paint);
    let mut lines = Vec::new();
    let mut first = 0;
    while first < grid.columns.len() {
        let mut last = first + 1;
        while last < grid.columns.len() && drawing.width(first..last + 1) <= limit {
            last += 1;
        }
        if first > 0 {
            lines.push(String::new());
        }
        if drawing.width(first..last) <= limit {
            lines.extend(drawing.lines(first..last));
        } else {
            lines.extend(list(grid, first, limit, paint));
        }
        first = last;
    }
    lines
}

/// One column as a list: its header, and below it each label with its cell.
fn list(grid: &Grid, column: usize, limit: usize, paint: Paint) -> Vec<String> {
    let inside = |indent: usize| limit.saturating_sub(indent).max(2);
    let mut lines: Vec<String> = folded(&grid.columns[column], limit.max(2))
        .iter()
        .map(|line| paint.paint(Tone::Heading, line))
        .collect();
    for (label, cells) in &grid.rows {
        let Some(cell) = &cells[column] else { continue };
        lines.extend(fold(label, inside(2)).iter().map(|line| format!("  {line}")));
        let text = [Some(&cell.text), cell.more.as_ref()].into_iter().flatten();
        let folded = text.flat_map(|text| fold(text, inside(4)));
        lines.extend(folded.map(|line| format!("    {}", paint.paint(cell.tone, &line))));
    }
    lines
}

impl TableCell {
    /// Everything that stands in it.
    pub(crate) fn whole(&self) -> String {
        format!("{}\n{}", self.text, self.more.as_deref().unwrap_or_default())
    }
}

impl Grid {
    fn turned(&self) -> Self {
        let row = |(column, header): (usize, &String)| {
            (header.clone(), self.rows.iter().map(|(_, cells)| cells[column].clone()).collect())
        };
        Self {
            columns: self.rows.iter().map(|(label, _)| label.clone()).collect(),
            rows: self.columns.iter().enumerate().map(row).collect(),
            missing: self.missing,
        }
    }
}

/// A table with everything broken into lines and measured.
struct MeasuredTable {
    paint: Paint,
    labels: Vec<Vec<String>>,
    headers: Vec<Vec<String>>,
    /// By row, then by column: the cell's lines and colour.
    cells: Vec<Vec<(Vec<String>, Tone)>>,
    label_width: usize,
    column_widths: Vec<usize>,
}

impl MeasuredTable {
    fn new(grid: &Grid, folding: LineFolding, paint: Paint) -> Self {
        let labels: Vec<Vec<String>> =
            grid.rows.iter().map(|(label, _)| folded(label, folding.label)).collect();
        let cells: Vec<Vec<(Vec<String>, Tone)>> = grid
            .rows
            .iter()
            .map(|(_, cells)| {
                cells.iter().map(|cell| cell_lines(cell.as_ref(), grid.missing, folding)).collect()
            })
            .collect();
        let (mut headers, mut column_widths) = (Vec::new(), Vec::new());
        for (column, header) in grid.columns.iter().enumerate() {
            let cells = cells.iter().map(|row| widest(&row[column].0)).max().unwrap_or(0);
            let header = folded(header, folding.header.max(cells));
            column_widths.push(cells.max(widest(&header)));
            headers.push(header);
        }
        let label_width = labels.iter().map(|label| widest(label)).max().unwrap_or(0);
        Self { paint, labels, headers, cells, label_width, column_widths }
    }

    fn width(&self, columns: Range<usize>) -> usize {
        self.label_width + self.column_widths[columns].iter().map(|width| GAP + width).sum::<usize>()
    }

    fn lines(&self, columns: Range<usize>) -> Vec<String> {
        let header =
            self.headers[columns.clone()].iter().map(|lines| (lines.as_slice(), Tone::Heading)).collect();
        let mut lines = self.row(&[], header, columns.clone(), RowPart::Header);
        for (label, cells) in self.labels.iter().zip(&self.cells) {
            let cells: Vec<_> =
                cells[columns.clone()].iter().map(|(lines, tone)| (lines.as_slice(), *tone)).collect();
            lines.extend(self.row(label, cells, columns.clone(), RowPart::Body));
        }
        lines
    }

    /// The lines of one row. Headers stand at the bottom of their row, cells at the top.
    fn row(
        &self,
        label: &[String],
        cells: Vec<(&[String], Tone)>,
        columns: Range<usize>,
        part: RowPart,
    ) -> Vec<String> {
        let height = cells.iter().map(|(lines, _)| lines.len()).chain([label.len()]).max().unwrap_or(0);
        let widths: Vec<usize> =
            [self.label_width].iter().chain(&self.column_widths[columns]).copied().collect();
        let parts: Vec<(&[String], Tone)> = [(label, Tone::Plain)].into_iter().chain(cells).collect();
        let line = |at: usize| {
            let (mut line, mut missing) = (String::new(), 0);
            for ((lines, tone), room) in parts.iter().zip(&widths) {
                let skipped = match part {
                    RowPart::Header => height - lines.len(),
                    RowPart::Body => 0,
                };
                let text = at.checked_sub(skipped).and_then(|at| lines.get(at)).map_or("", String::as_str);
                if !text.is_empty() {
                    line.push_str(&" ".repeat(missing));
                    line.push_str(&self.paint.paint(*tone, text));
                    missing = 0;
                }
                missing += room - width(text) + GAP;
            }
            line
        };
        (0..height).map(line).collect()
    }
}

/// Which part of a table a row is in.
#[derive(Clone, Copy)]
enum RowPart {
    Header,
    Body,
}

/// The lines of a header or label, each folded.
fn folded(text: &str, limit: usize) -> Vec<String> {
    text.split('\n').flat_map(|line| fold(line, limit)).collect()
}

fn widest(lines: &[String]) -> usize {
    lines.iter().map(|line| width(line)).max().unwrap_or(0)
}

fn cell_lines(cell: Option<&TableCell>, missing: &str, folding: LineFolding) -> (Vec<String>, Tone) {
    match cell {
        None => (vec![missing.to_owned()], Tone::Quiet),
        Some(TableCell { text, more: None, tone }) => (vec![text.clone()], *tone),
        Some(TableCell { text, more: Some(more), tone }) if folding.two_lines => {
            (vec![text.clone(), format!("  {more}")], *tone)
        }
        Some(TableCell { text, more: Some(more), tone }) => (vec![format!("{text} {more}")], *tone),
    }
}

#[cfg(test)]
mod tests;
