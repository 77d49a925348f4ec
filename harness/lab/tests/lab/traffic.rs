//! To come.

use crate::support::Trials;

pub(crate) const TRIALS: Trials = &[];
