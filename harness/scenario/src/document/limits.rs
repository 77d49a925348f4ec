//! Limits on what is parsed, so that neither a huge file nor nested anchors can exhaust the machine.

use serde_saphyr::Budget;
use serde_saphyr::budget::BudgetBreach;

/// The largest file that is parsed, in bytes.
pub(crate) const LARGEST_FILE: usize = 16 << 20;

const DOCUMENTS: usize = 100_000;
const VALUES: usize = 2_000_000;
const ALIASES: usize = 50_000;
const DEPTH: usize = 64;
/// The total number of values that aliases stand for.
const COPIES: usize = 1_000_000;

/// The limits in the form of the parser.
pub(super) fn budget() -> Option<Budget> {
    serde_saphyr::budget! {
        max_documents: DOCUMENTS,
        max_nodes: VALUES,
        // Every value has at most a start and an end, and so has every document.
        max_events: 2 * (VALUES + DOCUMENTS),
        max_aliases: ALIASES,
        max_anchors: ALIASES,
        max_recorded_anchor_events: COPIES,
        max_depth: DEPTH,
        flow_nesting_limit: DEPTH,
        // An anchor that a thousand rules use is not a bomb; the values behind it are counted.
        enforce_alias_anchor_ratio: false,
    }
}

/// The message about an exceeded limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LimitExcess {
    pub(super) message: String,
    pub(super) help: &'static str,
}

const SPLIT: &str = "split the file into several";

/// The excess of a file of this many bytes.
pub(super) fn too_many_bytes(bytes: usize) -> LimitExcess {
    LimitExcess {
        message: format!("the file has {bytes} bytes, and {LARGEST_FILE} are the most verdikt reads"),
        help: SPLIT,
    }
}

/// The excess of values that are nested too deeply.
pub(super) fn too_deep() -> LimitExcess {
    LimitExcess {
        message: format!("the values are nested more than {DEPTH} levels deep, and verdikt reads no deeper"),
        help: "no policy or scenario needs that depth: look for a bracket that is not closed",
    }
}

/// The excess of aliases, or of the values behind them.
pub(super) fn too_many_copies() -> LimitExcess {
    let message = format!(
        "the file has more than {ALIASES} anchors or aliases, or more than {COPIES} values behind them, and verdikt \
         reads no more"
    );
    LimitExcess { message, help: "write the values out, or split the file into several" }
}

/// The excess that the parser found.
pub(super) fn excess(breach: &BudgetBreach) -> LimitExcess {
    let more_than = |most: usize, what: &str| LimitExcess {
        message: format!("the file has more than {most} {what}, and verdikt reads no more"),
        help: SPLIT,
    };
    match breach {
        BudgetBreach::Documents { .. } => more_than(DOCUMENTS, "documents"),
        BudgetBreach::Depth { .. } => too_deep(),
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::AliasAnchorRatio { .. }
        | BudgetBreach::RecordedAnchorEvents { .. }
        | BudgetBreach::RecordedAnchorBytes { .. } => too_many_copies(),
        BudgetBreach::MergeKeys { .. } => more_than(Budget::default().max_merge_keys, "merge keys (`<<`)"),
        _ => more_than(VALUES, "values"),
    }
}
