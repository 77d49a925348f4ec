//! The document of a run with more differences than a summary can hold: the differences without tables, an equal share for
//! every step, and the number of those that are left out.

use std::fmt::Write as _;

use verdikt_scenario::plain::counted;
use verdikt_verdict::compare::CellResult;

use super::{MOST, differences, heading, not_run, tables_left_out};
use crate::difference::CellSetting;
use crate::tree::{RunTree, StepTree};

/// The most bytes of a line about what is left out.
const LINE: usize = 200;

/// The document, with `head` in front. So many steps are `folded`, as they are as expected.
pub(super) fn document(
    head: String,
    open: &[(&StepTree<'_>, CellSetting<'_>)],
    folded: usize,
    run: &RunTree<'_>,
) -> String {
    let mut text = head;
    text.push_str(
        "\nThis is a part: the whole would be longer than GitHub takes for a summary. The event log (`--events`) and \
         the JSON and JUnit reports have all of it; `verdikt replay` shows the log.\n",
    );
    // Scenarios that were not run are told in few words, and get what half a share leaves.
    let most = MOST - 3 * LINE;
    let mut left_out = 0;
    for part in not_run(run) {
        if text.len() + part.len() > most / 2 {
            left_out += 1;
        } else {
            text.push_str(&part);
        }
    }
    if left_out > 0 {
        let scenarios = counted(left_out, "more scenario");
        let _ = writeln!(text, "\n{scenarios} that failed or were skipped are left out.");
    }
    let mut steps_left_out = 0;
    for (at, (step, setting)) in open.iter().enumerate() {
        let share = most.saturating_sub(text.len()) / (open.len() - at);
        match step_within(step, *setting, share) {
            Some(part) => text.push_str(&part),
            None => steps_left_out += 1,
        }
    }
    if steps_left_out > 0 {
        let steps = counted(steps_left_out, "more step");
        let _ = writeln!(text, "\n{steps} not as expected are left out: the text would be too long.");
    }
    text.push_str(&tables_left_out(folded));
    text
}

/// As much of a step as fits into so many bytes; none if not even its name does.
fn step_within(step: &StepTree<'_>, setting: CellSetting<'_>, bytes: usize) -> Option<String> {
    let mut text = heading(step);
    let mut shown = 0;
    for part in differences(step, setting) {
        if text.len() + part.len() + LINE > bytes {
            break;
        }
        text.push_str(&part);
        shown += 1;
    }
    let cells = step.cells.iter().filter(|cell| cell.result != CellResult::AsExpected).count();
    let objects = step.objects.iter().filter(|judged| !judged.as_expected).count();
    if shown < cells + objects {
        let _ =
            writeln!(text, "\nand {} more that are not as expected in this step", cells + objects - shown);
    }
    (text.len() <= bytes).then_some(text)
}
