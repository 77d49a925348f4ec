//! Numbers for values, so that equal ones are compared, counted and stored once.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Values, each with the number that it got when it was first seen.
#[derive(Clone, Debug)]
pub(crate) struct Interner<T> {
    numbers: BTreeMap<Arc<T>, u32>,
    values: Vec<Arc<T>>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { numbers: BTreeMap::new(), values: Vec::new() }
    }
}

impl<T: Ord> Interner<T> {
    /// The number of a value.
    pub(crate) fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let value = Arc::new(value);
        // Memory ends before the numbers do.
        let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.values.push(Arc::clone(&value));
        self.numbers.insert(value, number);
        number
    }

    pub(crate) fn get(&self, number: u32) -> &T {
        &self.values[number as usize]
    }

    /// The values by number.
    pub(crate) fn into_values(self) -> Vec<T>
    where
        T: Clone,
    {
        drop(self.numbers);
        self.values.into_iter().map(Arc::unwrap_or_clone).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}
