//! Files as repositories have them: templates, variables, overlays, and what kubectl reads otherwise than YAML says.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::{FileReach, LoadedPolicies, Loader};
use super::Folder;

const POLICY: &str = "\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop}
spec: {endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}
";

fn load(folder: &Folder, names: &[&str]) -> LoadedPolicies {
    let paths: Vec<_> = names.iter().map(|name| folder.path(name)).collect();
    Loader::new(&paths, FileReach::Inside).policies(&paths, &BTreeSet::new())
}

/// The objects that were loaded, what is said of the files, and what is not rendered.
fn told(files: &[(&str, &str)]) -> String {
    let folder = Folder::new(files);
    let loaded = load(&folder, &[""]);
    let mut told = String::new();
    for manifest in &loaded.manifests {
        writeln!(told, "{}", manifest.object()).unwrap();
    }
    told += &folder.lines(&loaded.diagnostics);
    for (why, names) in &loaded.unrendered {
        writeln!(told, "{}", folder.relative(&why.remark(names, "check"))).unwrap();
    }
    writeln!(told, "{} ignored, {} mistaken", loaded.ignored, loaded.mistaken.len()).unwrap();
    told
}

#[test]
fn comments_of_any_length() {
    let comment = "  # a rule that was taken out\n".repeat(5000);
    let text = POLICY.replace("spec: {", &format!("{comment}spec: {{"));
    let list = format!("a:\n{comment}  - b\n{comment}  - c\n---\n{comment}{text}");
    insta::assert_snapshot!(told(&[("p.yaml", &list)]), @"
    CiliumNetworkPolicy shop/web
    1 ignored, 0 mistaken
    ");
}

/// A cluster's worth of policies in one file, as `kubectl get -o yaml` writes them.
#[test]
fn a_file_of_thousands_of_policies() {
    let many: String =
        (0..5000).flat_map(|n| ["---\n".to_owned(), POLICY.replace("web", &format!("web{n}"))]).collect();
    let folder = Folder::new(&[("p.yaml", &many)]);
    let loaded = load(&folder, &["p.yaml"]);
    assert_eq!((loaded.manifests.len(), folder.lines(&loaded.diagnostics).as_str()), (5000, ""));
}

#[test]
fn kinds_of_other_projects() {
    let mut said = String::new();
    for (version, kind) in [
        ("cilium.io/v1alpha1", "TracingPolicy"),
        ("cilium.io/v1alpha1", "TracingPolicyNamespaced"),
        ("cilium.io/v2", "CiliumSomethingNew"),
        ("cilium.io/v2alpha1", "CiliumNodeConfig"),
        ("projectcalico.org/v3", "NetworkPolicy"),
        ("crd.projectcalico.org/v1", "NetworkPolicy"),
        ("projectcalico.org/v3", "GlobalNetworkPolicy"),
        ("crd.antrea.io/v1beta1", "NetworkPolicy"),
        ("networking.gke.io/v1alpha1", "NetworkPolicys"),
        ("networking.k8s.io/v1", "IngressClass"),
        ("networking.k8s.io/v1", "NetworkPolciy"),
        ("extensions/v1beta1", "NetworkPolicy"),
        ("v1", "NetworkPolicy"),
        ("netwrking.k8s.io/v1", "NetworkPolicy"),
        ("networking.k8s.io/v1", "Networking"),
        ("cilium.io/v2", "CiliumNetworkPolicies"),
        ("ciliun.io/v2", "CiliumNetworkPolicy"),
        ("example.org/v1", "CiliumNetworkPolcy"),
    ] {
        let text =
            format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a, namespace: b}}\nspec: {{}}\n");
        write!(said, "{version} {kind}: {}", told(&[("p.yaml", &text)])).unwrap();
    }
    insta::assert_snapshot!(said, @"
    cilium.io/v1alpha1 TracingPolicy: 1 ignored, 0 mistaken
    cilium.io/v1alpha1 TracingPolicyNamespaced: 1 ignored, 0 mistaken
    cilium.io/v2 CiliumSomethingNew: 1 ignored, 0 mistaken
    cilium.io/v2alpha1 CiliumNodeConfig: 1 ignored, 0 mistaken
    projectcalico.org/v3 NetworkPolicy: 1 ignored, 0 mistaken
    crd.projectcalico.org/v1 NetworkPolicy: 1 ignored, 0 mistaken
    projectcalico.org/v3 GlobalNetworkPolicy: 1 ignored, 0 mistaken
    crd.antrea.io/v1beta1 NetworkPolicy: 1 ignored, 0 mistaken
    networking.gke.io/v1alpha1 NetworkPolicys: 1 ignored, 0 mistaken
    networking.k8s.io/v1 IngressClass: 1 ignored, 0 mistaken
    networking.k8s.io/v1 NetworkPolciy: p.yaml:2:7: `NetworkPolciy` is not a kind of policy verdikt knows => did you mean `NetworkPolicy`?
    0 ignored, 0 mistaken
    extensions/v1beta1 NetworkPolicy: NetworkPolicy b/a
    p.yaml:1:13: there is no NetworkPolicy in `extensions/v1beta1` => write `networking.k8s.io/v1`
    0 ignored, 1 mistaken
    v1 NetworkPolicy: NetworkPolicy b/a
    p.yaml:1:13: there is no NetworkPolicy in `v1` => write `networking.k8s.io/v1`
    0 ignored, 1 mistaken
    netwrking.k8s.io/v1 NetworkPolicy: NetworkPolicy b/a
    p.yaml:1:13: there is no NetworkPolicy in `netwrking.k8s.io/v1` => write `networking.k8s.io/v1`
    0 ignored, 1 mistaken
    networking.k8s.io/v1 Networking: 1 ignored, 0 mistaken
    cilium.io/v2 CiliumNetworkPolicies: p.yaml:2:7: `CiliumNetworkPolicies` is not a kind of policy verdikt knows => did you mean `CiliumNetworkPolicy`?
    0 ignored, 0 mistaken
    ciliun.io/v2 CiliumNetworkPolicy: CiliumNetworkPolicy b/a
    p.yaml:1:13: there is no CiliumNetworkPolicy in `ciliun.io/v2` => write `cilium.io/v2`
    0 ignored, 1 mistaken
    example.org/v1 CiliumNetworkPolcy: p.yaml:2:7: `CiliumNetworkPolcy` is not a kind of policy verdikt knows => did you mean `CiliumNetworkPolicy`?
    0 ignored, 0 mistaken
    ");
}

#[test]
fn lists_of_policies_are_lists() {
    let list = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicyList
items:
- metadata: {name: a, namespace: b}
  spec: {podSelector: {}}
- apiVersion: cilium.io/v2
  kind: CiliumNetworkPolicy
  metadata: {name: c, namespace: d}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicyList
items: {}
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicyList
items: []
";
    insta::assert_snapshot!(told(&[("p.yaml", list)]), @"
    NetworkPolicy b/a
    CiliumNetworkPolicy d/c
    p.yaml:12:8: the `items` of a `CiliumNetworkPolicyList` must be a list
    0 ignored, 0 mistaken
    ");
}

#[test]
fn what_kubectl_reads_otherwise() {
    let second = POLICY.replace("web", "second");
    let mut said = String::new();
    for (name, text) in [
        ("a document after an end", format!("{POLICY}...\n{second}")),
        ("a document after an end and a beginning", format!("{POLICY}...\n---\n{second}")),
        ("a tab in a blank line", POLICY.replace("spec:", "\t\nspec:")),
        ("a tab before a comment", POLICY.replace("spec:", "  \t# remark\nspec:")),
        ("a tab in brackets", POLICY.replace("ingress:", "\n\t\n ingress:")),
    ] {
        write!(said, "{name}: {}", told(&[("p.yaml", &text)])).unwrap();
    }
    insta::assert_snapshot!(said, @"
    a document after an end: CiliumNetworkPolicy shop/web
    p.yaml:6:1: [unread] nothing is read from here to the next `---`: kubectl stops at `...` => write `---` in place of `...` to separate documents
    0 ignored, 0 mistaken
    a document after an end and a beginning: CiliumNetworkPolicy shop/web
    CiliumNetworkPolicy shop/second
    0 ignored, 0 mistaken
    a tab in a blank line: p.yaml:4:1: kubectl refuses the whole file: found character that cannot start any token => remove the tab from this blank line
    0 ignored, 0 mistaken
    a tab before a comment: p.yaml:4:3: kubectl refuses the whole file: found character that cannot start any token => remove the tab from this blank line
    0 ignored, 0 mistaken
    a tab in brackets: CiliumNetworkPolicy shop/web
    0 ignored, 0 mistaken
    ");
}

#[test]
fn templates_and_variables_are_told_once() {
    insta::assert_snapshot!(told(&[
        ("chart/policy.yaml", POLICY),
        ("chart/templates/deployment.yaml", "{{- if .Values.enabled }}\napiVersion: apps/v1\n{{- end }}\n"),
        ("chart/templates/policy.yaml", &format!("{{{{- with .Values }}}}\n{POLICY}{{{{- end }}}}\n")),
        ("other/templates/quoted.yaml", &POLICY.replace("web", "\"{{ .Release.Name }}-web\"")),
        ("annotated.yaml", &POLICY.replace("{name: web,", "{name: dash, annotations: {legend: \"{{ host }} ${x}\"},")),
    ]), @"
    CiliumNetworkPolicy shop/dash
    CiliumNetworkPolicy shop/web
    not checked, because these are templates: `chart` and 1 more; check what they become: `helm template chart | verdikt check -`
    0 ignored, 0 mistaken
    ");
    insta::assert_snapshot!(told(&[
        ("a.yaml", &POLICY.replace("name: web, namespace: shop", "name: \"${APP}-allow\", namespace: \"${NS:=shop}\"")),
        ("b.yaml", &POLICY.replace("fromEndpoints: [{}]", "fromCIDR: [\"${LAN_CIDR}\"]")),
        ("regex.yaml", &POLICY.replace("fromEndpoints: [{}]", "toPorts: [{ports: [{port: \"80\"}], rules: {http: [{path: \"/a{2}$\"}]}}]")),
    ]), @"
    CiliumNetworkPolicy shop/web
    not checked, because these have variables that are not replaced: `a.yaml` and 1 more; check what they become: `flux envsubst < a.yaml | verdikt check -`
    0 ignored, 0 mistaken
    ");
}

#[test]
fn overlays() {
    let bare = POLICY.replace(", namespace: shop", "");
    insta::assert_snapshot!(told(&[
        ("dev/kustomization.yaml", "namespace: shop-dev\nresources: [policy.yaml]\n"),
        ("dev/policy.yaml", &bare),
        ("prod/kustomization.yml", "namespace: shop-prod\nresources: [policy.yaml]\npatches: [{path: patch.yaml}]\n"),
        ("prod/policy.yaml", &bare),
        ("prod/patch.yaml", "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: web}\nspec: {ingress: []}\n"),
    ]), @"
    CiliumNetworkPolicy shop-dev/web
    CiliumNetworkPolicy shop-prod/web
    checked as they are, because kustomize adds to these, for example namespaces and patches: `prod`; check what they become: `kustomize build prod | verdikt check -`
    2 ignored, 0 mistaken
    ");
    insta::assert_snapshot!(told(&[("base/kustomization.yaml", "resources: [policy.yaml]\n"), ("base/policy.yaml", &bare)]), @"
    CiliumNetworkPolicy web
    checked as they are, because kustomize adds to these, for example namespaces and patches: `base`; check what they become: `kustomize build base | verdikt check -`
    1 ignored, 0 mistaken
    ");
    // Two clusters have the same objects; one folder has each once.
    insta::assert_snapshot!(told(&[("eu/p.yaml", POLICY), ("us/p.yaml", POLICY)]), @"
    CiliumNetworkPolicy shop/web
    CiliumNetworkPolicy shop/web
    0 ignored, 0 mistaken
    ");
    insta::assert_snapshot!(told(&[("eu/p.yaml", POLICY), ("eu/q.yaml", POLICY)]), @r"
    CiliumNetworkPolicy shop/web
    CiliumNetworkPolicy shop/web
    eu/q.yaml:3:18: [twice] CiliumNetworkPolicy shop/web occurs twice => it is also at eu/p.yaml:3:18: of the two, the one applied last is in force
    0 ignored, 0 mistaken
    ");
}
