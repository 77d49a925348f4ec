//! The krew manifest and the Homebrew formula of a release.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::archive::sha256;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
const ABOUT: &str = "Tells whether the network policies of a cluster with Cilium do what their authors think";

/// A platform with an archive.
struct Platform {
    target: &'static str,
    os: &'static str,
    architecture: &'static str,
}

const PLATFORMS: &[Platform] = &[
    Platform { target: "x86_64-unknown-linux-gnu", os: "linux", architecture: "amd64" },
    Platform { target: "aarch64-unknown-linux-gnu", os: "linux", architecture: "arm64" },
    Platform { target: "x86_64-apple-darwin", os: "darwin", architecture: "amd64" },
    Platform { target: "aarch64-apple-darwin", os: "darwin", architecture: "arm64" },
];

impl Platform {
    fn file(&self) -> String {
        format!("verdikt-{}.tar.gz", self.target)
    }

    fn url(&self) -> String {
        format!("{REPOSITORY}/releases/download/v{VERSION}/{}", self.file())
    }
}

/// Writes both beside the archives that there are.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let mut archives = Vec::new();
    for platform in PLATFORMS {
        let path = folder.join(platform.file());
        if path.exists() {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            archives.push((platform, sha256(&bytes)));
        }
    }
    fs::write(folder.join("verdikt.krew.yaml"), format!("{:#}\n", krew(&archives)))?;
    fs::write(folder.join("verdikt.rb"), formula(&archives))?;
    Ok(())
}

/// As <https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/> has it. JSON is YAML too.
fn krew(archives: &[(&Platform, String)]) -> Value {
    let platforms: Vec<Value> = archives
        .iter()
        .map(|(platform, sum)| {
            json!({
                "selector": {"matchLabels": {"os": platform.os, "arch": platform.architecture}},
                "uri": platform.url(),
                "sha256": sum,
                "bin": format!("verdikt-{}/verdikt", platform.target),
            })
        })
        .collect();
    json!({
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "verdikt"},
        "spec": {
            "version": format!("v{VERSION}"),
            "homepage": REPOSITORY,
            "shortDescription": "Tests Cilium network policies with real traffic",
            "description": ABOUT,
            "platforms": platforms,
        },
    })
}

/// As <https://docs.brew.sh/Formula-Cookbook> has it.
fn formula(archives: &[(&Platform, String)]) -> String {
    let mut platforms = String::new();
    for (platform, sum) in archives {
        let os = if platform.os == "darwin" { "macos" } else { platform.os };
        let cpu = if platform.architecture == "amd64" { "intel" } else { "arm" };
        let url = platform.url();
        // Writing to a string cannot fail.
        let _ = writeln!(
            platforms,
            "  on_{os} do\n    on_{cpu} do\n      url \"{url}\"\n      sha256 \"{sum}\"\n    end\n  end"
        );
    }
    format!(
        r##"class Verdikt < Formula
  desc "{ABOUT}"
  homepage "{REPOSITORY}"
  version "{VERSION}"
  license "Apache-2.0"
{platforms}
  def install
    bin.install "verdikt", "kubectl-verdikt"
    bin.install "verdikt-probe" if OS.linux?
    bash_completion.install "completions/verdikt.bash" => "verdikt"
    zsh_completion.install "completions/_verdikt"
    fish_completion.install "completions/verdikt.fish"
    man1.install Dir["man/*.1"]
  end

  test do
    assert_match version.to_s, shell_output("#{{bin}}/verdikt --version")
  end
end
"##
    )
}
