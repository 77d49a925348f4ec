//! DNS names and the patterns of `toFQDNs` and DNS rules.
//!
//! <https://docs.cilium.io/en/stable/security/policy/language/#dns-based>

use std::fmt;

use crate::behaviour::Behaviour;

/// A `matchName` or `matchPattern`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    text: String,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// Exactly this name.
    Exact(String),
    /// Every name.
    Every,
    /// A text in which each star matches any number of characters of one label, preceded by one or more whole labels
    /// if `labels` is true.
    Stars { labels: bool, rest: String },
}

impl NamePattern {
    /// A `matchName`: the name itself, ignoring case and a final dot.
    pub fn exact(name: &str) -> Self {
        Self { text: name.to_owned(), shape: Shape::Exact(normal(name)) }
    }

    /// A domain name. A first star that is followed by a dot means one or more labels.
    pub fn domain(name: &str, behaviour: &Behaviour) -> Self {
        let Self { shape, .. } = match name.strip_prefix("*.") {
            Some(rest) => Self::pattern(&format!("**.{rest}"), behaviour),
            None if name.starts_with('*') => Self::pattern(name, behaviour),
            None => Self::exact(name),
        };
        Self { text: name.to_owned(), shape }
    }

    /// A `matchPattern`.
    pub fn pattern(pattern: &str, behaviour: &Behaviour) -> Self {
        let normalized = normal(pattern.trim());
        let only_stars = !normalized.is_empty() && normalized.bytes().all(|c| c == b'*');
        let shape = if normalized == "*" && !pattern.trim().ends_with('.')
            || only_stars && behaviour.multi_level_dns_patterns
        {
            Shape::Every
        } else {
            let stars = normalized.bytes().take_while(|c| *c == b'*').count();
            match normalized[stars..].strip_prefix('.') {
                Some(rest) if stars >= 2 && behaviour.multi_level_dns_patterns => {
                    Shape::Stars { labels: true, rest: rest.to_owned() }
                }
                _ => Shape::Stars { labels: false, rest: normalized },
            }
        };
        Self { text: pattern.to_owned(), shape }
    }

    /// A TLS server name: before stars were supported there, names are compared as they are.
    pub fn server(name: &str, behaviour: &Behaviour) -> Self {
        if !behaviour.server_name_patterns {
            return Self::exact(name);
        }
        // Server names supported `**.` a version before DNS patterns did.
        Self::pattern(name, &Behaviour { multi_level_dns_patterns: true, ..*behaviour })
    }

    /// The name, if it matches only one.
    pub fn name(&self) -> Option<&str> {
        match &self.shape {
            Shape::Exact(name) => Some(name),
            Shape::Every | Shape::Stars { .. } => None,
        }
    }

    /// Whether it matches a name.
    pub fn matches(&self, name: &str) -> bool {
        let name = normal(name);
        match &self.shape {
            Shape::Exact(exact) => *exact == name,
            Shape::Every => true,
            Shape::Stars { labels: false, rest } => stars_match(rest.as_bytes(), name.as_bytes()),
            Shape::Stars { labels: true, rest } => name
                .match_indices('.')
                .filter(|(end, _)| name[..*end].split('.').all(is_label))
                .any(|(end, _)| stars_match(rest.as_bytes(), &name.as_bytes()[end + 1..])),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn is_label_character(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'-' || c == b'_'
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(is_label_character)
}

/// Whether the text matches a pattern whose stars match any number of characters of one label. Remembers only the
/// last star, so that no pattern takes more than (pattern × text) steps.
fn stars_match(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while position < text.len() {
        if at < pattern.len() && pattern[at] == b'*' {
            last_star = Some((at, position));
            at += 1;
        } else if at < pattern.len() && pattern[at] == text[position] {
            at += 1;
            position += 1;
        } else {
            // A star cannot match a dot, and then no earlier star can help either: it would have to match the same
            // dot or leave it to this one.
            match last_star {
                Some((star, swallowed)) if is_label_character(text[swallowed]) => {
                    last_star = Some((star, swallowed + 1));
                    at = star + 1;
                    position = swallowed + 1;
                }
                _ => return false,
            }
        }
    }
    pattern[at..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use verdikt_scenario::version::CiliumVersion;

    use super::*;

    #[test]
    fn patterns_in_old_and_new_versions() {
        let check = |pattern: &str, name: &str, old: bool, new: bool| {
            for (version, expected) in [(CiliumVersion::V1_18, old), (CiliumVersion::V1_19, new)] {
                let pattern = NamePattern::pattern(pattern, &Behaviour::of(version));
                assert_eq!(pattern.matches(name), expected, "{pattern} {name} {version}");
            }
        };
        check("*", "a.b.c", true, true);
        check("**", "a.b.c", false, true);
        check("**", "abc", true, true);
        check("*.", "abc", true, true);
        check("*.", "a.b", false, true);
        check("*.example.com", "www.example.com", true, true);
        check("*.example.com", "WWW.Example.com.", true, true);
        check("*.example.com", "example.com", false, false);
        check("*.example.com", "a.b.example.com", false, false);
        check("*example.com", "example.com", true, true);
        check("*example.com", "notexample.com", true, true);
        check("*example.com", "a.example.com", false, false);
        check("**.example.com", "a.b.example.com", false, true);
        check("**.example.com", "a.example.com", true, true);
        check("**.example.com", "example.com", false, false);
        check("a.**.example.com", "a.b.example.com", true, true);
        check("a.**.example.com", "a.b.c.example.com", false, false);
        check("kube*.svc", "kube.svc", true, true);
        check("*.*.svc.cluster.local", "api.shop.svc.cluster.local", true, true);
        check("*.svc.cluster.local", "api.shop.svc.cluster.local", false, false);
    }

    #[test]
    fn names_ignore_case_and_the_final_dot() {
        let name = NamePattern::exact("Example.COM");
        assert!(name.matches("example.com."));
        assert!(!name.matches("www.example.com"));
    }

    proptest! {
        /// The matcher agrees with the regular expression in the documentation.
        #[test]
        fn agrees_with_the_regular_expression(pattern in "[ab.*]{0,8}", name in "[ab.-]{0,10}") {
            let expression = format!("^{}$", pattern.replace('.', "[.]").replace('*', "[-a-zA-Z0-9_]*"));
            let regex = regex::Regex::new(&expression).unwrap();
            prop_assert_eq!(stars_match(pattern.as_bytes(), name.as_bytes()), regex.is_match(&name));
        }
    }
}
