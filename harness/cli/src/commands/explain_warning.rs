//! `verdikt explain-warning`: the page of the book about a warning.

use std::process::ExitCode;

use crate::failure::Failure;
use crate::printer::Printer;
use crate::warning_pages::PAGES;

/// Prints the page of a code.
pub(crate) fn explain_warning(code: &str) -> Result<ExitCode, Failure> {
    let page = PAGES.iter().find(|(named, _)| *named == code).map_or("", |(_, page)| page);
    Printer::data(page)?;
    Ok(ExitCode::SUCCESS)
}
