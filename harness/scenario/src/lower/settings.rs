//! Settings of Cilium by the names of its Helm chart, nested or with dots.

mod contradiction;
pub(super) mod node_addresses;
mod values;

use self::contradiction::against;
use super::mistake::{Mistake, Mistakes};
use super::suggest::did_you_mean;
use super::topology::{TopologyDraft, TopologyPart, ValuesFile};
use crate::file::{Located, LocatedMap, SettingWord};
use crate::place::Position;
use crate::scenario::EnforcementMode;
use crate::settings::{LabelRule, Routing, Settings};
use crate::version::{CiliumVersion, VersionRange};

/// The key that names a file of values.
pub(crate) const VALUES: &str = "values";

/// A setting that verdikt knows.
struct KnownSetting {
    name: &'static str,
    /// The first version that has it, if not all have.
    since: Option<CiliumVersion>,
    /// Reads a value, or says what was expected.
    set: fn(&mut Settings, &SettingWord) -> Result<(), &'static str>,
}

const fn known(
    name: &'static str,
    set: fn(&mut Settings, &SettingWord) -> Result<(), &'static str>,
) -> KnownSetting {
    KnownSetting { name, since: None, set }
}

/// <https://docs.cilium.io/en/stable/helm-reference/>
const KNOWN: &[KnownSetting] = &[
    known("policyEnforcementMode", |settings, value| {
        mode(value).map(|mode| settings.enforcement.mode = mode)
    }),
    known("enablePolicy", |settings, value| mode(value).map(|mode| settings.enforcement.mode = mode)),
    known("policyAuditMode", |settings, value| switch(value).map(|on| settings.enforcement.audit = on)),
    known("policyCIDRMatchMode", |settings, value| {
        match_mode(value).map(|on| settings.cidr_matches_nodes = on)
    }),
    known("nodeSelectorLabels", |settings, value| switch(value).map(|on| settings.node_selector_labels = on)),
    known("hostFirewall.enabled", |settings, value| switch(value).map(|on| settings.host_firewall = on)),
    known("l7Proxy", |settings, value| switch(value).map(|on| settings.l7_proxy = on)),
    known("k8sNetworkPolicy.enabled", |settings, value| switch(value).map(|on| settings.network_policy = on)),
    known("ipv6.enabled", |settings, value| switch(value).map(|on| settings.ipv6 = on)),
    known("routingMode", |settings, value| routing(value).map(|routing| settings.routing = routing)),
    known("labels", |settings, value| labels(value).map(|labels| settings.labels = labels)),
    KnownSetting {
        since: Some(CiliumVersion::V1_17),
        ..known("enableNonDefaultDenyPolicies", |settings, value| {
            switch(value).map(|on| settings.non_default_deny = on)
        })
    },
    KnownSetting {
        since: Some(CiliumVersion::V1_18),
        ..known("clustermesh.policyDefaultLocalCluster", |settings, value| {
            switch(value).map(|on| settings.local_cluster_peers = Some(on))
        })
    },
    KnownSetting {
        since: Some(CiliumVersion::V1_19),
        ..known("extendedIPProtocols.enabled", |settings, value| {
            switch(value).map(|on| settings.extended_protocols = on)
        })
    },
    KnownSetting {
        since: Some(CiliumVersion::V1_20),
        ..known("k8sClusterNetworkPolicy.enabled", |settings, value| {
            switch(value).map(|on| settings.cluster_network_policy = on)
        })
    },
    // It determines how a client learns of a denial, and changes no verdict.
    KnownSetting {
        since: Some(CiliumVersion::V1_19),
        ..known("policyDenyResponse", |_, value| match value {
            SettingWord::Text(text) if ["none", "icmp"].contains(&text.as_str()) => Ok(()),
            _ => Err("`none` or `icmp`"),
        })
    },
];

/// Settings that change verdicts in ways that verdikt does not model.
const UNMODELLED: &[&str] = &[
    "authentication.enabled",
    "encryption.strictMode.enabled",
    "localRedirectPolicies.enabled",
    "egressGateway.enabled",
    "bpf.policyMapMax",
    "dnsProxy.dnsRejectResponseCode",
];

/// The versions that must know a setting.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SettingVersions<'a> {
    /// The versions of a scenario.
    OfScenario(&'a VersionRange),
    /// The version that a command asks about.
    OfCommand(CiliumVersion),
}

impl SettingVersions<'_> {
    /// The first of them that is older than another version.
    fn older_than(self, since: CiliumVersion) -> Option<CiliumVersion> {
        CiliumVersion::ALL.into_iter().find(|version| {
            *version < since
                && match self {
                    Self::OfScenario(range) => range.contains(*version),
                    Self::OfCommand(asked) => asked == *version,
                }
        })
    }

    /// What to do if they are older than another version.
    fn help(self, since: CiliumVersion) -> String {
        match self {
            Self::OfScenario(_) => {
                format!("say that the scenario holds for later ones: `cilium: '>={since}'`")
            }
            Self::OfCommand(_) => format!("leave it out, or ask about a later one: `--cilium {since}`"),
        }
    }
}

/// The settings given to a command beside its files.
#[derive(Clone, Debug)]
pub(crate) struct GivenSettings {
    /// The Helm values file that contains them.
    pub(crate) values: ValuesFile,
    /// Their values.
    pub(crate) settings: Settings,
}

/// Reads the settings of a file of Helm values.
pub(crate) fn given(
    values: ValuesFile,
    versions: SettingVersions<'_>,
    mistakes: &mut Mistakes,
) -> GivenSettings {
    let mut settings = Settings::default();
    values::take(&values, versions, &mut settings, mistakes);
    GivenSettings { values, settings }
}

/// Reads the settings of every file. A later file wins, but no file may contradict itself or the given settings.
pub(crate) fn lower(
    parts: &[TopologyPart],
    given: Option<&GivenSettings>,
    versions: SettingVersions<'_>,
    draft: &mut TopologyDraft,
    mistakes: &mut Mistakes,
) {
    let mut of_command = Vec::new();
    if let Some(GivenSettings { values, settings }) = given {
        draft.topology.settings = settings.clone();
        flatten("", &values.values, &mut of_command);
    }
    let of_command = given.map(|given| (&*given.values.file, &of_command[..]));
    for part in parts {
        let mut of_values = Vec::new();
        if let Some(values) = &part.values {
            of_values = values::take(values, versions, &mut draft.topology.settings, mistakes);
            for (name, position, value) in &of_values {
                let agrees = against(name, value, of_command);
                mistakes.keep(&values.file, *position, agrees);
            }
        }
        let of_part = part.values.as_ref().map(|values| (&*values.file, &of_values[..]));
        let mut own = Vec::new();
        flatten("", &part.content.settings, &mut own);
        own.retain(|(name, ..)| name != VALUES);
        for (index, (name, position, value)) in own.iter().enumerate() {
            let before = Some((&*part.file, &own[..index]));
            let others = [of_part, of_command, before];
            let agrees = others.into_iter().try_for_each(|other| against(name, value, other));
            let taken = agrees.and_then(|()| take(name, value, versions, &mut draft.topology.settings));
            mistakes.keep(&part.file, *position, taken);
        }
    }
    if draft.topology.settings.cidr_matches_nodes {
        node_addresses::check(parts, &draft.topology, mistakes);
    }
}

/// A setting with its name and place.
type FlatSetting<'a> = (String, Position, &'a SettingWord);

/// Nested keys as one key with dots, unless a setting is a table itself.
fn flatten<'a>(prefix: &str, table: &'a LocatedMap<Located<SettingWord>>, flat: &mut Vec<FlatSetting<'a>>) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.value);
        match &value.value {
            SettingWord::Table(table) => flatten(&format!("{name}."), table, flat),
            word => flat.push((name, key.position, word)),
        }
    }
}

fn take(
    name: &str,
    value: &SettingWord,
    versions: SettingVersions<'_>,
    into: &mut Settings,
) -> Result<(), Mistake> {
    if UNMODELLED.contains(&name) {
        if matches!(value, SettingWord::Boolean(false) | SettingWord::Other) {
            return Ok(());
        }
        let mistake =
            Mistake::new(format!("`{name}` changes what policies do in ways that verdikt does not model"));
        return Err(mistake.help("leave it out if the scenario does not depend on it".to_owned()));
    }
    let Some(known) = KNOWN.iter().find(|known| known.name == name) else {
        let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
        let help = guessed(name, &names);
        let help = help.unwrap_or_else(|| did_you_mean(name, "the settings are", &names));
        return Err(Mistake::new(format!(
            "no setting of Cilium that matters to policies is called `{name}`"
        ))
        .help(help));
    };
    if let Some((since, version)) = known.since.and_then(|since| Some((since, versions.older_than(since)?))) {
        let mistake = Mistake::new(format!("Cilium {version} does not know the setting `{name}`"));
        return Err(mistake.help(versions.help(since)));
    }
    (known.set)(into, value).map_err(|wanted| {
        Mistake::new(format!("the setting `{name}` has an invalid value")).help(format!("give it {wanted}"))
    })
}

/// Keys of the `ConfigMap` `cilium-config` and of older charts, each with the setting of the chart that it is.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("enable-host-firewall", "hostFirewall.enabled"),
    ("enable-l7-proxy", "l7Proxy"),
    ("enable-policy", "policyEnforcementMode"),
    ("enable-k8s-networkpolicy", "k8sNetworkPolicy.enabled"),
    ("enable-k8s-cluster-network-policy", "k8sClusterNetworkPolicy.enabled"),
    ("enable-ipv6", "ipv6.enabled"),
    ("enable-node-selector-labels", "nodeSelectorLabels"),
    ("enable-extended-ip-protocols", "extendedIPProtocols.enabled"),
    ("enable-non-default-deny-policies", "enableNonDefaultDenyPolicies"),
    ("policy-default-local-cluster", "clustermesh.policyDefaultLocalCluster"),
    ("tunnel", "routingMode"),
    ("tunnelProtocol", "routingMode"),
];

/// What to do about the name of a setting that is another one's, in part or elsewhere.
fn guessed(name: &str, names: &[&str]) -> Option<String> {
    if name == "networkPolicyApi" {
        return Some("it stands beside `settings` in the topology".to_owned());
    }
    let elsewhere = OTHER_NAMES.iter().find(|(other, _)| *other == name).map(|(_, known)| *known);
    let is_part = |known: &&&str| known.split('.').any(|part| part == name);
    let known = elsewhere.or_else(|| names.iter().find(is_part).copied())?;
    Some(format!("did you mean `{known}`?"))
}

fn switch(value: &SettingWord) -> Result<bool, &'static str> {
    match value {
        SettingWord::Boolean(on) => Ok(*on),
        _ => Err("`true` or `false`"),
    }
}

fn mode(value: &SettingWord) -> Result<EnforcementMode, &'static str> {
    match value {
        SettingWord::Text(text) if text == "default" => Ok(EnforcementMode::Default),
        SettingWord::Text(text) if text == "always" => Ok(EnforcementMode::Always),
        SettingWord::Text(text) if text == "never" => Ok(EnforcementMode::Never),
        _ => Err("`default`, `always` or `never`"),
    }
}

fn match_mode(value: &SettingWord) -> Result<bool, &'static str> {
    let texts: Vec<&str> = match value {
        SettingWord::Text(text) => vec![text],
        SettingWord::List(texts) => texts.iter().map(String::as_str).collect(),
        _ => return Err("`nodes`, or nothing"),
    };
    match texts[..] {
        [] | [""] => Ok(false),
        ["nodes"] => Ok(true),
        _ => Err("`nodes`, or nothing"),
    }
}

fn routing(value: &SettingWord) -> Result<Routing, &'static str> {
    match value {
        SettingWord::Text(text) if text == "native" => Ok(Routing::Native),
        SettingWord::Text(text) if text == "tunnel" || text.is_empty() => Ok(Routing::Tunnel),
        _ => Err("`native` or `tunnel`"),
    }
}

/// `k8s:app k8s:!version`, with plain prefixes of keys.
fn labels(value: &SettingWord) -> Result<Vec<LabelRule>, &'static str> {
    const WANTED: &str =
        "prefixes of keys, as `k8s:app k8s:!version`; other regular expressions are not modelled";
    let SettingWord::Text(text) = value else { return Err(WANTED) };
    text.split_whitespace().map(|rule| LabelRule::parse(rule).ok_or(WANTED)).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// A scenario has the settings with which its cluster is installed.
    #[rstest]
    #[case::nothing(&[])]
    #[case::switches(&[
        ("policyAuditMode", SettingWord::Boolean(true)),
        ("hostFirewall.enabled", SettingWord::Boolean(true)),
        ("l7Proxy", SettingWord::Boolean(false)),
        ("clustermesh.policyDefaultLocalCluster", SettingWord::Boolean(false)),
    ])]
    #[case::words(&[
        ("policyCIDRMatchMode", SettingWord::Text("nodes".to_owned())),
        ("policyEnforcementMode", SettingWord::Text("always".to_owned())),
        ("routingMode", SettingWord::Text("tunnel".to_owned())),
        ("labels", SettingWord::Text("k8s:app.kubernetes.io/ k8s:!version".to_owned())),
    ])]
    fn helm_values_say_the_same(#[case] written: &[(&str, SettingWord)]) {
        let read = |name: &str, value: &SettingWord, into: &mut Settings| {
            let versions = SettingVersions::OfCommand(CiliumVersion::default());
            assert!(take(name, value, versions, into).is_ok(), "{name}");
        };
        let mut settings = Settings::default();
        for (name, value) in written {
            read(name, value, &mut settings);
        }
        let mut again = Settings::default();
        for (name, json) in settings.helm_values() {
            let word = match serde_json::from_str(&json).unwrap() {
                serde_json::Value::Bool(on) => SettingWord::Boolean(on),
                other => SettingWord::Text(other.as_str().unwrap().to_owned()),
            };
            read(name, &word, &mut again);
        }
        assert_eq!(again, settings);
    }
}
