//! Policy objects that were refused, or should have been, as sentences.

use verdikt_verdict::event::{ObjectJudged, ObjectRefusal};

use crate::text::plain;
use crate::words;

/// One sentence on an object, without the mark that says whether it is as expected. None for an object that is
/// accepted, as it should be.
pub(crate) fn sentence(judged: &ObjectJudged) -> Option<String> {
    let object = plain(&judged.object.to_string());
    let place = words::place(&judged.place);
    let sentence = match (&judged.refused, &judged.expected, judged.as_expected) {
        (None, None, _) => return None,
        (Some(refused), _, true) => format!("refused as expected: {object} {}", by(refused)),
        (Some(refused), None, false) => {
            format!(
                "refused: {object} at {place} {}; it is not in force, and no refusal is expected",
                by(refused)
            )
        }
        (Some(refused), Some(expected), false) => {
            let expected = format!("by {}, saying \"{}\"", expected.by, plain(&expected.message));
            format!("refused for another reason: {object} at {place} {}; expected {expected}", by(refused))
        }
        (None, Some(expected), _) => {
            format!("accepted: {object} at {place}; expected to be refused by {}", expected.by)
        }
    };
    Some(sentence)
}

fn by(refusal: &ObjectRefusal) -> String {
    format!("by {}: {}", refusal.by, plain(&refusal.message))
}
