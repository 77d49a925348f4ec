//! Endpoints that never answer.

use std::sync::Arc;

use super::TopologyDraft;
use crate::file::{Located, PartWord};
use crate::lower::mistake::{Mistake, Mistakes};
use crate::topology::Endpoint;

/// The keys that say whether an endpoint answers.
pub(super) struct SilenceKeys<'a> {
    /// `silent`, if it is there.
    pub(super) written: Option<&'a Located<bool>>,
    /// `only`, if it is there.
    pub(super) only: Option<PartWord>,
    /// The file.
    pub(super) file: &'a Arc<str>,
}

/// Records whether an endpoint is silent: then it is only a target.
pub(super) fn declare(
    endpoint: Endpoint,
    silence: &SilenceKeys<'_>,
    draft: &mut TopologyDraft,
    mistakes: &mut Mistakes,
) {
    let Some(written) = silence.written.filter(|written| written.value) else {
        draft.topology.silent.remove(&endpoint);
        return;
    };
    if silence.only == Some(PartWord::Source) {
        let message = format!("`{endpoint}` is silent and a source, but it would receive no answer");
        let help = "leave `silent` out, or `only`".to_owned();
        mistakes.add(silence.file, written.position, Mistake::new(message).help(help));
    }
    draft.only.insert(endpoint.to_string(), PartWord::Target);
    draft.topology.silent.insert(endpoint);
}
