//! Policies: entries, documents, refusals, and plain policy folders.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::super::{FileReach, LoadedPolicies, Loader};
use super::{Folder, GOOD, each, lines, spoilt};

fn load_policies(paths: &[PathBuf]) -> LoadedPolicies {
    Loader::new(paths, FileReach::Inside).policies(paths, &BTreeSet::new())
}

const HEAD: &str = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n";

#[test]
fn documents_that_are_no_policies() {
    insta::assert_snapshot!(each(&[
        ("apiVersion: cilium.io/v2\n", ""),
        ("kind: CiliumNetworkPolicy\n", ""),
        ("kind: CiliumNetworkPolicy", "kind: CiliumNetworkPolice"),
        ("kind: CiliumNetworkPolicy", "kind: Deployment"),
        ("apiVersion: cilium.io/v2", "apiVersion: cilium.io/v1"),
        ("apiVersion: cilium.io/v2", "apiVersion: networking.k8s.io/v1"),
        ("name: lockdown,", ""),
        ("name: lockdown,", "name: Lock_down,"),
        ("name: lockdown,", "name: 7,"),
        (", namespace: data}", "}"),
        (", namespace: data}", ", namespace: dta}"),
        (", namespace: data}", ", namespace: kube-system}"),
        (", namespace: data}", ", namespace: Data}"),
        ("kind: CiliumNetworkPolicy", "kind: CiliumClusterwideNetworkPolicy"),
        ("---\n", "---\njust text\n---\n"),
    ]), @r"
      s.yaml:26:1: the object has no `apiVersion`

      s.yaml:26:1: the object has no `kind`
    kind: CiliumNetworkPolice
      s.yaml:27:7: `CiliumNetworkPolice` is not a kind of policy verdikt knows => did you mean `CiliumNetworkPolicy`?
    kind: Deployment
      s.yaml:27:7: `Deployment` is not a kind of policy verdikt knows => verdikt knows `NetworkPolicy`, `CiliumNetworkPolicy`, `CiliumClusterwideNetworkPolicy`, `CiliumCIDRGroup` and `ClusterNetworkPolicy`
    apiVersion: cilium.io/v1
      s.yaml:26:13: there is no CiliumNetworkPolicy in `cilium.io/v1` => write `cilium.io/v2`
    apiVersion: networking.k8s.io/v1
      s.yaml:26:13: there is no CiliumNetworkPolicy in `networking.k8s.io/v1` => write `cilium.io/v2`

      s.yaml:20:14: no manifest called `lockdown` follows in this file => files end in .yaml, .yml or .json, and folders in `/`
      s.yaml:28:11: the object has no `metadata.name`
    name: Lock_down,
      s.yaml:20:14: no manifest called `lockdown` follows in this file => did you mean `data/Lock_down`?
      s.yaml:28:18: `Lock_down` is not an object name (lower-case letters, digits, inner hyphens and dots, at most 253 characters)
    name: 7,
      s.yaml:20:14: no manifest called `lockdown` follows in this file => files end in .yaml, .yml or .json, and folders in `/`
      s.yaml:28:18: `metadata.name` is not text => write it in quotes
    }
      s.yaml:24:7: no policy of this step is called `data/lockdown` => its policies are: `lockdown`
      s.yaml:28:18: CiliumNetworkPolicy lockdown has no `metadata.namespace` => name its namespace, or once for all of them: `topology: {namespace: NAME}`
    , namespace: dta}
      s.yaml:24:7: no policy of this step is called `data/lockdown` => did you mean `dta/lockdown`?
      s.yaml:28:39: namespace `dta` is not in the topology => did you mean `data`?
    , namespace: kube-system}
      s.yaml:24:7: no policy of this step is called `data/lockdown` => its policies are: `kube-system/lockdown`
    , namespace: Data}
      s.yaml:24:7: no policy of this step is called `data/lockdown` => did you mean `Data/lockdown`?
      s.yaml:28:39: `Data` is not a namespace name (lower-case letters, digits and inner hyphens, at most 63 characters) => write `data`
    kind: CiliumClusterwideNetworkPolicy
      s.yaml:28:39: a CiliumClusterwideNetworkPolicy has no namespace => leave `metadata.namespace` out
    ---\njust text\n---
      s.yaml:26:1: this document is not a Kubernetes object => an object is a mapping with `apiVersion` and `kind`
    ");
    let twice = format!("{GOOD}---\n{HEAD}metadata: {{name: lockdown, namespace: data}}\nspec: {{}}\n");
    insta::assert_snapshot!(lines(&[("s.yaml", &twice)]), @"s.yaml:33:18: CiliumNetworkPolicy data/lockdown occurs twice => it is also at s.yaml:28:18");
}

#[test]
fn entries_that_lead_nowhere() {
    insta::assert_snapshot!(each(&[
        ("policies: [lockdown]", "policies: [lokdown]"),
        ("policies: [lockdown]", "policies: [something]"),
        ("policies: [lockdown]", "policies: [lockdown, lockdown]"),
        ("policies: [lockdown]", "policies: [lockdown, data/lockdown]"),
        ("policies: [lockdown]", "policies: [lockdown, missing.yaml]"),
        ("policies: [lockdown]", "policies: [lockdown, missing/]"),
        ("policies: [lockdown]", "policies: [lockdown, s.yaml/]"),
        ("policies: [lockdown]", "policies: []"),
    ]), @"
    policies: [lokdown]
      s.yaml:20:14: no manifest called `lokdown` follows in this file => did you mean `data/lockdown`?
    policies: [something]
      s.yaml:20:14: no manifest called `something` follows in this file => files end in .yaml, .yml or .json, and folders in `/`
    policies: [lockdown, lockdown]
      s.yaml:20:24: `lockdown` is in the list already
    policies: [lockdown, data/lockdown]
      s.yaml:28:18: CiliumNetworkPolicy data/lockdown occurs twice => it is also at s.yaml:28:18
    policies: [lockdown, missing.yaml]
      s.yaml:20:24: there is no file or folder `missing.yaml`
    policies: [lockdown, missing/]
      s.yaml:20:24: there is no file or folder `missing`
    policies: [lockdown, s.yaml/]
      s.yaml:20:24: there is no folder `s.yaml`
    policies: []
      s.yaml:24:7: no policy of this step is called `data/lockdown` => the step applies none: name a file or a manifest under `policies`
    ");
    let scenario = spoilt("policies: [lockdown]", "policies: [lockdown, more/, empty.yaml, list.json]");
    let other = format!("{HEAD}metadata: {{name: other, namespace: dta}}\nspec: {{}}\n");
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "np", "namespace": "data"}},
        {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": "lockdown", "namespace": "data"}}]}"#;
    insta::assert_snapshot!(lines(&[
        ("s.yaml", &scenario),
        ("more/b/other.yml", &other),
        ("more/readme.md", "text"),
        ("empty.yaml", "# nothing\n"),
        ("list.json", list),
    ]), @"
    list.json:3:92: CiliumNetworkPolicy data/lockdown occurs twice => it is also at s.yaml:28:18
    more/b/other.yml:3:36: namespace `dta` is not in the topology => did you mean `data`?
    s.yaml:20:31: `empty.yaml` has no policy
    ");
    let broken = format!("{HEAD}metadata: {{name: other, namespace: data\n");
    insta::assert_snapshot!(lines(&[("s.yaml", &scenario), ("more/x.yaml", &broken)]), @"
    more/x.yaml:3:11: unclosed bracket '{'
    s.yaml:20:31: there is no file or folder `empty.yaml`
    s.yaml:20:43: there is no file or folder `list.json`
    ");
    let empty = Folder::new(&[("s.yaml", &scenario), ("empty.yaml", &other), ("list.json", list)]);
    std::fs::create_dir(empty.path("more")).unwrap();
    insta::assert_snapshot!(empty.lines(&empty.load(&["s.yaml"]).diagnostics), @"
    empty.yaml:3:36: namespace `dta` is not in the topology => did you mean `data`?
    list.json:3:92: CiliumNetworkPolicy data/lockdown occurs twice => it is also at s.yaml:28:18
    s.yaml:20:24: `more` has no policy => policies are in files that end in .yaml, .yml or .json
    ");
}

#[test]
fn refusals() {
    insta::assert_snapshot!(each(&[
        ("  policies: [lockdown]", "  policies: [lockdown]\n  rejected: {data/lokdown: {by: agent, saying: x}}"),
        ("  policies: [lockdown]", "  policies: [lockdown]\n  rejected: {data/lockdown: {by: agnet, saying: x}}"),
        ("  policies: [lockdown]", "  policies: [lockdown]\n  rejected: {data/lockdown: {by: agent, saying: ''}}"),
        ("  policies: [lockdown]", "  policies: [lockdown]\n  rejected: {data/lockdown: {by: agent}}"),
        ("  policies: [lockdown]", "  policies: [lockdown]\n  rejected: {lockdown: {by: agent, saying: x}, data/lockdown: {by: agent, saying: y}}"),
        ("  policies: [lockdown]", "  policies: [lockdown]\n  rejected: {data/lockdown: {by: api-server, saying: x}}"),
    ]), @r#"
    policies: [lockdown]\n  rejected: {data/lokdown: {by: agent, saying: x}}
      s.yaml:21:14: no policy of this step is called `data/lokdown` => did you mean `data/lockdown`?
    policies: [lockdown]\n  rejected: {data/lockdown: {by: agnet, saying: x}}
      s.yaml:21:34: `agnet` is not a word for `by` => did you mean `agent`?
    policies: [lockdown]\n  rejected: {data/lockdown: {by: agent, saying: ''}}
      s.yaml:21:49: `saying` is empty, but every refusal has a message
    policies: [lockdown]\n  rejected: {data/lockdown: {by: agent}}
      s.yaml:21:29: `saying` is missing in `data/lockdown`
    policies: [lockdown]\n  rejected: {lockdown: {by: agent, saying: x}, data/lockdown: {by: agent, saying: y}}
      s.yaml:21:83: `saying` must be text, and this is `true` or `false` => write it in quotes
    policies: [lockdown]\n  rejected: {data/lockdown: {by: api-server, saying: x}}
      nothing
    "#);
}

#[test]
fn plain_policies_need_no_topology() {
    let folder = Folder::new(&[
        (
            "p/a.yaml",
            &format!(
                "{HEAD}metadata: {{name: a, namespace: anywhere}}\n---\nkind: Deployment\napiVersion: apps/v1\n---\ntext\n"
            ),
        ),
        ("p/b.yaml", &format!("{HEAD}metadata: {{name: b}}\n")),
        ("p/c.yml", "kind: CiliumNetworkPolicy\napiVersion: cilium.io/v3\nmetadata: {name: C}\n"),
        ("p/d.yaml", "{{ template }}: [\n"),
        (
            "p/e.json",
            r#"{"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": "a", "namespace": "anywhere"}}"#,
        ),
        ("q/readme.md", ""),
    ]);
    let loaded = load_policies(&[folder.path("p"), folder.path("q"), folder.path("r")]);
    assert_eq!((loaded.manifests.len(), loaded.ignored), (4, 2));
    insta::assert_snapshot!(folder.lines(&loaded.diagnostics), @r"
    p/b.yaml:3:18: [no-namespace] CiliumNetworkPolicy b has no namespace of its own => `kubectl apply` puts it into whatever namespace is current: name it in `metadata.namespace`
    p/c.yml:2:13: there is no CiliumNetworkPolicy in `cilium.io/v3` => write `cilium.io/v2`
    p/c.yml:3:18: `C` is not an object name (lower-case letters, digits, inner hyphens and dots, at most 253 characters) => write `c`
    p/c.yml:3:18: [no-namespace] CiliumNetworkPolicy C has no namespace of its own => `kubectl apply` puts it into whatever namespace is current: name it in `metadata.namespace`
    p/e.json:1:84: [twice] CiliumNetworkPolicy anywhere/a occurs twice => it is also at p/a.yaml:3:18: of the two, the one applied last is in force
    r:1:1: there is no file or folder `r`
    ");
    folder.write("s/s.yaml", GOOD.as_bytes());
    let found = ["p", "q", "s", "", "r"].map(|name| {
        let path = folder.path(name);
        Loader::new(std::slice::from_ref(&path), FileReach::Inside).has_scenario(&path)
    });
    assert_eq!(found, [false, false, true, true, false]);
}

/// What looks like a policy and cannot be read as one is never passed over in silence.
#[test]
fn documents_that_were_meant_to_be_policies() {
    let say = |head: &str| {
        let text = format!("{head}\nmetadata: {{name: a, namespace: b}}\nspec: {{endpointSelector: {{}}}}\n");
        let folder = Folder::new(&[("p.yaml", &text)]);
        let loaded = load_policies(&[folder.path("p.yaml")]);
        let passed = if loaded.ignored > 0 { "passed over" } else { "taken" };
        let said = folder.lines(&loaded.diagnostics);
        format!("{}\n  {}", head.replace('\n', ", "), if said.is_empty() { passed } else { said.trim_end() })
    };
    let heads = [
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkpolicy",
        "apiVersion: cilium.io/v2\nkind: Cnp",
        "apiVersion: cilium.io/v2",
        "kind: CiliumNetwrkPolicy",
        "metadta: {}",
        "apiVersion: cilum.io/v2\nkind: CiliumNetwrkPolicy",
        "apiVersion: cilium.io/v1\nkind: CiliumNetworkPolicy",
        "apiVersion: networking.k8s.io/v1beta1\nkind: NetworkPolicy",
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicies",
        "apiVersion: networking.k8s.io/v1\nkind: Ingress",
        "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy",
        "apiVersion: cilium.io/v2\nkind: CiliumLocalRedirectPolicy",
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicyList",
        "apiVersion: v2\nkind: List",
        "apiVersion: v1\nkind: List\nitems: {}",
        "apiVersion: v1\nkind: NetworkPolcy",
        "apiVersion: crd.projectcalico.org/v1\nkind: GlobalNetworkPolicy",
        "apiVersion: apps/v1\nkind: Deployment",
    ];
    insta::assert_snapshot!(heads.map(say).join("\n"), @"
    apiVersion: cilium.io/v2, kind: CiliumNetworkpolicy
      p.yaml:2:7: `CiliumNetworkpolicy` is not a kind of policy verdikt knows => did you mean `CiliumNetworkPolicy`?
    apiVersion: cilium.io/v2, kind: Cnp
      p.yaml:2:7: `Cnp` is not a kind of policy verdikt knows => correct the kind; objects of other kinds are skipped, and not checked
    apiVersion: cilium.io/v2
      p.yaml:1:1: the object has no `kind`
    kind: CiliumNetwrkPolicy
      p.yaml:1:7: `CiliumNetwrkPolicy` is not a kind of policy verdikt knows => did you mean `CiliumNetworkPolicy`?
    metadta: {}
      p.yaml:1:1: the object has no `kind`
    apiVersion: cilum.io/v2, kind: CiliumNetwrkPolicy
      p.yaml:2:7: `CiliumNetwrkPolicy` is not a kind of policy verdikt knows => did you mean `CiliumNetworkPolicy`?
    apiVersion: cilium.io/v1, kind: CiliumNetworkPolicy
      p.yaml:1:13: there is no CiliumNetworkPolicy in `cilium.io/v1` => write `cilium.io/v2`
    apiVersion: networking.k8s.io/v1beta1, kind: NetworkPolicy
      p.yaml:1:13: there is no NetworkPolicy in `networking.k8s.io/v1beta1` => write `networking.k8s.io/v1`
    apiVersion: networking.k8s.io/v1, kind: NetworkPolicies
      p.yaml:2:7: `NetworkPolicies` is not a kind of policy verdikt knows => did you mean `NetworkPolicy`?
    apiVersion: networking.k8s.io/v1, kind: Ingress
      passed over
    apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy
      p.yaml:2:7: [not-enforced] no version of Cilium enforces an object of the kind AdminNetworkPolicy => write it as a ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2, which Cilium 1.20 enforces with `k8sClusterNetworkPolicy.enabled: true`
    apiVersion: cilium.io/v2, kind: CiliumLocalRedirectPolicy
      passed over
    apiVersion: cilium.io/v2, kind: CiliumNetworkPolicyList
      p.yaml:1:1: the `items` of a `CiliumNetworkPolicyList` must be a list
    apiVersion: v2, kind: List
      p.yaml:1:13: a `List` has `apiVersion: v1` => without it, nothing in the list is applied
    apiVersion: v1, kind: List, items: {}
      p.yaml:3:8: the `items` of a `List` must be a list
    apiVersion: v1, kind: NetworkPolcy
      p.yaml:2:7: `NetworkPolcy` is not a kind of policy verdikt knows => did you mean `NetworkPolicy`?
    apiVersion: crd.projectcalico.org/v1, kind: GlobalNetworkPolicy
      passed over
    apiVersion: apps/v1, kind: Deployment
      passed over
    ");
}
