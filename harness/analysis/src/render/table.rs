//! A matrix as a dense table: a letter for each profile, and a legend below.

use std::collections::{BTreeMap, BTreeSet};

use unicode_width::UnicodeWidthStr as _;
use verdikt_scenario::plain::{Plain, counted};
use verdikt_scenario::topology::Endpoint;

use super::{MatrixView, joined};
use crate::describe;
use crate::end::TrafficEnd;

/// How rows and columns are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoldMode {
    /// As far as the width requires.
    Auto,
    /// Only ends that are alike.
    Groups,
    /// Pods by their namespace.
    Namespaces,
}

/// The content of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MatrixCell {
    /// No policy can decide.
    Undecided,
    /// The profile with this number.
    Profile(u32),
    /// Several profiles.
    Mixed,
}

/// Rows and columns, with the cells between them.
struct MatrixGrid {
    labels: Vec<String>,
    cells: Vec<Vec<MatrixCell>>,
}

/// The largest number of rows that fit on a screen.
const MOST_ROWS: usize = 45;
/// The largest width of a label, in columns.
const WIDEST_LABEL: usize = 44;

/// The table as text, for a width in columns.
pub fn table(shown: &MatrixView<'_>, folding: FoldMode, width: usize) -> String {
    let classes = shown.matrix.classes.len();
    let fits = classes <= MOST_ROWS && classes + WIDEST_LABEL + 6 <= width;
    let namespaces = match folding {
        FoldMode::Auto => !fits,
        FoldMode::Groups => false,
        FoldMode::Namespaces => true,
    };
    let grid = if namespaces { by_namespace(shown) } else { by_group(shown) };
    let mut lines = vec![shown.head(), "a row is a source, a column a destination".to_owned(), String::new()];
    let symbols = Symbols::new(shown, &grid);
    lines.extend(body(&grid, &symbols, width));
    lines.push(String::new());
    lines.extend(legend(&grid, &symbols));
    if namespaces && folding == FoldMode::Auto {
        lines.push(format!("folded by namespace; `--fold groups` shows {}", counted(classes, "group")));
    }
    joined(lines.iter().map(|line| line.trim_end().to_owned()))
}

fn by_group(shown: &MatrixView<'_>) -> MatrixGrid {
    let matrix = shown.matrix;
    let labels = (0..matrix.classes.len()).map(|class| shown.name(class, 3)).collect();
    let cell = |number: &Option<u32>| number.map_or(MatrixCell::Undecided, MatrixCell::Profile);
    let cells = matrix.cells.iter().map(|row| row.iter().map(cell).collect()).collect();
    MatrixGrid { labels, cells }
}

/// The place of an end, for a row: pods by namespace, other ends by their kind.
fn row_of(end: &TrafficEnd) -> (u8, String) {
    match end {
        TrafficEnd::Endpoint(Endpoint::Pod(name)) => (0, format!("{}/*", name.namespace)),
        TrafficEnd::Future(pod) => (0, format!("{}/*", pod.namespace)),
        TrafficEnd::Endpoint(Endpoint::Node(_)) => (1, "nodes".to_owned()),
        TrafficEnd::Endpoint(Endpoint::Cilium(_)) => (2, "Cilium's own endpoints".to_owned()),
        TrafficEnd::Endpoint(Endpoint::World(_)) => (3, "hosts outside".to_owned()),
        TrafficEnd::Name(_) => (4, "names outside".to_owned()),
        TrafficEnd::Block(_) => (5, "addresses outside".to_owned()),
    }
}

fn by_namespace(shown: &MatrixView<'_>) -> MatrixGrid {
    let matrix = shown.matrix;
    let mut classes_of: BTreeMap<(u8, String), BTreeSet<usize>> = BTreeMap::new();
    for (number, class) in matrix.classes.iter().enumerate() {
        for end in &class.ends {
            classes_of.entry(row_of(end)).or_default().insert(number);
        }
    }
    let labels = classes_of.keys().map(|(_, label)| label.clone()).collect();
    let cell = |from: &BTreeSet<usize>, to: &BTreeSet<usize>| {
        let mut found: Option<MatrixCell> = None;
        for number in from.iter().flat_map(|from| to.iter().map(move |to| matrix.cells[*from][*to])) {
            let Some(number) = number else { continue };
            match found {
                None => found = Some(MatrixCell::Profile(number)),
                Some(MatrixCell::Profile(known)) if known != number && !same_passes(shown, known, number) => {
                    return MatrixCell::Mixed;
                }
                Some(_) => {}
            }
        }
        found.unwrap_or(MatrixCell::Undecided)
    };
    let sets: Vec<&BTreeSet<usize>> = classes_of.values().collect();
    let cells = sets.iter().map(|from| sets.iter().map(|to| cell(from, to)).collect()).collect();
    MatrixGrid { labels, cells }
}

/// Whether two profiles allow the same traffic, whichever side denies the rest.
fn same_passes(shown: &MatrixView<'_>, one: u32, other: u32) -> bool {
    let text = |number: u32| describe::passing(&shown.matrix.profiles[number as usize]);
    text(one) == text(other)
}

/// What each profile allows, as text, and its symbol.
struct Symbols {
    /// By the number of the profile.
    texts: Vec<Option<String>>,
    by_text: BTreeMap<Option<String>, String>,
    /// The texts with a letter, in the order in which they appear.
    order: Vec<String>,
}

impl Symbols {
    fn new(shown: &MatrixView<'_>, grid: &MatrixGrid) -> Self {
        let texts: Vec<Option<String>> = shown.matrix.profiles.iter().map(describe::passing).collect();
        let mut symbols: BTreeMap<Option<String>, String> =
            [(None, ".".to_owned()), (Some("everything".to_owned()), "#".to_owned())].into();
        let mut order = Vec::new();
        for cell in grid.cells.iter().flatten() {
            let MatrixCell::Profile(number) = cell else { continue };
            let text = &texts[*number as usize];
            if let Some(words) = text.as_ref().filter(|_| !symbols.contains_key(text)) {
                symbols.insert(text.clone(), letter(order.len()));
                order.push(words.clone());
            }
        }
        Self { texts, by_text: symbols, order }
    }

    fn of(&self, cell: MatrixCell) -> &str {
        match cell {
            MatrixCell::Undecided => "",
            MatrixCell::Mixed => "~",
            MatrixCell::Profile(number) => {
                self.by_text.get(&self.texts[number as usize]).map_or("", String::as_str)
            }
        }
    }

    /// The width of the widest symbol.
    fn width(&self) -> usize {
        self.by_text.values().map(String::len).max().unwrap_or(1)
    }
}

/// `a` to `z`, `A` to `Z`, then `a1` and so on.
fn letter(number: usize) -> String {
    let letters: Vec<char> = ('a'..='z').chain('A'..='Z').collect();
    let letter = letters[number % letters.len()];
    match number / letters.len() {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}

/// The rows, with as many columns as fit into the width.
fn body(grid: &MatrixGrid, symbols: &Symbols, width: usize) -> Vec<String> {
    let labels: Vec<String> = grid.labels.iter().map(|label| cut(label, WIDEST_LABEL)).collect();
    let label_width = labels.iter().map(|label| label.width()).max().unwrap_or(0);
    let digits = labels.len().to_string().len();
    let room = width.saturating_sub(digits + 1 + label_width).max(20);
    // Blanks between columns if there is room.
    let gap = usize::from(symbols.width() > 1 || labels.len() * (symbols.width() + 1) <= room);
    let column = symbols.width() + gap;
    let per_block = (room / column).max(1);
    let mut lines = Vec::new();
    for block in (0..labels.len()).step_by(per_block) {
        let columns = block..labels.len().min(block + per_block);
        if block > 0 {
            lines.push(String::new());
        }
        for digit in 0..digits {
            let numbers = columns.clone().map(|number| {
                let text = format!("{:>digits$}", number + 1);
                format!("{:>column$}", &text[digit..=digit])
            });
            lines.push(" ".repeat(digits + 1 + label_width) + &numbers.collect::<String>());
        }
        for (number, (label, row)) in (1..).zip(labels.iter().zip(&grid.cells)) {
            let cells: Vec<String> =
                row[columns.clone()].iter().map(|cell| format!("{:>column$}", symbols.of(*cell))).collect();
            let cells = cells.concat();
            let fill = " ".repeat(label_width - label.width());
            lines.push(format!("{number:>digits$} {label}{fill}{cells}"));
        }
    }
    lines
}

/// The legend of the symbols in use.
fn legend(grid: &MatrixGrid, symbols: &Symbols) -> Vec<String> {
    let has = |wanted: &str| grid.cells.iter().flatten().any(|cell| symbols.of(*cell) == wanted);
    let mut lines = Vec::new();
    let width = symbols.width();
    for (symbol, meaning) in [
        (".", "nothing"),
        ("#", "everything"),
        ("~", "differs between the ends of the two rows"),
        ("", "no policy can decide"),
    ] {
        if has(symbol) {
            lines.push(format!("{symbol:<width$}  {meaning}"));
        }
    }
    lines.extend(
        (0..)
            .zip(&symbols.order)
            .map(|(number, text)| format!("{:<width$}  {}", letter(number), Plain::line(text))),
    );
    lines
}

/// A label of at most this width.
fn cut(label: &str, most: usize) -> String {
    let label = Plain::line(label).as_str().to_owned();
    if label.width() <= most {
        return label;
    }
    let mut short = String::new();
    for c in label.chars() {
        if short.width() + 2 > most {
            break;
        }
        short.push(c);
    }
    short + "…"
}
