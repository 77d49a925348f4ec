//! Suggestions: the name an author probably meant.

/// How many candidates are compared; a scenario's topology is far smaller.
const MOST_COMPARED: usize = 1000;

/// The candidate nearest to a text, if one is near enough to be a slip of the fingers, or is the text with its
/// namespace.
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer texts are not slips, and comparing them costs the product of their lengths.
    if text.is_empty() || text.len() > 256 {
        return None;
    }
    let allowed = (text.chars().count() / 3).clamp(1, 4);
    // Lengths first: most candidates are ruled out without comparing them letter by letter.
    let compare = |candidate: &str| {
        let near = candidate.len().abs_diff(text.len()) <= 2 * allowed;
        if near { strsim::osa_distance(text, candidate) } else { usize::MAX }
    };
    let distance = |candidate: &str| {
        if candidate.eq_ignore_ascii_case(text) {
            return 0;
        }
        let whole = compare(candidate);
        match candidate.rsplit_once('/') {
            Some((_, name)) if !text.contains('/') => whole.min(compare(name).max(1)),
            _ => whole,
        }
    };
    // A file with thousands of names and as many slips must not take minutes.
    candidates
        .into_iter()
        .take(MOST_COMPARED)
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Names as they stand in a sentence: `a`, `b` and `c`. Of many, the first twelve.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 12;
    let mut names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    match names.split_last() {
        None => "none".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// "did you mean …?", or else the names there are.
pub(crate) fn did_you_mean(text: &str, what: &str, candidates: &[&str]) -> String {
    match nearest(text, candidates.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("{what}: {}", listed(candidates.iter().copied())),
    }
}
