//! Suggestions: the name an author probably meant.

use crate::topology::API_SERVER_SERVICE;

/// How many more hyphens a word may have than another one with the same letters.
const MOST_HYPHENS: usize = 8;

/// The largest number of candidates compared; the topology of a scenario is far smaller.
const MOST_COMPARED: usize = 1000;

/// The candidate nearest to a text, if it is near enough to be a typing mistake, or is the text with its namespace.
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer texts are not typing mistakes, and comparing them costs the product of their lengths.
    if text.is_empty() || text.len() > 256 {
        return None;
    }
    let allowed = (text.chars().count() / 3).clamp(1, 4);
    // Most candidates are ruled out by their length, without comparing letters.
    let compare = |candidate: &str| {
        let near = candidate.len().abs_diff(text.len()) <= 2 * allowed;
        if near { strsim::osa_distance(text, candidate) } else { usize::MAX }
    };
    let distance = |candidate: &str| {
        if is_spelled_alike(candidate, text) {
            return 0;
        }
        let whole = compare(candidate);
        match candidate.rsplit_once('/') {
            Some((_, name)) if !text.contains('/') => whole.min(compare(name).max(1)),
            _ => whole,
        }
    };
    // A file with thousands of names and as many mistakes must not take minutes.
    candidates
        .into_iter()
        .take(MOST_COMPARED)
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Whether two words differ only in capitals and hyphens: `policy-cidr-match-mode` and `policyCIDRMatchMode`.
fn is_spelled_alike(one: &str, other: &str) -> bool {
    let letters = |text: &str| {
        let plain = text.bytes().filter(|letter| !matches!(letter, b'-' | b'_'));
        plain.map(|letter| letter.to_ascii_lowercase()).collect::<Vec<u8>>()
    };
    one.len().abs_diff(other.len()) <= MOST_HYPHENS && letters(one) == letters(other)
}

/// Names in a sentence: `a`, `b` and `c`. Of many, only the first twelve.
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

/// "did you mean …?", or else the available names.
pub(crate) fn did_you_mean(text: &str, what: &str, candidates: &[&str]) -> String {
    match nearest(text, candidates.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if candidates.is_empty() => "there is none yet: add it to the topology".to_owned(),
        None => format!("{what}: {}", listed(candidates.iter().copied())),
    }
}

/// What to do about a policy that a step does not apply.
pub(crate) fn of_policies(text: &str, applied: &[&str]) -> String {
    if applied.is_empty() {
        return "the step applies none: name a file or a manifest under `policies`".to_owned();
    }
    did_you_mean(text, "its policies are", applied)
}

/// What to do about the service of the API server if the topology has no API server.
pub(crate) fn of_api_server(text: &str) -> Option<String> {
    let names = [
        API_SERVER_SERVICE,
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    let help = "say where the API server is to get its service: `nodes: {control: {apiServer: true, serves: [tcp 6443]}}`";
    names.contains(&text).then(|| help.to_owned())
}
