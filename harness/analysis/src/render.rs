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

/// A matrix with the context of its texts.
#[derive(Clone, Copy, Debug)]
pub struct MatrixView<'a> {
    /// The matrix.
    pub matrix: &'a Matrix,
    /// Its situation.
    pub model: &'a PolicyModel<'a>,
    /// Where the situation comes from, for titles.
    pub title: &'a str,
}

impl MatrixView<'_> {
    fn topology(&self) -> &Topology {
        self.model.topology()
    }

    /// The name of a class, with at most this many of its ends.
    fn name(&self, class: usize, most: usize) -> String {
        describe::ends(&self.matrix.classes[class].ends, &[self.topology()], most)
    }

    /// The title of the matrix.
    fn head(&self) -> String {
        let policies = self.model.acceptances().len();
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

/// Joins lines to a text, each with a line break.
pub(crate) fn joined(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().fold(String::new(), |text, line| text + &line + "\n")
}
