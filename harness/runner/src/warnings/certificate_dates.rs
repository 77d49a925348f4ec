//! Certificates of secrets that are not valid on the day of the run, which verdicts leave out of account.

use std::collections::BTreeSet;
use std::time::Duration;

use verdikt_engine::certificates::{OutsideDates, outside_dates};
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::document::YamlNode;
use verdikt_scenario::name::NamespacedName;
use verdikt_scenario::scenario::Step;
use verdikt_verdict::timestamp::Timestamp;

/// Whether the proxy shows the certificate of a secret, or judges servers by its authorities.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SecretUse {
    Shown,
    Judging,
}

/// The fields by which policies name secrets for TLS.
const FIELDS: [(&str, SecretUse); 2] =
    [("terminatingTLS", SecretUse::Shown), ("originatingTLS", SecretUse::Judging)];

/// The warnings about the secrets that the policies of a step name, and about what servers show to a proxy.
pub(super) fn certificate_dates(step: &Step, now: Timestamp) -> Vec<Diagnostic> {
    let Ok(seconds) = u64::try_from(now.to_date_time().timestamp()) else { return Vec::new() };
    let now = Duration::from_secs(seconds);
    let shown: BTreeSet<&NamespacedName> = step.topology.certificates.values().collect();
    let mut warnings = Vec::new();
    for policy in &step.policies {
        let mut named = Vec::new();
        secrets(&policy.root, &mut named);
        for (node, secret, used) in named {
            let of_servers = shown.iter().copied().filter(|_| used == SecretUse::Judging);
            let own = step.topology.secrets.get_key_value(&secret).map(|(name, _)| (name, used));
            let all = own.into_iter().chain(of_servers.map(|name| (name, SecretUse::Shown)));
            let place = policy.place(node.position);
            warnings.extend(all.filter_map(|(name, used)| {
                let held = step.topology.secrets.get(name)?;
                let pem = if used == SecretUse::Shown { &held.certificate } else { &held.authorities };
                let message = format!(
                    "a certificate of the secret {name} {}",
                    dates(outside_dates(pem.as_deref()?, now)?)?
                );
                let help = "renew it: Envoy and most clients reject it on a cluster; verdicts ignore dates";
                Some(Diagnostic::warning(place.clone(), "certificate-dates", message).help(help))
            }));
        }
    }
    warnings
}

fn dates(outside: OutsideDates) -> Option<String> {
    let (words, at) = match outside {
        OutsideDates::Expired(at) => ("has expired on", at),
        OutsideDates::NotYet(at) => ("is not valid before", at),
    };
    Some(format!("{words} {}", Timestamp::since_1970(at)?.to_date_time().date_naive()))
}

/// The secrets that a policy names for TLS, each where it names it.
fn secrets<'a>(node: &'a YamlNode, found: &mut Vec<(&'a YamlNode, NamespacedName, SecretUse)>) {
    for entry in node.entries() {
        if let Some((_, used)) = FIELDS.iter().find(|(field, _)| entry.key == *field)
            && let Some(secret) = entry.value.get("secret")
            && let Some(name) = secret.get("name").and_then(YamlNode::text)
        {
            let namespace = secret.get("namespace").and_then(YamlNode::text).unwrap_or("default");
            found.extend(format!("{namespace}/{name}").parse().ok().map(|name| (secret, name, *used)));
        }
        secrets(&entry.value, found);
    }
    node.elements().iter().for_each(|element| secrets(element, found));
}

#[cfg(test)]
mod tests;
