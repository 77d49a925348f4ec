//! Which refusals say something that the mistakes of the loader do not say already.

use std::collections::BTreeSet;

use verdikt_engine::refusal::RefusedPart;
use verdikt_engine::refused_objects::RefusedObject;
use verdikt_scenario::diagnostic::{Diagnostic, Severity};
use verdikt_scenario::loader::LoadedPolicies;

/// The mistakes of refused objects, but for what the loader has said already.
pub(super) fn unsaid(refusals: Vec<RefusedObject>, loaded: &LoadedPolicies) -> Vec<Diagnostic> {
    let errors = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let said = LoaderNotes { places: errors.map(|error| &error.place).collect(), objects: &loaded.mistaken };
    let is_new = |refusal: &RefusedObject| !said.says(&&refusal.mistake.place, refusal.object, refusal.part);
    refusals.into_iter().filter(is_new).map(|refusal| refusal.mistake).collect()
}

/// What the loader has said.
struct LoaderNotes<'a, Place> {
    /// Where it found mistakes.
    places: BTreeSet<Place>,
    /// The objects of which it said what is wrong with their kind, version, name or namespace.
    objects: &'a BTreeSet<usize>,
}

impl<Place: Ord> LoaderNotes<'_, Place> {
    /// Whether a refusal of a part of an object is nothing new.
    fn says(&self, place: &Place, object: usize, part: RefusedPart) -> bool {
        self.places.contains(place) || part == RefusedPart::Identity && self.objects.contains(&object)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::cmp::Ordering;

    use super::*;

    /// A place that counts how often it is compared.
    struct Counted<'a>(usize, &'a Cell<usize>);

    impl PartialEq for Counted<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other) == Ordering::Equal
        }
    }

    impl Eq for Counted<'_> {}

    impl PartialOrd for Counted<'_> {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl Ord for Counted<'_> {
        fn cmp(&self, other: &Self) -> Ordering {
            self.1.set(self.1.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    #[test]
    fn a_refusal_is_held_against_few_mistakes_however_many_there_are() {
        let comparisons = |mistakes: usize| {
            let count = Cell::new(0);
            let objects = (0..mistakes).collect();
            let said = LoaderNotes {
                places: (0..mistakes).map(|n| Counted(2 * n, &count)).collect(),
                objects: &objects,
            };
            count.set(0);
            for n in 0..mistakes {
                assert!(said.says(&Counted(2 * n, &count), mistakes, RefusedPart::Specification));
                assert!(said.says(&Counted(2 * n + 1, &count), n, RefusedPart::Identity));
                assert!(!said.says(&Counted(2 * n + 1, &count), n, RefusedPart::Specification));
            }
            count.get() / mistakes
        };
        let (few, many) = (comparisons(1_000), comparisons(100_000));
        assert!(many < 3 * few, "{few} and {many} comparisons a mistake");
    }
}
