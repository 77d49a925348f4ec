//! Secrets, the certificates that servers present, and the certificates that clients trust.

use std::sync::Arc;

use super::{TopologyDraft, TopologyPart};
use crate::file::Located;
use crate::lower::mistake::{Mistake, Mistakes};
use crate::lower::suggest::did_you_mean;
use crate::name::NamespacedName;
use crate::topology::{Endpoint, Served, ServedProtocol, Topology};

/// Reads the names of the cluster's secrets. Content that comes from manifests stays.
pub(super) fn lower(parts: &[TopologyPart], draft: &mut TopologyDraft, mistakes: &mut Mistakes) {
    for part in parts {
        for written in &part.content.secrets {
            let name = mistakes.keep(&part.file, written.position, written.value.parse::<NamespacedName>());
            if let Some(name) = name {
                draft.topology.secrets.entry(name).or_default();
            }
        }
    }
}

/// The certificates of an endpoint, as a file gives them.
pub(super) struct Certificates<'a> {
    /// `certificate`, if it is there.
    pub(super) certificate: Option<&'a Located<String>>,
    /// `trusts`, if it is there.
    pub(super) trusts: Option<&'a Located<Vec<Located<String>>>>,
    /// The file.
    pub(super) file: &'a Arc<str>,
}

/// Records the certificate that an endpoint presents to clients, and those it trusts as a client.
pub(super) fn declare(
    endpoint: &Endpoint,
    serves: &[Served],
    written: &Certificates<'_>,
    draft: &mut TopologyDraft,
    mistakes: &mut Mistakes,
) {
    let Certificates { certificate, trusts, file } = *written;
    if let Some(shown) = certificate {
        let name = mistakes.keep(file, shown.position, secret(&shown.value, &draft.topology));
        if !serves.iter().any(|served| served.protocol == ServedProtocol::Https) {
            let mistake =
                Mistake::new(format!("`{endpoint}` serves no https, so it presents no certificate"));
            mistakes.add(file, shown.position, mistake.help("let it serve `https 443`".to_owned()));
        }
        draft.topology.certificates.extend(name.map(|name| (endpoint.clone(), name)));
    }
    if let Some(trusts) = trusts {
        let trusted = trusts.value.iter();
        let trusted = trusted
            .filter_map(|it| mistakes.keep(file, it.position, secret(&it.value, &draft.topology)))
            .collect();
        draft.topology.trusts.insert(endpoint.clone(), trusted);
    }
}

fn secret(text: &str, topology: &Topology) -> Result<NamespacedName, Mistake> {
    let name = text.parse::<NamespacedName>()?;
    if topology.secrets.contains_key(&name) {
        return Ok(name);
    }
    let known: Vec<String> = topology.secrets.keys().map(ToString::to_string).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let help = if known.is_empty() {
        format!("add it to the topology: `secrets: [{name}]`, or its manifest")
    } else {
        did_you_mean(text, "the secrets are", &known)
    };
    Err(Mistake::new(format!("no secret is called `{name}`")).help(help))
}
