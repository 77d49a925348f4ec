//! Aliases of hosts outside, by chains: `www.example.test -> shop.cdn.test` leads to the first of the host's names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{leads_already, outside_name};
use crate::file::{Located, WorldHostFile};
use crate::lower::mistake::{Mistake, Mistakes};
use crate::name::DnsName;

/// What stands between a name and the one that it is an alias of.
const ARROW: &str = "->";

/// The aliases of a host, each with the name that it is an alias of.
pub(super) fn of_host<'a>(
    host: &'a str,
    value: &WorldHostFile,
    file: &Arc<str>,
    owners: &mut BTreeMap<DnsName, &'a str>,
    mistakes: &mut Mistakes,
) -> BTreeMap<DnsName, DnsName> {
    let mut aliases = BTreeMap::new();
    let first = value.names.first().map(|first| &first.value);
    for written in &value.aliases {
        let own_names = value.names.iter().filter_map(|name| name.value.parse::<DnsName>().ok());
        let own_names: Vec<DnsName> = own_names.collect();
        let Some(chain) = mistakes.keep(file, written.position, chain(written, first, &own_names, &aliases))
        else {
            continue;
        };
        for pair in chain.windows(2) {
            let (alias, name) = (&pair[0], &pair[1]);
            let added = add(alias, name, host, owners, &mut aliases);
            mistakes.keep(file, written.position, added);
        }
    }
    aliases
}

/// The names of a chain, up to one that is known.
fn chain(
    written: &Located<String>,
    first: Option<&String>,
    own_names: &[DnsName],
    aliases: &BTreeMap<DnsName, DnsName>,
) -> Result<Vec<DnsName>, Mistake> {
    let Some(first) = first else {
        let mistake = Mistake::new(format!("`{}` is an alias of a host without a name", written.value));
        return Err(mistake.help("give the host `names`".to_owned()));
    };
    let names = written.value.split(ARROW).map(|name| outside_name(name.trim()));
    let mut names = names.collect::<Result<Vec<DnsName>, Mistake>>()?;
    let is_known = |name: &DnsName| own_names.contains(name) || aliases.contains_key(name);
    if names.len() < 2 || names.last().is_some_and(|last| !is_known(last)) {
        names.push(first.parse()?);
    }
    let again = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name));
    if let Some((_, name)) = again.filter(|(_, name)| !own_names.contains(name)) {
        return Err(Mistake::new(format!("`{name}` is an alias of itself")));
    }
    Ok(names)
}

fn add<'a>(
    alias: &DnsName,
    name: &DnsName,
    host: &'a str,
    owners: &mut BTreeMap<DnsName, &'a str>,
    aliases: &mut BTreeMap<DnsName, DnsName>,
) -> Result<(), Mistake> {
    match aliases.get(alias) {
        // Chains may share their ends.
        Some(known) if known == name => return Ok(()),
        Some(known) => {
            let mistake = Mistake::new(format!("`{alias}` is an alias of `{known}` already"));
            return Err(mistake.help("write the longer chain first".to_owned()));
        }
        None => {}
    }
    if let Some(owner) = owners.insert(alias.clone(), host) {
        return Err(leads_already(alias, owner));
    }
    aliases.insert(alias.clone(), name.clone());
    Ok(())
}
