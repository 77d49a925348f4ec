//! Sets of small numbers.

/// A set of numbers below a fixed size.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// The empty set.
    pub(crate) fn none(size: usize) -> Self {
        Self(vec![0; size.div_ceil(64)])
    }

    /// The set of all numbers.
    pub(crate) fn all(size: usize) -> Self {
        let mut words = vec![u64::MAX; size.div_ceil(64)];
        if let Some(last) = words.last_mut().filter(|_| !size.is_multiple_of(64)) {
            *last = (1 << (size % 64)) - 1;
        }
        Self(words)
    }

    /// The numbers that pass a test.
    pub(crate) fn of(size: usize, test: impl Fn(usize) -> bool) -> Self {
        let mut bits = Self::none(size);
        (0..size).filter(|index| test(*index)).for_each(|index| bits.insert(index));
        bits
    }

    pub(crate) fn insert(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    pub(crate) fn retain(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
    }

    pub(crate) fn remove(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= !other);
    }

    /// Splits this set into the numbers that another set contains, and the rest.
    pub(crate) fn split(self, by: &Self) -> (Self, Self) {
        let (mut inside, mut outside) = (self.clone(), self);
        inside.retain(by);
        outside.remove(by);
        (inside, outside)
    }

    /// The numbers 64 times `index` and the 63 after it, as the bits of one word.
    pub(crate) fn word(&self, index: usize) -> u64 {
        self.0[index]
    }

    /// The numbers, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(index, word)| ones(*word).map(move |bit| index * 64 + bit))
    }
}

/// The positions of the ones in a word.
pub(crate) fn ones(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (word != 0).then(|| {
            let bit = word.trailing_zeros() as usize;
            word &= word - 1;
            bit
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_follow_their_size() {
        for size in [0, 1, 63, 64, 65, 130] {
            let all = Bits::all(size);
            assert_eq!(all.iter().collect::<Vec<_>>(), (0..size).collect::<Vec<_>>());
            let (even, odd) = all.split(&Bits::of(size, |index| index % 2 == 0));
            assert!(even.iter().all(|index| index % 2 == 0) && odd.iter().all(|index| index % 2 == 1));
            assert_eq!(even.iter().count() + odd.iter().count(), size);
        }
    }
}
