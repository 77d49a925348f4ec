//! Scenarios whose topologies are manifests, and whose policies lie in real folders.

use insta::assert_snapshot;
use verdikt_manifests::loader;
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::loader::FileReach;
use verdikt_scenario::topology::Endpoint;

use super::Folder;

const MANIFESTS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {template: {metadata: {labels: {app: web}}, spec: {serviceAccountName: web, containers: [{name: c, ports: [{containerPort: 8080, name: http}]}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Pod
metadata: {name: cli, namespace: shop}
spec: {containers: [{name: c}]}
---
{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: shop}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: locked, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}}
";

/// A scenario beside the folder `deploy` with the manifests.
fn scenario(topology: &str, attempt: &str) -> String {
    format!(
        "scenario: s
about: a
topology:
  {topology}
steps:
- step: open
  expect:
    {attempt}: {{allow: others}}
- step: locked
  policies: [deploy/]
  expect:
    {attempt}: {{deny ingress by shop/locked: others}}
"
    )
}

/// What a scenario with some manifests is, or what is wrong with it.
fn loads(scenario: &str, manifests: &[(&str, &str)]) -> String {
    let mut files = vec![("s.yaml", scenario)];
    files.extend(manifests);
    let folder = Folder::new(&files);
    let paths = [folder.path("s.yaml")];
    let loaded = loader(&paths, FileReach::Inside).scenarios(&paths);
    let mut lines: Vec<String> = loaded.diagnostics.iter().map(line).collect();
    for step in loaded.scenarios.iter().flat_map(|scenario| &scenario.steps) {
        let policies: Vec<String> = step.policies.iter().map(|policy| policy.object().to_string()).collect();
        lines.push(format!("{}: policies [{}]", step.name, policies.join(", ")));
        for row in &step.table {
            let sources: Vec<String> =
                row.cells.iter().map(|(source, _): &(Endpoint, _)| source.to_string()).collect();
            lines.push(format!("  {} from {}", row.attempt, sources.join(", ")));
        }
    }
    let root = folder.path("");
    lines.join("\n").replace(&*root.to_string_lossy(), "")
}

fn line(diagnostic: &Diagnostic) -> String {
    let help = diagnostic.help.as_ref().map(|help| format!(" => {help}")).unwrap_or_default();
    format!("{}: {}{help}", diagnostic.place, diagnostic.message)
}

#[test]
fn manifests_are_a_topology_and_their_folder_is_policies() {
    let text = scenario("manifests: [deploy/]", "http GET shop/web/");
    assert_snapshot!(loads(&text, &[("deploy/all.yaml", MANIFESTS)]), @"
    open: policies []
      http GET shop/web:80/ from shop/cli, shop/web
    locked: policies [NetworkPolicy shop/locked]
      http GET shop/web:80/ from shop/cli, shop/web
    ");
}

#[test]
fn what_the_topology_says_wins_key_by_key() {
    let own = "manifests: [deploy/]\n  pods: {shop/web: {serves: [tcp 9090]}, shop/other: {}}\n  world: {client: {}}";
    assert_snapshot!(loads(&scenario(own, "tcp pod:shop/web:9090"), &[("deploy/all.yaml", MANIFESTS)]), @r"
    open: policies []
      tcp pod:shop/web:9090 from shop/other, client, shop/cli
    locked: policies [NetworkPolicy shop/locked]
      tcp pod:shop/web:9090 from shop/other, client, shop/cli
    ");
}

#[test]
fn a_namespace_is_said_once() {
    let manifests = MANIFESTS.replace(", namespace: shop", "");
    let text = scenario("manifests: [deploy/]\n  namespace: shop", "tcp shop/web:80");
    assert_snapshot!(loads(&text, &[("deploy/all.yaml", &manifests)]), @"
    open: policies []
      tcp shop/web:80 from shop/cli, shop/web
    locked: policies [NetworkPolicy shop/locked]
      tcp shop/web:80 from shop/cli, shop/web
    ");
    let text = scenario("manifests: [deploy/]", "tcp default/web:80");
    assert_snapshot!(loads(&text, &[("deploy/all.yaml", &manifests)]), @"
    deploy/all.yaml:4:18: 3 objects name no namespace, and are taken to be in `default` => name it in `metadata.namespace`, or say which it is: `--namespace NAME`, `topology: {namespace: NAME}`
    deploy/all.yaml:21:18: NetworkPolicy locked has no `metadata.namespace` => name its namespace, or once for all of them: `topology: {namespace: NAME}`
    s.yaml:12:26: no policy of this step is called `shop/locked` => its policies are: `locked`
    ");
}

#[test]
fn a_kustomization_that_names_a_namespace_alone_is_read() {
    let manifests = MANIFESTS.replace(", namespace: shop", "");
    let kustomization = "namespace: shop\nresources: [all.yaml]\n";
    let text = scenario("manifests: [deploy/]", "tcp shop/web:80");
    let files = [("deploy/all.yaml", manifests.as_str()), ("deploy/kustomization.yaml", kustomization)];
    assert_snapshot!(loads(&text, &files), @"
    open: policies []
      tcp shop/web:80 from shop/cli, shop/web
    locked: policies [NetworkPolicy shop/locked]
      tcp shop/web:80 from shop/cli, shop/web
    ");
}

#[test]
fn what_is_not_rendered_is_one_mistake() {
    let text =
        scenario("manifests: [deploy/]", "tcp shop/web:80").replace("policies: [deploy/]", "policies: []");
    let base = ("deploy/base/all.yaml", MANIFESTS);
    let overlay = |resources: &'static str| ("deploy/prod/kustomization.yaml", resources);
    let empty = ("deploy/prod/extra.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}");
    let kustomized = loads(&text, &[base, overlay("resources: [../base, extra.yaml]\n"), empty]);
    let template = loads(
        &text,
        &[("deploy/templates/a.yaml", "kind: Deployment\nmetadata:\n  name: {{ .Values.a }}\n")],
    );
    let variable = loads(&text, &[("deploy/a.yaml", &MANIFESTS.replace("name: cli", "name: '${CLI}'"))]);
    assert_snapshot!([kustomized, template, variable].join("\n"), @"
    s.yaml:4:15: cannot read `deploy/` as it will be applied: kustomize adds to these, for example namespaces and patches: `deploy/prod` => name what they become: `kustomize build deploy/prod > rendered.yaml`
    s.yaml:4:15: cannot read `deploy/` as it will be applied: these are templates: `deploy` => name what they become: `helm template deploy > rendered.yaml`
    s.yaml:4:15: cannot read `deploy/` as it will be applied: these have variables that are not replaced: `deploy/a.yaml` => name what they become: `flux envsubst < deploy/a.yaml > rendered.yaml`
    ");
}

#[test]
fn folders_without_what_is_wanted() {
    let text = scenario("manifests: [deploy/]", "tcp shop/web:80");
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: shop}}\n";
    let none = loads(&text, &[("deploy/all.yaml", secret)]);
    let missing = loads(&text, &[]);
    let broken = loads(&text, &[("deploy/all.yaml", "a: [\n")]);
    assert_snapshot!([none, missing, broken].join("\n\n"), @"
    s.yaml:4:15: `deploy/` has no workload, service, namespace or certificate => manifests are in files that end in .yaml, .yml or .json

    s.yaml:4:15: there is no file or folder `deploy`

    deploy/all.yaml:1:4: unclosed bracket '['
    ");
}
