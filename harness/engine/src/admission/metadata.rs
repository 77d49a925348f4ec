//! The metadata of every object: name, namespace, labels.
//!
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>

use verdikt_scenario::document::YamlNode;
use verdikt_scenario::name::is_dns_label;
use verdikt_scenario::version::CiliumVersion;

use super::check::refuse;
use super::label;
use super::schema::{ObjectSchema, Type, list, optional};
use super::text;
use crate::refusal::Refusal;

const TEXT: Type = Type::Text(&[]);
const TEXTS: Type = Type::Texts(&[]);

/// The field `metadata` of every kind.
pub(super) const METADATA: Type = Type::Object(&ObjectSchema {
    fields: &[
        optional("annotations", TEXTS),
        optional("creationTimestamp", Type::Anything),
        optional("deletionGracePeriodSeconds", Type::Anything),
        optional("deletionTimestamp", Type::Anything),
        optional("finalizers", list(&TEXT)),
        optional("generateName", TEXT),
        optional("generation", Type::Anything),
        optional("labels", TEXTS),
        optional("managedFields", Type::Anything),
        optional("name", TEXT),
        optional("namespace", TEXT),
        optional("ownerReferences", Type::Anything),
        optional("resourceVersion", TEXT),
        optional("selfLink", TEXT),
        optional("uid", TEXT),
    ],
    groups: &[],
    extra: Some(check_metadata),
});

const NAME: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const NAMESPACE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";

fn check_metadata(node: &YamlNode, path: &str, _version: CiliumVersion, refusals: &mut Vec<Refusal>) {
    let given = |key: &str| node.get(key).filter(|node| node.text() != Some(""));
    match given("name") {
        None if given("generateName").is_none() => {
            refuse(node, format!("{path}.name: Required value: name or generateName is required"), refusals);
        }
        name => check_name(name, &format!("{path}.name"), text::is_lower_case_name, (253, NAME), refusals),
    }
    check_name(given("namespace"), &format!("{path}.namespace"), is_dns_label, (63, NAMESPACE), refusals);
    if let Some(labels) = node.get("labels") {
        label::check_labels(labels, &format!("{path}.labels"), refusals);
    }
}

/// A name that follows a rule, with a limit to its length.
fn check_name(
    node: Option<&YamlNode>,
    path: &str,
    test: fn(&str) -> bool,
    (most, rule): (usize, &str),
    refusals: &mut Vec<Refusal>,
) {
    let Some((node, text)) = node.and_then(|node| Some((node, node.text()?))) else { return };
    if text.len() > most {
        refuse(node, format!("{path}: Invalid value: {text:?}: must be no more than {most} bytes"), refusals);
    } else if !test(text) {
        refuse(node, format!("{path}: Invalid value: {text:?}: {rule}"), refusals);
    }
}
