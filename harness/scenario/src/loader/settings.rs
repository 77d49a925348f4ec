//! Helm values files, as commands take them beside manifests.

use std::path::Path;

use super::{LoadedSettings, Loader, at_file, gather, is_scenario_file, tidy};
use crate::lower::mistake::Mistakes;
use crate::lower::settings::{SettingVersions, given};
use crate::place::Place;
use crate::settings::Settings;
use crate::version::CiliumVersion;

impl Loader {
    /// Takes Cilium's configuration from a Helm values file, for everything that is read afterwards. A scenario or
    /// topology must not contradict it.
    pub fn take_settings(&mut self, path: &Path, version: CiliumVersion) -> LoadedSettings {
        let mut mistakes = Mistakes::default();
        let files = self.disk.files_of_named(path, is_scenario_file);
        match self.disk.open_of(&files, path) {
            Err(mistake) => {
                let wanted = "name a file of Helm values; `helm get values cilium --namespace kube-system` prints those of a cluster";
                let help = mistake.help.clone().unwrap_or_else(|| wanted.to_owned());
                mistakes.0.push(at_file(path, mistake.help(help)));
            }
            Ok(opened) => {
                mistakes.0.extend_from_slice(&opened.remarks);
                let named = Place::start_of(opened.file.to_string());
                if let Some(values) = gather::values_of(&opened, &named, &mut mistakes) {
                    self.given = Some(given(values, SettingVersions::OfCommand(version), &mut mistakes));
                }
            }
        }
        let mut diagnostics = mistakes.0;
        tidy(&mut diagnostics);
        LoadedSettings { diagnostics, sources: self.disk.sources.clone() }
    }

    /// Cilium's configuration where no file gives it; none if the command gives none either.
    pub fn settings(&self) -> Option<&Settings> {
        self.given.as_ref().map(|given| &given.settings)
    }
}
