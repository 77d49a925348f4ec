//! Files as repositories have them, and what `verdikt check` says of each.

use std::fmt::Write as _;
use std::path::Path;

use insta::assert_snapshot;
use rstest::rstest;

use crate::project::{Project, Ran};

/// What `check` says of some of the files in `fixtures/reading`.
fn check(names: &[&str]) -> String {
    let project = Project::with::<&str>(&[]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reading");
    let mut told = String::new();
    for name in names {
        let output = project.command(&["check", name]).current_dir(&folder).output().unwrap();
        let ran = Ran {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        writeln!(told, "check {name}: {ran}").unwrap();
    }
    told
}

#[test]
fn what_kubectl_takes_is_read() {
    assert_snapshot!(check(&["01-comments-33.yaml", "08-document-end.yaml"]), @"
    check 01-comments-33.yaml: exit code 0
    --- stderr
    0 scenarios and 1 policy object checked for Cilium 1.20: 0 mistakes, 0 warnings

    check 08-document-end.yaml: exit code 0
    --- stderr
    warning[unread]: nothing is read from here to the next `---`: kubectl stops at `...`
     --> 08-document-end.yaml:6:1
      |
    6 | apiVersion: networking.k8s.io/v1
      | ^^^^^^^^^^^
      |
      = help: write `---` in place of `...` to separate documents
    0 scenarios and 1 policy object checked for Cilium 1.20: 0 mistakes, 1 warning
    ");
}

#[test]
fn what_kubectl_refuses_is_a_mistake() {
    assert_snapshot!(check(&["07-tab-in-a-blank-line.yaml"]), @"
    check 07-tab-in-a-blank-line.yaml: exit code 2
    --- stderr
    error: kubectl refuses the whole file: found character that cannot start any token
     --> 07-tab-in-a-blank-line.yaml:6:1
      |
    6 |
      | ^
      |
      = help: remove the tab from this blank line
    0 scenarios and 0 policy objects checked for Cilium 1.20: 1 mistake, 0 warnings
    ");
}

#[test]
fn kinds_of_other_projects_are_skipped() {
    assert_snapshot!(check(&["02-tracing-policy.yaml", "03-calico-policy.yaml"]), @r"
    check 02-tracing-policy.yaml: exit code 5
    --- stderr
    0 scenarios and 0 policy objects checked for Cilium 1.20: 0 mistakes, 0 warnings
    skipped 1 document that is not a policy

    check 03-calico-policy.yaml: exit code 5
    --- stderr
    0 scenarios and 0 policy objects checked for Cilium 1.20: 0 mistakes, 0 warnings
    skipped 1 document that is not a policy
    ");
}

#[test]
fn what_is_meant_otherwise_is_warned_of() {
    let names =
        ["09-apiserver-443", "10-dns-peer-without-namespace", "13-filtered-label", "14-deny-with-exceptions"];
    let names = names.map(|name| format!("{name}.yaml"));
    assert_snapshot!(check(&names.each_ref().map(String::as_str)), @r#"
    check 09-apiserver-443.yaml: exit code 0
    --- stderr
    hint[api-server-port]: 443 is the port of the API server's service; policies see the port of the
                           API server itself
     --> 09-apiserver-443.yaml:8:24
      |
    8 |     toPorts: [{ports: [{port: "443", protocol: TCP}]}]
      |                        ^
      |
      = help: write the port of its endpoints, mostly 6443: `kubectl get endpointslices -n default`
    0 scenarios and 1 policy object checked for Cilium 1.20: 0 mistakes, 0 warnings, 1 hint

    check 10-dns-peer-without-namespace.yaml: exit code 0
    --- stderr
    warning[dns-peer-namespace]: this peer is of the namespace shop, where the cluster's DNS server is
                                 not
     --> 10-dns-peer-without-namespace.yaml:7:19
      |
    7 |   - toEndpoints: [{matchLabels: {k8s-app: kube-dns}}]
      |                   ^
      |
      = help: add `k8s:io.kubernetes.pod.namespace: kube-system` to its labels
    0 scenarios and 1 policy object checked for Cilium 1.20: 0 mistakes, 1 warning

    check 13-filtered-label.yaml: exit code 0
    --- stderr
    warning[filtered-label]: Cilium leaves the label pod-template-hash out of identities by default: it
                             selects no pod
     --> 13-filtered-label.yaml:5:46
      |
    5 |   endpointSelector: {matchLabels: {app: web, pod-template-hash: 7d9f}}
      |                                              ^^^^^^^^^^^^^^^^^^
      |
      = help: select by another label, or add this one to Cilium's setting `labels`

    warning[filtered-label]: Cilium leaves the label statefulset.kubernetes.io/pod-name out of
                             identities by default: it selects no pod
     --> 13-filtered-label.yaml:6:45
      |
    6 |   ingress: [{fromEndpoints: [{matchLabels: {statefulset.kubernetes.io/pod-name: db-0}}]}]
      |                                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: select by another label, or add this one to Cilium's setting `labels`
    0 scenarios and 1 policy object checked for Cilium 1.20: 0 mistakes, 2 warnings

    check 14-deny-with-exceptions.yaml: exit code 0
    --- stderr
    0 scenarios and 1 policy object checked for Cilium 1.20: 0 mistakes, 0 warnings
    "#);
}

#[test]
fn what_is_not_rendered_is_said_once() {
    assert_snapshot!(check(&["04-chart", "06-flux-variable.yaml"]), @r"
    check 04-chart: exit code 0
    --- stderr
    note: not checked, because these are templates: `04-chart`; check what they become: `helm template 04-chart | verdikt check -`
    0 scenarios and 1 policy object checked for Cilium 1.20: 0 mistakes, 0 warnings

    check 06-flux-variable.yaml: exit code 5
    --- stderr
    note: not checked, because these have variables that are not replaced: `06-flux-variable.yaml`; check what they become: `flux envsubst < 06-flux-variable.yaml | verdikt check -`
    0 scenarios and 0 policy objects checked for Cilium 1.20: 0 mistakes, 0 warnings
    ");
}

#[test]
fn the_same_object_in_two_overlays_is_no_mistake() {
    assert_snapshot!(check(&["05-overlays"]), @"
    check 05-overlays: exit code 0
    --- stderr
    0 scenarios and 2 policy objects checked for Cilium 1.20: 0 mistakes, 0 warnings
    skipped 2 documents that are not policies
    ");
}

/// A folder as it is deployed, whose kustomization gives the namespace; a name that nobody has; a connection alone where HTTP rules
/// are.
#[rstest]
fn what_is_deployed_is_run(
    #[values("12-real-folder/scenario.yaml", "11-nxdomain.yaml", "15-tcp-to-an-http-port.yaml")] name: &str,
    #[values("model", "lab")] place: &str,
) {
    let project = Project::with::<&str>(&[]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reading");
    let output = project.command(&["run", "--on", place, name]).current_dir(&folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
