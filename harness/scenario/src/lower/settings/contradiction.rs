//! Settings that contradict each other: in two files, or in two spellings.

use super::{FlatSetting, KNOWN};
use crate::file::SettingWord;
use crate::lower::mistake::Mistake;
use crate::settings::Settings;

/// A mistake where a setting has another value among those of a file.
pub(super) fn against(
    name: &str,
    value: &SettingWord,
    other: Option<(&str, &[FlatSetting<'_>])>,
) -> Result<(), Mistake> {
    let Some((file, others)) = other else { return Ok(()) };
    match others.iter().find(|(known, ..)| whole_name(known) == whole_name(name)) {
        Some((_, at, other)) if differ(name, value, other) => {
            let mistake = Mistake::new(format!("`{name}` has another value in `{file}`"));
            Err(mistake.help(format!("line {} has it: leave one of them out", at.line)))
        }
        _ => Ok(()),
    }
}

/// Whether two values of a setting mean something else.
fn differ(name: &str, one: &SettingWord, other: &SettingWord) -> bool {
    let Some(known) = KNOWN.iter().find(|known| known.name == whole_name(name)) else { return false };
    let [one, other] = [one, other].map(|value| {
        let mut settings = Settings::default();
        (known.set)(&mut settings, value).is_ok().then_some(settings)
    });
    one != other
}

/// The name of a setting with two spellings.
fn whole_name(name: &str) -> &str {
    if name == "enablePolicy" { "policyEnforcementMode" } else { name }
}
