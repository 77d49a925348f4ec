//! `verdikt matrix`: who reaches what.

use std::process::ExitCode;

use verdikt_analysis::access::Access;
use verdikt_analysis::matrix::Matrix;
use verdikt_analysis::render::{MatrixView, csv, graph, html, json, table};

use crate::arguments::questions::{MatrixArguments, MatrixFormat};
use crate::exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::situation::LoadedSituation;

pub(crate) fn matrix(arguments: &MatrixArguments, printer: &Printer) -> Result<ExitCode, Failure> {
    let MatrixArguments { subject, format, fold } = arguments;
    let situation = LoadedSituation::read(&subject.asked("matrix"), printer)?;
    let model = situation.model(subject.cilium);
    situation.tell_refused(&model, printer);
    let answer = Matrix::new(&model);
    let shown = MatrixView { matrix: &answer, model: &model, title: &situation.title };
    match format {
        MatrixFormat::Table => Printer::data(&table::table(&shown, (*fold).into(), Printer::width()))?,
        MatrixFormat::Csv => Printer::data(&csv::csv(&shown))?,
        MatrixFormat::Json => Printer::json(&json::json(&shown))?,
        MatrixFormat::Mermaid => Printer::data(&graph::mermaid(&shown))?,
        MatrixFormat::Dot => Printer::data(&graph::dot(&shown))?,
        MatrixFormat::Html => Printer::data(&html::html(&shown))?,
    }
    let unknown = answer.profiles.iter().any(|profile| profile.iter().any(|(_, it)| *it == Access::Unknown));
    Ok(ExitCode::from(if unknown { exit::INCONCLUSIVE } else { exit::AS_EXPECTED }))
}
