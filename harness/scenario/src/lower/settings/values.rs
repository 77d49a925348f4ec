//! The settings in a Helm values file, most of which matter to no policy.

use super::{FlatSetting, KNOWN, SettingVersions, flatten, take as take_setting};
use crate::lower::mistake::{Mistake, Mistakes};
use crate::lower::topology::ValuesFile;
use crate::settings::Settings;

/// Names of this length are not meant as another one that differs in two letters: `ipv4.enabled` is not a misspelt
/// `ipv6.enabled`.
const LONG: usize = 13;

/// Takes over the settings that verdikt knows, and returns all that the file contains.
pub(super) fn take<'a>(
    file: &'a ValuesFile,
    versions: SettingVersions<'_>,
    into: &mut Settings,
    mistakes: &mut Mistakes,
) -> Vec<FlatSetting<'a>> {
    let mut all = Vec::new();
    flatten("", &file.values, &mut all);
    for (name, position, value) in &all {
        let taken = match KNOWN.iter().find(|known| known.name == name || is_slip(name, known.name)) {
            Some(known) if known.name != name => {
                let mistake = Mistake::new(format!("Cilium has no setting `{name}`"));
                Err(mistake.help(format!("did you mean `{}`?", known.name)))
            }
            Some(_) => take_setting(name, value, versions, into),
            None => Ok(()),
        };
        mistakes.keep(&file.file, *position, taken);
    }
    all
}

/// Whether a name is a misspelt setting.
fn is_slip(name: &str, known: &str) -> bool {
    name != known
        && (name.eq_ignore_ascii_case(known)
            || (known.len() >= LONG && strsim::osa_distance(name, known) <= 2))
}
