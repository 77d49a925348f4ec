//! Files of Helm values by themselves, as commands take them beside manifests.

use std::path::Path;

use super::{LoadedSettings, Loader, at_file, gather, is_scenario_file, tidy};
use crate::lower::mistake::Mistakes;
use crate::lower::settings::{SettingVersions, given};
use crate::place::Place;
use crate::settings::Settings;
use crate::version::CiliumVersion;

impl Loader {
    /// Takes what Cilium is configured to do from a file of Helm values, for everything that is read after it. What a
    /// scenario or a topology says itself may not be something else.
    pub fn take_settings(&mut self, path: &Path, version: CiliumVersion) -> LoadedSettings {
        let mut mistakes = Mistakes::default();
        let files = self.disk.files_of_named(path, is_scenario_file);
        match self.disk.open_of(&files, path) {
            Err(mistake) => mistakes.0.push(at_file(path, mistake)),
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

    /// What Cilium is configured to do where no file says it; none where the command does not say it either.
    pub fn settings(&self) -> Option<&Settings> {
        self.given.as_ref().map(|given| &given.settings)
    }
}
