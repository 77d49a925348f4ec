//! `verdikt init`: what it writes loads again and passes at once, whatever it is made of.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use insta::assert_snapshot;
use rstest::rstest;

use crate::project::{Project, Ran};

const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, ports: [{containerPort: 8080, name: http}]}]}}}
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
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress: [{fromEndpoints: [{matchLabels: {app: api}}]}]
";

/// A repository of git with a file of manifests.
fn repository(manifests: &str) -> Project {
    Project::with(&[(".git/HEAD", "ref: refs/heads/main\n"), ("deploy/all.yaml", manifests)])
}

/// Whether the scenario `scenarios/deploy.yaml` passes on a backend.
fn passes(project: &Project, backend: &str) -> Ran {
    project.verdikt(&["run", "--on", backend, "scenarios/deploy.yaml"])
}

#[test]
fn a_file_in_place_of_the_folder_is_refused() {
    let project = repository(WEB);
    let told = ["first.yaml", "tests/first.yml"].map(|output| {
        let ran = project.verdikt(&["init", "deploy", "--output", output]);
        assert_eq!(ran.code, 2, "{ran}");
        ran.stderr
    });
    assert_snapshot!(told.concat(), @"
    error: `--output` takes the folder of the scenario, and `first.yaml` is a file

    hint: name both: `--output . --name first`
    error: `--output` takes the folder of the scenario, and `tests/first.yml` is a file

    hint: name both: `--output tests --name first`
    ");
    assert!(!project.path("first.yaml").exists() && !project.path("tests").exists());
}

#[test]
fn a_first_scenario_passes() {
    let project = repository(WEB);
    assert_snapshot!(project.verdikt(&["init", "deploy"]), @"
    exit code 0
    --- stderr
    2 workloads, 1 service and 1 policy object read; 2 attempts with 5 cells
    wrote scenarios/deploy.yaml; read it, and run it: `verdikt run scenarios/deploy.yaml`
    ");
    assert_snapshot!(project.read("scenarios/deploy.yaml"), @"
    # Made by `verdikt init deploy`: the verdicts of these manifests and policies, as the policy model predicts them.
    # Read the table as you would read a snapshot: it says what is, not what was meant.
    scenario: deploy
    about: What the policies allow and deny today.
    topology:
      manifests: [../deploy/]
      world:
        # a host that no policy names
        elsewhere: {address: 203.0.113.1, names: [elsewhere.example.test], serves: [tcp 443]}
    steps:
    - step: as it is
      policies: [../deploy/]
      expect:
        # Service, deploy/all.yaml:8
        tcp shop/web:80:
          allow: shop/web
          deny ingress: others
        # a host that no policy names
        tcp elsewhere:443: {allow: others}
    ");
    let (in_model, in_lab) = (passes(&project, "model"), passes(&project, "lab"));
    assert_eq!((in_model.code, in_lab.code), (0, 0), "{in_model}\n{in_lab}");
    let again = project.verdikt(&["init", "deploy"]);
    assert_snapshot!(again, @"
    exit code 2
    --- stderr
    error: there is a scenario `scenarios/deploy.yaml` already

    hint: replace it with `--force`, or name another with `--name`
    ");
    assert_eq!(project.verdikt(&["init", "deploy", "--force"]).code, 0);
}

fn with_policy(spec: &str) -> String {
    let (manifests, _) = WEB.rsplit_once("spec:\n").unwrap();
    format!("{manifests}spec: {spec}\n")
}

/// Each shape of a policy gives hosts, attempts or refusals of its own.
#[rstest]
#[case::no_policies(WEB.rsplit_once("---\n").unwrap().0.to_owned())]
#[case::names(with_policy(
    "{endpointSelector: {}, egress: [{toEndpoints: [{matchLabels: {k8s-app: kube-dns, io.kubernetes.pod.namespace: kube-system}}], toPorts: [{ports: [{port: \"53\"}], rules: {dns: [{matchPattern: \"*\"}]}}]}, {toFQDNs: [{matchName: api.example.test}, {matchPattern: \"*.cdn.example.test\"}]}]}"
))]
#[case::names_without_dns(with_policy(
    "{endpointSelector: {}, egress: [{toFQDNs: [{matchName: api.example.test}]}]}"
))]
#[case::some_names(with_policy(
    "{endpointSelector: {}, egress: [{toEndpoints: [{matchLabels: {k8s-app: kube-dns, io.kubernetes.pod.namespace: kube-system}}], toPorts: [{ports: [{port: \"53\"}], rules: {dns: [{matchName: api.example.test}]}}]}, {toFQDNs: [{matchName: api.example.test}], toPorts: [{ports: [{port: \"8443\"}]}]}]}"
))]
#[case::blocks(with_policy(
    "{endpointSelector: {}, egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}]}, {toCIDR: [203.0.113.7/32]}]}"
))]
#[case::everything_but(with_policy(
    "{endpointSelector: {}, egress: [{toCIDRSet: [{cidr: 0.0.0.0/0, except: [10.0.0.0/8, 192.168.0.0/16]}]}]}"
))]
#[case::blocks_of_ipv6(with_policy(
    "{endpointSelector: {}, egress: [{toCIDR: [\"2001:db8::/32\", \"::/0\"]}]}"
))]
#[case::from_blocks(with_policy(
    "{endpointSelector: {matchLabels: {app: web}}, ingress: [{fromCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.0/25]}]}]}"
))]
#[case::entities(with_policy(
    "{endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEntities: [ingress, remote-node, health, host]}], egress: [{toEntities: [kube-apiserver]}]}"
))]
#[case::requests(with_policy(
    "{endpointSelector: {matchLabels: {app: web}}, ingress: [{fromEndpoints: [{}], toPorts: [{ports: [{port: \"8080\"}], rules: {http: [{method: GET, path: \"/api/.*\"}, {method: POST, path: /new}]}}]}]}"
))]
#[case::ports_of_the_node(WEB.replace("{containerPort: 8080, name", "{containerPort: 8080, hostPort: 80, name"))]
#[case::a_cache_of_the_own_node(format!("{WEB}---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: cache, namespace: kube-system}}\nspec: {{template: {{metadata: {{labels: {{k8s-app: cache}}}}, spec: {{containers: [{{name: c}}]}}}}}}\n---\napiVersion: cilium.io/v2\nkind: CiliumLocalRedirectPolicy\nmetadata: {{name: dns, namespace: kube-system}}\nspec: {{redirectFrontend: {{serviceMatcher: {{serviceName: kube-dns, namespace: kube-system}}}}, redirectBackend: {{localEndpointSelector: {{matchLabels: {{k8s-app: cache}}}}}}}}\n"))]
#[case::redirected_on_the_own_node(format!("{WEB}---\n{}---\n{}---\n{}---\n{}", "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent, namespace: shop}, spec: {template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: c, ports: [{containerPort: 9411}]}]}}}}\n", "{apiVersion: v1, kind: Service, metadata: {name: traces, namespace: shop}, spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}}\n", "{apiVersion: cilium.io/v2, kind: CiliumLocalRedirectPolicy, metadata: {name: traces, namespace: shop}, spec: {redirectFrontend: {serviceMatcher: {serviceName: traces, namespace: shop, toPorts: [{port: \"80\", protocol: TCP}]}}, redirectBackend: {localEndpointSelector: {matchLabels: {app: agent}}, toPorts: [{port: \"9411\", protocol: TCP}]}}}\n", "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: to-web, namespace: shop}, spec: {endpointSelector: {matchLabels: {app: cli}}, egress: [{toEndpoints: [{matchLabels: {app: web}}]}]}}\n"))]
#[case::refused_by_the_agent(with_policy("{endpointSelector: {}, ingress: [], egress: []}"))]
#[case::refused_by_the_api_server(with_policy("{endpointSelector: {}, ingres: []}"))]
#[case::replicas_that_differ(WEB.replace("{name: cli, namespace: shop}", "{name: web-2, namespace: shop, labels: {app: web, v: two}}").replace("name: cli", "name: c").replace("matchLabels: {app: web}}", "matchLabels: {v: two}}").replace("[{name: c}]", "[{name: c, ports: [{containerPort: 8080, name: http}]}]"))]
#[case::a_dns_server(format!("{WEB}---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: coredns, namespace: kube-system}}\nspec: {{template: {{metadata: {{labels: {{k8s-app: kube-dns}}}}, spec: {{containers: [{{name: c, ports: [{{containerPort: 53, protocol: UDP, name: dns}}, {{containerPort: 53, name: dns-tcp}}, {{containerPort: 9153, name: metrics}}]}}]}}}}}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: kube-dns, namespace: kube-system}}\nspec: {{selector: {{k8s-app: kube-dns}}, ports: [{{port: 53, protocol: UDP, name: dns}}, {{port: 53, name: dns-tcp}}]}}\n"))]
#[case::no_namespace(WEB.replace(", namespace: shop", ""))]
#[case::several_services(format!("{WEB}---\napiVersion: v1\nkind: Service\nmetadata: {{name: wrong, namespace: shop}}\nspec: {{selector: {{app: none}}, ports: [{{port: 80}}]}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: udp, namespace: shop}}\nspec: {{type: LoadBalancer, selector: {{app: web}}, ports: [{{port: 81, targetPort: 81}}, {{port: 8080}}]}}\n"))]
#[case::labels_of_all_kinds(WEB.replace("{app: web}}, spec", "{app: web, version: \"1.0\", \"on\": \"true\", empty: \"\", example.test/x_y: A-b}}, spec"))]
#[case::endpoints_by_hand(format!("{WEB}---\n{}---\n{}---\n{}---\n{}", "{apiVersion: v1, kind: Service, metadata: {name: sql, namespace: shop}, spec: {ports: [{name: sql, port: 1433}]}}\n", "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: sql-1, namespace: shop, labels: {kubernetes.io/service-name: sql}}, addressType: IPv4, ports: [{name: sql, port: 11433}], endpoints: [{addresses: [198.51.100.7]}]}\n", "{apiVersion: v1, kind: Service, metadata: {name: ldap, namespace: shop}, spec: {ports: [{port: 389}]}}\n", "{apiVersion: v1, kind: Endpoints, metadata: {name: ldap, namespace: shop}, subsets: [{addresses: [{ip: 198.51.100.8}], ports: [{port: 389}]}]}\n"))]
#[case::in_the_network_of_its_node(format!("{WEB}---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: exporter, namespace: shop}}\nspec: {{template: {{metadata: {{labels: {{app: exporter}}}}, spec: {{hostNetwork: true, containers: [{{name: c, ports: [{{containerPort: 9100}}]}}]}}}}}}\n"))]
#[case::behind_a_gateway(format!("{WEB}---\n{{apiVersion: v1, kind: Service, metadata: {{name: site, namespace: shop}}, spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: 8080}}]}}}}\n---\n{{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {{name: site, namespace: shop}}, spec: {{ingressClassName: cilium, rules: [{{host: a.example.test, http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: site, port: {{number: 80}}}}}}}}]}}}}]}}}}\n"))]
fn every_shape_passes(#[case] manifests: String) {
    let project = repository(&manifests);
    let ran = project.verdikt(&["init", "deploy"]);
    assert_eq!(ran.code, 0, "{ran}");
    let (in_model, in_lab) = (passes(&project, "model"), passes(&project, "lab"));
    let written = project.read("scenarios/deploy.yaml");
    assert_eq!((in_model.code, in_lab.code), (0, 0), "{written}\n{in_model}\n{in_lab}");
    // Through a pipe it is the same, with all that it is made of in one file.
    let mut child = project
        .command(&["init", "-", "-o", "piped", "--name", "deploy"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(manifests.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let ran = project.verdikt(&["run", "piped"]);
    assert_eq!(ran.code, 0, "{}\n{ran}", project.read("piped/deploy.yaml"));
}

#[test]
fn what_cannot_be_read_is_told_and_nothing_is_written() {
    let inputs = [
        ("a template", "kind: Deployment\nmetadata:\n  name: {{ .Values.a }}\n".to_owned(), &["deploy"][..]),
        ("a variable", WEB.replace("name: web,", "name: '${NAME}',"), &["deploy"]),
        ("two of a name", format!("{WEB}---\n{WEB}"), &["deploy"]),
        ("policies alone", WEB.rsplit_once("---\n").unwrap().1.to_owned(), &["deploy"]),
        ("nothing", "{}\n".to_owned(), &["deploy"]),
        ("no such folder", WEB.to_owned(), &["deplyo"]),
        ("a name with a slash", WEB.to_owned(), &["deploy", "--name", "a/b"]),
    ];
    let told = inputs.map(|(name, manifests, arguments)| {
        let project = repository(&manifests);
        let ran = project.verdikt(&[&["init"], arguments].concat());
        assert!(!project.path("scenarios").exists(), "{name}");
        format!("{name}: {ran}\n")
    });
    assert_snapshot!(told.concat(), @"
    a template: exit code 2
    --- stderr
    error: not checked, because these are templates: `deploy/all.yaml`; render them, and pipe the result to `verdikt init -`

    a variable: exit code 2
    --- stderr
    error: not checked, because these have variables that are not replaced: `deploy/all.yaml`; check what they become: `flux envsubst < deploy/all.yaml | verdikt init -`

    two of a name: exit code 2
    --- stderr
    error: Deployment shop/web occurs twice
      --> deploy/all.yaml:25:18
       |
    25 | metadata: {name: web, namespace: shop}
       |                  ^^^
       |
       = help: it is also at deploy/all.yaml:3:18: name only the files of one cluster

    error: Service shop/web occurs twice
      --> deploy/all.yaml:30:18
       |
    30 | metadata: {name: web, namespace: shop}
       |                  ^^^
       |
       = help: it is also at deploy/all.yaml:8:18: name only the files of one cluster

    error: Pod shop/cli occurs twice
      --> deploy/all.yaml:35:18
       |
    35 | metadata: {name: cli, namespace: shop}
       |                  ^^^
       |
       = help: it is also at deploy/all.yaml:13:18: name only the files of one cluster

    error: CiliumNetworkPolicy shop/web occurs twice
      --> deploy/all.yaml:40:18
       |
    40 | metadata: {name: web, namespace: shop}
       |                  ^^^
       |
       = help: it is also at deploy/all.yaml:18:18

    policies alone: exit code 5
    --- stderr
    error: there is nothing to attempt: no workload declares a port, and no policy names a host outside

    hint: name the manifests of workloads and services beside those of policies

    nothing: exit code 5
    --- stderr
    error: there is nothing to attempt: no workload declares a port, and no policy names a host outside

    hint: name the manifests of workloads and services beside those of policies

    no such folder: exit code 2
    --- stderr
    error: there is no file or folder `deplyo`
    --> deplyo

    a name with a slash: exit code 2
    --- stderr
    error: `a/b` cannot be the name of a scenario and its file

    hint: name it with `--name`
    ");
}

#[test]
fn policies_of_their_own_and_standard_output() {
    let (workloads, policy) = WEB.rsplit_once("---\n").unwrap();
    let project = repository(workloads);
    fs::create_dir(project.path("policies")).unwrap();
    fs::write(project.path("policies/web.yaml"), policy).unwrap();
    let ran = project.verdikt(&["init", "deploy", "--policies", "policies", "-o", "-", "--name", "own"]);
    assert_eq!(ran.code, 0, "{ran}");
    fs::write(project.path("own.yaml"), &ran.stdout).unwrap();
    assert!(ran.stdout.contains("policies: [policies/]"), "{ran}");
    assert_eq!(project.verdikt(&["run", "own.yaml"]).code, 0);
}

/// The repositories of `scenarios/repositories`: the scenarios there are what `init` makes of them.
#[rstest]
#[case::plain("plain", "guestbook", &["deploy", "--policies", "policies"])]
#[case::kustomize("kustomize", "shop-prod", &["rendered.yaml"])]
#[case::helm("helm", "wiki", &["rendered.yaml"])]
#[case::gitops_eu("gitops", "orders-eu", &["clusters/eu"])]
#[case::gitops_us("gitops", "orders-us", &["clusters/us"])]
#[case::platform("platform", "platform-and-teams", &["platform", "teams"])]
#[case::baseline("baseline", "cilium-baseline", &["cluster", "apps"])]
fn shipped_repositories(#[case] folder: &str, #[case] name: &str, #[case] arguments: &[&str]) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/repositories").join(folder);
    let project = Project::with(&[(".git/HEAD", "")]);
    copy(&kept, &project.path(""));
    let ran = project.verdikt(&[&["init"], arguments, &["--force", "--name", name]].concat());
    assert_eq!(ran.code, 0, "{ran}");
    let (file, made) = (format!("scenarios/{name}.yaml"), project.read(&format!("scenarios/{name}.yaml")));
    if std::env::var_os("VERDIKT_UPDATE").is_some_and(|value| value == "1") {
        fs::create_dir_all(kept.join("scenarios")).unwrap();
        fs::write(kept.join(&file), &made).unwrap();
    }
    let kept = fs::read_to_string(kept.join(&file)).unwrap_or_default();
    assert!(
        kept == made,
        "{folder}/{file} is not what `init` makes: run this test with VERDIKT_UPDATE=1\n{made}"
    );
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn repositories_that_are_not_rendered_name_the_command() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/repositories/kustomize");
    let project = Project::with(&[(".git/HEAD", "")]);
    copy(&kept, &project.path(""));
    assert_snapshot!(project.verdikt(&["init", "base", "overlays"]), @"
    exit code 2
    --- stderr
    error: checked as they are, because kustomize adds to these, for example namespaces and patches: `overlays/prod`; check what they become: `kustomize build overlays/prod | verdikt init -`
    ");
}
