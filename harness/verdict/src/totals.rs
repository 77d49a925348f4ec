//! Counting the events of a run.

use crate::compare::CellResult;
use crate::event::Event;
use crate::run_result::Totals;

impl Totals {
    /// Counts the events of a run.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut totals = Self::default();
        events.into_iter().for_each(|event| totals.add(event));
        totals
    }

    /// Counts one event.
    pub fn add(&mut self, event: &Event) {
        match event {
            Event::ScenarioStarted(_) => self.scenarios += 1,
            Event::ScenarioSkipped(_) => self.skipped += 1,
            Event::ScenarioFailed(_) => self.failed += 1,
            Event::StepStarted(_) => self.steps += 1,
            Event::ObjectJudged(judged) => {
                self.objects += 1;
                self.objects_differing += usize::from(!judged.as_expected);
            }
            Event::CellSkipped(_) => self.skipped_cells += 1,
            Event::InvariantJudged(judged) => {
                // Invariants that attempts check were proven before, and count once.
                self.invariants += usize::from(!judged.is_of_attempts());
                if judged.is_unknown() {
                    self.invariants_unknown += 1;
                } else if !judged.is_as_expected() {
                    self.invariants_differing += 1;
                }
            }
            Event::CellJudged(judged) => {
                self.cells += 1;
                let evidence = judged.evidence.as_ref();
                self.retried += usize::from(evidence.is_some_and(|evidence| !evidence.again.is_empty()));
                match judged.result {
                    CellResult::AsExpected => {}
                    CellResult::Differs | CellResult::DecidedByAnother | CellResult::Contradicted => {
                        self.differing += 1;
                    }
                    CellResult::Inconclusive => self.inconclusive += 1,
                }
            }
            Event::Warned(_) => self.warnings += 1,
            Event::RunStarted(_) | Event::StepFinished(_) | Event::RunFinished(_) => {}
        }
    }
}
