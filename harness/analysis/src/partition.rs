//! Partitions that become finer: numbers that no test has distinguished are one class.

use std::collections::BTreeMap;

use crate::bits::Bits;

/// A partition of the numbers below a size.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    class_of: Vec<u32>,
    sizes: Vec<u32>,
    /// The number of members of each class in a set, while it is processed.
    touched: Vec<u32>,
}

impl Partition {
    /// Numbers with equal keys are one class.
    pub(crate) fn by_key<K: Ord>(size: usize, mut key: impl FnMut(usize) -> K) -> Self {
        let mut classes: BTreeMap<K, u32> = BTreeMap::new();
        let mut sizes: Vec<u32> = Vec::new();
        let class_of = (0..size).map(|index| {
            let next = u32::try_from(classes.len()).unwrap_or(u32::MAX);
            let class = *classes.entry(key(index)).or_insert(next);
            if class as usize == sizes.len() {
                sizes.push(0);
            }
            sizes[class as usize] += 1;
            class
        });
        let class_of = class_of.collect();
        let touched = vec![0; sizes.len()];
        Self { class_of, sizes, touched }
    }

    /// Separates the members of a set from all others.
    pub(crate) fn refine(&mut self, set: &Bits) {
        let mut classes = Vec::new();
        for index in set.iter() {
            let class = self.class_of[index];
            if self.touched[class as usize] == 0 {
                classes.push(class);
            }
            self.touched[class as usize] += 1;
        }
        let mut renamed: BTreeMap<u32, u32> = BTreeMap::new();
        for class in classes {
            let touched = std::mem::take(&mut self.touched[class as usize]);
            if touched < self.sizes[class as usize] {
                self.sizes[class as usize] -= touched;
                renamed.insert(class, u32::try_from(self.sizes.len()).unwrap_or(u32::MAX));
                self.sizes.push(touched);
                self.touched.push(0);
            }
        }
        if !renamed.is_empty() {
            for index in set.iter() {
                if let Some(class) = renamed.get(&self.class_of[index]) {
                    self.class_of[index] = *class;
                }
            }
        }
    }

    /// The classes, each with its members, in the order of their first members.
    pub(crate) fn classes(&self) -> Vec<Vec<usize>> {
        let mut found: BTreeMap<u32, usize> = BTreeMap::new();
        let mut classes: Vec<Vec<usize>> = Vec::new();
        for (index, class) in self.class_of.iter().enumerate() {
            let at = *found.entry(*class).or_insert_with(|| {
                classes.push(Vec::new());
                classes.len() - 1
            });
            classes[at].push(index);
        }
        classes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_tell_their_members_apart() {
        let mut partition = Partition::by_key(6, |index| index / 3);
        assert_eq!(partition.classes(), [vec![0, 1, 2], vec![3, 4, 5]]);
        partition.refine(&Bits::of(6, |index| index % 2 == 0));
        assert_eq!(partition.classes(), [vec![0, 2], vec![1], vec![3, 5], vec![4]]);
        let before = partition.classes();
        partition.refine(&Bits::all(6));
        assert_eq!(partition.classes(), before);
    }
}
