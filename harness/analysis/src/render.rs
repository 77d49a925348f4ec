//! Answers as text for people and programs.

pub mod answer;
pub mod csv;
pub mod diff;
pub mod graph;
pub mod html;
pub mod json;
pub mod table;

use verdikt_engine::model::PolicyModel;
use verdikt_scenario::plain::counted;
use verdikt_scenario::topology::Topology;

use crate::describe;
use crate::matrix::Matrix;

/// A matrix with what its texts need to know.
#[derive(Clone, Copy, Debug)]
pub struct MatrixView<'a> {
    /// The matrix.
    pub matrix: &'a Matrix,
    /// The situation that it is of.
    pub model: &'a PolicyModel<'a>,
    /// Where the situation comes from, for titles.
    pub title: &'a str,
}

impl MatrixView<'_> {
    fn topology(&self) -> &Topology {
        self.model.topology()
    }

    /// The name of a class, with so many of its ends at most.
    fn name(&self, class: usize, most: usize) -> String {
        describe::ends(&self.matrix.classes[class].ends, &[self.topology()], most)
    }

    /// What the matrix is of, in a line.
    fn head(&self) -> String {
        let policies = self.model.judgements().len();
        format!(
            "{}, Cilium {}: {} in {}, {}",
            self.title,
            self.model.options().version,
            counted(self.matrix.ends(), "end"),
            counted(self.matrix.classes.len(), "group"),
            counted(policies, "policy object"),
        )
    }
}

/// Lines as a text, with a line's end after each.
pub(crate) fn joined(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().fold(String::new(), |text, line| text + &line + "\n")
}
