//! Names, each with the rules that Kubernetes or DNS has for it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct NameError {
    /// The text as written.
    pub text: String,
    /// The expected kind of name, with its rule: completes "is not …".
    pub expected: &'static str,
    /// The name that was probably meant.
    pub meant: Option<String>,
}

/// An RFC 1123 label: lower-case letters, digits and inner hyphens, at most 63 characters.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>
pub fn is_dns_label(text: &str) -> bool {
    text.len() <= 63 && is_hyphenated(text)
}

/// An RFC 1123 subdomain as Kubernetes checks it: parts joined by dots, at most 253 characters in all. Its parts have
/// no limit of their own.
pub fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_hyphenated)
}

fn is_hyphenated(text: &str) -> bool {
    let edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = text.as_bytes();
    matches!((bytes.first(), bytes.last()), (Some(&first), Some(&last)) if edge(first) && edge(last))
        && bytes.iter().all(|&c| edge(c) || c == b'-')
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $check:expr, $expected:literal) => {
        $(#[$doc])*
        ///
        /// Copies share their text.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(Arc::from(text)))
                } else {
                    let plain = text.trim_end_matches('.').to_ascii_lowercase();
                    let meant = Some(plain).filter(|plain| plain != text && check(plain));
                    Err(NameError { text: text.to_owned(), expected: $expected, meant })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name_type!(
    /// The name of a namespace.
    NamespaceName,
    is_dns_label,
    "a namespace name (lower-case letters, digits and inner hyphens, at most 63 characters)"
);
name_type!(
    /// The name of an object: a pod, a service, a policy.
    ObjectName,
    is_dns_subdomain,
    "an object name (lower-case letters, digits, inner hyphens and dots, at most 253 characters)"
);
name_type!(
    /// The name of a host outside the cluster, or of a node, inside a scenario. It has no dot, so it is never
    /// mistaken for a DNS name.
    HostName,
    is_dns_label,
    "a host name (lower-case letters, digits and inner hyphens, no dots, at most 63 characters)"
);
name_type!(
    /// A fully qualified DNS name, lower-case, without its final dot.
    DnsName,
    |text| is_dns_name(text),
    "a lower-case DNS name without a final dot, at most 253 characters, such as `api.example.test`"
);
name_type!(
    /// The name of a container port: an IANA service name of at most 15 characters.
    PortName,
    |text| is_port_name(text),
    "a port name (at most 15 lower-case letters, digits and single inner hyphens, with at least one letter)"
);

fn is_dns_name(text: &str) -> bool {
    let ok = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(|label| !label.is_empty() && label.len() <= 63 && label.bytes().all(ok))
}

fn is_port_name(text: &str) -> bool {
    is_dns_label(text)
        && text.len() <= 15
        && text.bytes().any(|c| c.is_ascii_lowercase())
        && !text.contains("--")
}

/// `namespace/name`, as `kubectl` users write it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct NamespacedName {
    /// The namespace.
    pub namespace: NamespaceName,
    /// The name inside the namespace.
    pub name: ObjectName,
}

impl FromStr for NamespacedName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let Some((namespace, name)) = text.split_once('/') else {
            let meant = is_dns_subdomain(text).then(|| format!("NAMESPACE/{text}"));
            return Err(NameError { text: text.to_owned(), expected: "of the form `namespace/name`", meant });
        };
        Ok(Self { namespace: namespace.parse()?, name: name.parse()? })
    }
}

impl TryFrom<String> for NamespacedName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<NamespacedName> for String {
    fn from(name: NamespacedName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.width().is_some() || f.precision().is_some() {
            return f.pad(&format!("{}/{}", self.namespace, self.name));
        }
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one_letter("a", true)]
    #[case::inner_hyphen("a-b", true)]
    #[case::empty("", false)]
    #[case::leading_hyphen("-a", false)]
    #[case::capital("A", false)]
    #[case::dot("a.b", false)]
    fn namespace_names(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(text.parse::<NamespaceName>().is_ok(), is_one);
    }

    #[rstest]
    #[case::inner_dot("a.b", true)]
    #[case::hyphen_and_digit("pod-1", true)]
    #[case::two_dots("a..b", false)]
    #[case::underscore("a_b", false)]
    fn object_names(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(text.parse::<ObjectName>().is_ok(), is_one);
    }

    #[rstest]
    #[case::three_labels("api.example.test", true)]
    #[case::underscore("_x.a", true)]
    #[case::one_label("localhost", false)]
    #[case::capital("A.b", false)]
    #[case::last_dot("a.b.", false)]
    fn dns_names(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(text.parse::<DnsName>().is_ok(), is_one);
    }

    #[rstest]
    #[case::letters("http", true)]
    #[case::digits_alone("80", false)]
    #[case::two_hyphens("a--b", false)]
    #[case::too_long("a-very-long-name", false)]
    fn port_names(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(text.parse::<PortName>().is_ok(), is_one);
    }

    #[rstest]
    #[case::both("a/b", true)]
    #[case::no_namespace("a", false)]
    #[case::too_many("a/b/c", false)]
    #[case::empty_namespace("/b", false)]
    fn namespaced_names(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(text.parse::<NamespacedName>().is_ok(), is_one);
    }
}
