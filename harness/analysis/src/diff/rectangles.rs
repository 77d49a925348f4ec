//! Groups pairs into sets of sources with the same set of destinations.

use std::collections::BTreeMap;

/// Covers pairs exactly, with few sets of sources and all of their destinations.
pub(super) fn rectangles(pairs: &[(usize, usize)]) -> Vec<(Vec<usize>, Vec<usize>)> {
    let by_source = grouped(pairs.iter().copied());
    let by_destination = grouped(pairs.iter().map(|(source, destination)| (*destination, *source)));
    if by_source.len() <= by_destination.len() {
        return by_source;
    }
    by_destination.into_iter().map(|(destinations, sources)| (sources, destinations)).collect()
}

/// The first of each pair by all of their seconds.
fn grouped(pairs: impl Iterator<Item = (usize, usize)>) -> Vec<(Vec<usize>, Vec<usize>)> {
    let mut seconds: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (first, second) in pairs {
        seconds.entry(first).or_default().push(second);
    }
    let mut firsts: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for (first, mut second) in seconds {
        second.sort_unstable();
        firsts.entry(second).or_default().push(first);
    }
    firsts.into_iter().map(|(seconds, firsts)| (firsts, seconds)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_covered_exactly() {
        assert_eq!(rectangles(&[(1, 2), (1, 3), (4, 2), (4, 3)]), [(vec![1, 4], vec![2, 3])]);
        // There are fewer sets by destination.
        assert_eq!(
            rectangles(&[(1, 8), (2, 8), (2, 9), (3, 9), (4, 8)]),
            [(vec![1, 2, 4], vec![8]), (vec![2, 3], vec![9])]
        );
    }
}
