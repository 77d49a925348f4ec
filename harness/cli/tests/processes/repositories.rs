//! The repositories of `scenarios/repositories`: what a change of each opens and closes, and which of its invariants catches it.

use std::fs;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use rstest::rstest;

use crate::project::Project;

/// Copies one of the repositories into a folder of a project.
pub(crate) fn copy_repository(name: &str, to: &Path) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/repositories").join(name);
    copy(&kept, to);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A change of one file: what stands there, and what a pull request puts in its place.
struct Change {
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

#[rstest]
#[case::plain("plain", "", "guestbook-invariants", Change {
    file: "policies/guestbook.yaml",
    from: "  - from: [{podSelector: {matchLabels: {tier: frontend}}}]\n",
    to: "  - from: [{podSelector: {}}, {ipBlock: {cidr: 203.0.113.0/24}}]\n",
})]
#[case::kustomize("kustomize", "rendered.yaml", "shop-prod-invariants", Change {
    file: "rendered.yaml",
    from: "  - fromEndpoints:\n    - matchLabels:\n        app: web\n",
    to: "  - fromEntities: [all]\n",
})]
#[case::helm("helm", "rendered.yaml", "wiki-invariants", Change {
    file: "rendered.yaml",
    from: "    from:\n    - podSelector: {matchLabels: {wiki-postgresql-client: \"true\"}}\n    - podSelector: {matchLabels: {app.kubernetes.io/name: wiki}}\n",
    to: "",
})]
#[case::gitops("gitops", "clusters/eu", "orders-eu-invariants", Change {
    file: "clusters/eu/policies.yaml",
    from: "  - fromEndpoints: [{matchLabels: {app: gateway}}]\n",
    to: "  - fromEntities: [cluster]\n  - fromCIDR: [203.0.113.0/24]\n",
})]
#[case::platform("platform", "", "platform-and-teams-invariants", Change {
    file: "platform/policies.yaml",
    from: "{port: \"53\", protocol: UDP}, ",
    to: "",
})]
#[case::baseline("baseline", "", "cilium-baseline-invariants", Change {
    file: "cluster/baseline.yaml",
    from: "{fromEntities: [health]}",
    to: "{fromEntities: [health, world]}",
})]
fn a_change_is_told_and_caught(
    #[case] name: &str,
    #[case] path: &str,
    #[case] invariants: &str,
    #[case] change: Change,
) {
    let project = Project::with(&[(".git/HEAD", "")]);
    for side in ["base", "head"] {
        copy_repository(name, &project.path(side));
    }
    let file = format!("head/{}", change.file);
    let before = project.read(&file);
    assert!(before.contains(change.from), "{before}");
    project.write(&file, &before.replace(change.from, change.to));
    let [base, head] = ["base", "head"].map(|side| format!("{side}/{path}"));
    let diff = project.verdikt(&["diff", &base, &head, "--fail-on", "opened,closed"]);
    assert_eq!(diff.code, 1, "{diff}");
    assert_snapshot!(format!("diff_of_{name}"), diff.stdout);
    let run =
        |side: &str| project.verdikt(&["run", "--quiet", &format!("{side}/scenarios/{invariants}.yaml")]);
    let (base, head) = (run("base"), run("head"));
    assert_eq!((base.code, base.stdout.contains("BROKEN")), (0, false), "{base}");
    assert_eq!((head.code, head.stdout.contains("BROKEN")), (1, true), "{head}");
}

/// Two clusters of one repository.
#[test]
fn two_clusters() {
    let project = Project::with(&[(".git/HEAD", "")]);
    copy_repository("gitops", &project.path(""));
    assert_snapshot!("diff_of_two_clusters", project.verdikt(&["diff", "clusters/eu", "clusters/us"]));
}
