//! The bill of materials of a release, as `CycloneDX` 1.5 in JSON: <https://cyclonedx.org/docs/1.5/json/>.

use serde_json::{Value, json};

use crate::build::Commit;
use crate::packages::Package;

/// The program that the bill is of.
const PROGRAM: &str = "verdikt";

/// The bill. The same packages and commit give the same text.
pub(crate) fn bill(packages: &[Package], commit: &Commit) -> String {
    let program = packages.iter().find(|package| package.name == PROGRAM);
    let others = packages.iter().filter(|package| package.name != PROGRAM);
    let components: Vec<Value> = others.map(|package| component(package, "library")).collect();
    let dependencies: Vec<Value> = packages
        .iter()
        .map(|package| {
            let needs: Vec<String> = package.needs.iter().map(|key| reference(key)).collect();
            json!({"ref": reference(&package.key()), "dependsOn": needs})
        })
        .collect();
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": format!("{}T00:00:00Z", commit.date),
            "tools": {"components": [{"type": "application", "name": "cargo xtask dist"}]},
            "component": program.map(|program| component(program, "application")),
            "properties": [{"name": "verdikt:commit", "value": commit.hash}],
        },
        "components": components,
        "dependencies": dependencies,
    });
    format!("{bill:#}\n")
}

fn component(package: &Package, kind: &str) -> Value {
    let mut component = json!({
        "type": kind,
        "bom-ref": reference(&package.key()),
        "name": package.name,
        "version": package.version,
        "purl": reference(&package.key()),
    });
    if let Some(licence) = &package.licence {
        component["licenses"] = json!([{"expression": licence}]);
    }
    component
}

/// The package as the whole world names it: <https://github.com/package-url/purl-spec>.
fn reference(key: &str) -> String {
    format!("pkg:cargo/{}", key.replace('+', "%2B"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_bill() {
        let package = |name: &str, needs: &[&str]| Package {
            name: name.to_owned(),
            version: "1.2.3+x".to_owned(),
            licence: Some("MIT".to_owned()),
            folder: name.into(),
            is_ours: false,
            needs: needs.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<_>>(),
        };
        let packages = [package("clap", &[]), package("verdikt", &["clap@1.2.3+x"])];
        let commit = Commit { hash: "1a2b".to_owned(), date: "2026-01-02".to_owned() };
        let bill: Value = serde_json::from_str(&bill(&packages, &commit)).unwrap();
        assert_eq!(bill["metadata"]["component"]["name"], "verdikt");
        assert_eq!(bill["metadata"]["timestamp"], "2026-01-02T00:00:00Z");
        assert_eq!(bill["components"][0]["purl"], "pkg:cargo/clap@1.2.3%2Bx");
        assert_eq!(bill["components"].as_array().map(Vec::len), Some(1));
        assert_eq!(bill["dependencies"][1]["dependsOn"][0], bill["components"][0]["bom-ref"]);
    }
}
