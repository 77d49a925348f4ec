//! Input that is wrong, odd or not rendered: what is said of it, and where.

use std::fmt::Write as _;

use insta::assert_snapshot;

use super::{Folder, becomes};

fn deployment(metadata: &str, template: &str) -> String {
    format!("apiVersion: apps/v1\nkind: Deployment\nmetadata: {metadata}\nspec: {{template: {template}}}\n")
}

#[test]
fn fields_that_the_api_server_does_not_take() {
    let good = "{spec: {containers: [{name: c}]}}";
    let ports = |ports: &str| format!("{{spec: {{containers: [{{name: c, ports: {ports}}}]}}}}");
    let mut out = String::new();
    for (name, text) in [
        ("no name", deployment("{namespace: a}", good)),
        ("bad name", deployment("{name: A, namespace: a}", good)),
        ("bad namespace", deployment("{name: a, namespace: B}", good)),
        ("a number as name", deployment("{name: 1, namespace: a}", good)),
        (
            "a number as label",
            deployment("{name: a, namespace: a}", "{metadata: {labels: {x: 1}}, spec: {containers: []}}"),
        ),
        ("no port number", deployment("{name: a, namespace: a}", &ports("[{name: x}]"))),
        ("port 0", deployment("{name: a, namespace: a}", &ports("[{containerPort: 0}]"))),
        ("a protocol", deployment("{name: a, namespace: a}", &ports("[{containerPort: 1, protocol: tcp}]"))),
        ("a port name", deployment("{name: a, namespace: a}", &ports("[{containerPort: 1, name: A_B}]"))),
    ] {
        writeln!(out, "{name}\n{}", becomes(&text)).unwrap();
    }
    assert_snapshot!(out, @r"
        no name
        a.yaml:3:11: error: the object has no `metadata.name`

        bad name
        a.yaml:3:18: error: `A` is not an object name (lower-case letters, digits, inner hyphens and dots, at most 253 characters)

        bad namespace
        a.yaml:3:32: error: `B` is not a namespace name (lower-case letters, digits and inner hyphens, at most 63 characters)

        a number as name
        a.yaml:3:18: error: `metadata.name` is not text: write it in quotes

        a number as label
        a.yaml:4:39: error: the value of label `x` is not text: write it in quotes

        no port number
        a.yaml:4:57: error: the port has no `containerPort`

        port 0
        a.yaml:4:73: error: `containerPort` is not a port: ports are numbers from 1 to 65535

        a protocol
        a.yaml:4:86: error: `tcp` is not a protocol: write TCP, UDP or SCTP

        a port name
        a.yaml:4:82: error: `A_B` is not a port name (at most 15 lower-case letters, digits and single inner hyphens, with at least one letter)
        ");
}

#[test]
fn names_that_are_generated_or_shared() {
    let template = "{spec: {containers: [{name: c}]}}";
    let job = deployment("{name: web, namespace: a}", template).replace("Deployment", "Job");
    let text = [
        deployment("{generateName: migrate-, namespace: a}", template),
        job.clone(),
        deployment("{name: web, namespace: a}", template),
        deployment("{name: web, namespace: a}", template),
        job,
        deployment("{name: nowhere}", template),
    ]
    .join("---\n");
    assert_snapshot!(becomes(&text), @r"
        namespace a: kubernetes.io/metadata.name=a
        namespace default: kubernetes.io/metadata.name=default
        pod a/migrate:  []
        pod a/web:  []
        pod a/web-job:  []
        pod default/nowhere:  []
        a.yaml:8:18: warning[shared-name]: Job a/web is called `a/web-job` here, because Deployment has that name too
        a.yaml:18:18: error: Deployment a/web occurs twice => it is also at a.yaml:13:18: name only the files of one cluster
        a.yaml:23:18: error: Job a/web occurs twice => it is also at a.yaml:8:18: name only the files of one cluster
        a.yaml:28:18: warning[no-namespace]: 1 object names no namespace, and is taken to be in `default` => name it in `metadata.namespace`, or say which it is: `--namespace NAME`, `topology: {namespace: NAME}`
        ");
}

#[test]
fn services_that_lead_nowhere() {
    assert_snapshot!(becomes("
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080, name: http}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: typo, namespace: shop}
spec:
  selector: {app: wbe}
  ports: [{port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: port, namespace: shop}
spec:
  selector: {app: web}
  ports:
  - {port: 80, targetPort: 8081}
  - {port: 81, targetPort: htp}
---
apiVersion: v1
kind: Service
metadata: {name: none, namespace: shop}
spec: {selector: {app: web}}
"), @r"
        namespace shop: kubernetes.io/metadata.name=shop
        pod shop/web: app=web [http 8080 as http]
        service shop/port: ClusterIP 80/tcp -> 8081, 81/tcp -> htp selects app=web
        service shop/typo: ClusterIP 80/tcp -> 80 selects app=wbe
        skipped 1 Service (without ports)
        a.yaml:11:13: warning[service-without-pods]: service shop/typo selects no workload => the labels of workloads in namespace shop are `app: web`
        a.yaml:20:28: warning[undeclared-port]: no container behind service shop/port declares tcp port 8081 => they declare 8080 as `http`
        a.yaml:21:28: warning[undeclared-port]: no container behind service shop/port declares tcp port `htp` => they declare 8080 as `http`
        ");
}

#[test]
fn encrypted_values_are_counted() {
    let text =
        deployment("{name: web, namespace: 'ENC[AES256_GCM,data:x]'}", "{spec: {containers: [{name: c}]}}");
    assert_snapshot!(becomes(&(text + "sops: {mac: x}\n")), @"skipped 1 Deployment (encrypted)");
}

#[test]
fn variables_and_templates_name_the_command() {
    let flux = deployment(
        "{name: web, namespace: '${NAMESPACE}'}",
        "{spec: {containers: [{name: c, args: ['${HOME}']}]}}",
    );
    let fine =
        deployment("{name: web, namespace: a}", "{spec: {containers: [{name: c, args: ['${HOME}']}]}}");
    let helm = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Values.name }}\n";
    let mut out = String::new();
    for (name, text) in
        [("a/flux.yaml", flux.as_str()), ("a/fine.yaml", fine.as_str()), ("shop/templates/web.yaml", helm)]
    {
        writeln!(out, "{name}\n{}", Folder::new(&[(name, text)]).told(&[""])).unwrap();
    }
    assert_snapshot!(out, @r"
        a/flux.yaml
        not checked, because these have variables that are not replaced: `a/flux.yaml`; check what they become: `flux envsubst < a/flux.yaml | verdikt init -`

        a/fine.yaml
        namespace a: kubernetes.io/metadata.name=a
        pod a/web:  []

        shop/templates/web.yaml
        not checked, because these are templates: `shop`; check what they become: `helm template shop | verdikt init -`
        ");
}
