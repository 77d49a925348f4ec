//! Kinds of objects, each as a cluster understands it.

use std::fmt::Write as _;

use insta::assert_snapshot;

use super::becomes;

#[test]
fn every_kind_with_a_pod_template_is_an_endpoint() {
    let mut text = String::new();
    for kind in
        ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "Rollout"]
    {
        write!(
            text,
            "---
apiVersion: apps/v1
kind: {kind}
metadata: {{name: {0}, namespace: shop}}
spec: {{template: {{metadata: {{labels: {{app: {0}}}}}, spec: {{containers: [{{name: c}}]}}}}}}
",
            kind.to_lowercase()
        )
        .unwrap();
    }
    text += "---
apiVersion: batch/v1
kind: CronJob
metadata: {name: cronjob, namespace: shop}
spec: {jobTemplate: {spec: {template: {metadata: {labels: {app: cronjob}}, spec: {containers: [{name: c}]}}}}}
---
apiVersion: v1
kind: Pod
metadata: {name: pod, namespace: shop, labels: {app: pod}}
spec: {serviceAccountName: robot, containers: [{name: c}]}
---
apiVersion: v1
kind: PodTemplate
metadata: {name: none, namespace: shop}
template: {spec: {containers: [{name: c}]}}
";
    assert_snapshot!(becomes(&text), @r"
        namespace shop: kubernetes.io/metadata.name=shop
        pod shop/cronjob: app=cronjob []
        pod shop/daemonset: app=daemonset []
        pod shop/deployment: app=deployment []
        pod shop/job: app=job []
        pod shop/pod: app=pod as robot []
        pod shop/replicaset: app=replicaset []
        pod shop/replicationcontroller: app=replicationcontroller []
        pod shop/rollout: app=rollout []
        pod shop/statefulset: app=statefulset []
        skipped 1 PodTemplate
        ");
}

#[test]
fn ports_are_those_that_containers_declare() {
    assert_snapshot!(becomes("
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers:
      - {name: once, ports: [{containerPort: 1}]}
      - {name: proxy, restartPolicy: Always, ports: [{containerPort: 15001}]}
      containers:
      - name: web
        ports:
        - {containerPort: 8080, name: http}
        - {containerPort: 8443, name: https}
        - {containerPort: 53, protocol: UDP, name: dns}
        - {containerPort: 53, protocol: TCP, name: dns-tcp}
        - {containerPort: 9, protocol: SCTP}
      - {name: metrics, ports: [{containerPort: 8080}, {containerPort: 9090, name: http}]}
"), @r"
        namespace shop: kubernetes.io/metadata.name=shop
        pod shop/web: app=web [http 8080 as http, tcp 8443 as https, dns 53 as dns, sctp 9, http 9090, tcp 15001]
        ");
}

#[test]
fn ports_of_the_node_lead_to_pods() {
    let pod = |name: &str, own: &str, ports: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: edge}}\nspec: {{{own}containers: [{{name: c, \
             ports: [{ports}]}}]}}\n"
        )
    };
    let text = [
        pod("a", "", "{containerPort: 8080, hostPort: 80}, {containerPort: 53, protocol: UDP, hostPort: 53}"),
        pod("b", "", "{containerPort: 80, hostPort: 80}, {containerPort: 81, hostPort: 0}"),
        pod(
            "c",
            "",
            "{containerPort: 82, hostPort: 82, hostIP: 127.0.0.1}, {containerPort: 83, hostPort: 30083}",
        ),
        pod("d", "hostNetwork: true, ", "{containerPort: 84, hostPort: 84}"),
    ];
    assert_snapshot!(becomes(&text.concat()), @r"
        namespace edge: kubernetes.io/metadata.name=edge
        pod edge/a:  [tcp 8080, dns 53] at 80/tcp of the node at 53/udp of the node
        pod edge/b:  [tcp 80, tcp 81]
        pod edge/c:  [tcp 82, tcp 83]
        pod edge/d:  [tcp 84] on node host
        skipped 1 hostPort (that another pod has too, on another node)
        ");
}

#[test]
fn services_lead_to_ports_by_number_and_by_name() {
    assert_snapshot!(becomes("
apiVersion: v1
kind: List
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web, namespace: shop}
  spec: {template: {metadata: {labels: {app: web, tier: front}}, spec: {containers: [{name: c, ports: [{containerPort: 8080, name: http}]}]}}}
- apiVersion: apps/v1
  kind: StatefulSet
  metadata: {name: db, namespace: shop}
  spec: {template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c}]}}}
- apiVersion: v1
  kind: Service
  metadata: {name: web, namespace: shop, labels: {team: a}}
  spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80, targetPort: http}, {port: 81, targetPort: '8080'}]}
- apiVersion: v1
  kind: Service
  metadata: {name: db, namespace: shop}
  spec: {clusterIP: None, selector: {app: db}, ports: [{port: 5432, targetPort: 9999}]}
- apiVersion: v1
  kind: Service
  metadata: {name: outside, namespace: shop}
  spec: {type: ExternalName, externalName: db.example.test}
- apiVersion: v1
  kind: Service
  metadata: {name: bare, namespace: shop}
  spec: {ports: [{port: 80}]}
- apiVersion: serving.knative.dev/v1
  kind: Service
  metadata: {name: function, namespace: shop}
  spec: {template: {spec: {containers: [{name: c}]}}}
"), @r"
        namespace shop: kubernetes.io/metadata.name=shop
        pod shop/db: app=db [tcp 5432]
        pod shop/function:  []
        pod shop/web: app=web tier=front [http 8080 as http]
        service shop/db: ClusterIP 5432/tcp -> 5432 selects app=db
        service shop/outside: another name of db.example.test
        service shop/web: LoadBalancer 80/tcp -> http, 81/tcp -> 8080 selects app=web
        skipped 1 Service (without a selector, and without endpoints)
        ");
}

#[test]
fn slices_say_what_is_behind_a_service_without_a_selector() {
    assert_snapshot!(becomes("
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {ports: [{name: sql, port: 80}, {name: metrics, port: 90}]}}
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
  addressType: IPv4
  ports: [{name: sql, port: 5432}, {name: metrics, protocol: TCP, port: 9187}]
  endpoints: [{addresses: [198.51.100.7]}, {addresses: [10.0.0.9], targetRef: {kind: Pod, name: a}}]
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: db-2, namespace: shop, labels: {kubernetes.io/service-name: db}}
  addressType: IPv4
  ports: [{name: sql, port: 5432}]
  endpoints: [{addresses: [10.1.0.4]}]
- {apiVersion: v1, kind: Service, metadata: {name: old, namespace: shop}, spec: {ports: [{port: 389, protocol: UDP}]}}
- apiVersion: v1
  kind: Endpoints
  metadata: {name: old, namespace: shop}
  subsets: [{addresses: [{ip: 198.51.100.7}], ports: [{port: 1389, protocol: UDP}]}]
- {apiVersion: v1, kind: Endpoints, metadata: {name: nobody, namespace: shop}, subsets: []}
- {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: lost, namespace: shop}, endpoints: []}
- apiVersion: v1
  kind: Node
  metadata: {name: a.example.test, labels: {zone: one, node-role.kubernetes.io/control-plane: ''}}
  status: {addresses: [{type: Hostname, address: a}, {type: InternalIP, address: 10.1.0.4}]}
"), @r"
        namespace shop: kubernetes.io/metadata.name=shop
        service shop/db: ClusterIP 80/tcp -> 5432, 90/tcp -> 9187 to a-example-test, shop-db-198-51-100-7
        service shop/old: ClusterIP 389/udp -> 1389 to shop-db-198-51-100-7
        host outside shop-db-198-51-100-7: 198.51.100.7 [tcp 5432, tcp 9187, udp 1389]
        node a-example-test with the API server: 10.1.0.4 node-role.kubernetes.io/control-plane= zone=one [tcp 5432]
        skipped 1 EndpointSlice (of no service)
        skipped 1 Endpoints (of no service)
        ");
}

#[test]
fn what_is_neither_topology_nor_policy_is_counted() {
    assert_snapshot!(becomes("
{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: shop}}
---
{apiVersion: v1, kind: Secret, metadata: {name: b, namespace: shop}}
---
{apiVersion: example.test/v1, kind: Widget, metadata: {name: c}, spec: {template: {spec: text}}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: d, namespace: shop}, spec: {ingressClassName: cilium}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: e, namespace: shop}, spec: {gatewayClassName: other}}
---
{replicas: 3}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: f, namespace: data}, spec: {podSelector: {}}}
"), @r"
        namespace data: kubernetes.io/metadata.name=data
        cilium Ingress
        policy NetworkPolicy data/f
        skipped 1 Gateway (of another class than Cilium's)
        skipped 2 Secret (without a certificate)
        skipped 1 Widget
        skipped 1 document without a kind
        ");
}

#[test]
fn secrets_with_certificates_are_those_of_policies() {
    assert_snapshot!(becomes("
{apiVersion: v1, kind: Secret, metadata: {name: certificate, namespace: shop}, type: kubernetes.io/tls}
---
{apiVersion: v1, kind: Secret, metadata: {name: authority, namespace: shop}, stringData: {ca.crt: text}}
---
{apiVersion: v1, kind: Secret, metadata: {name: opaque, namespace: shop}, type: Opaque, data: {tls.crt: 'ENC[AES]', tls.key: 'ENC[AES]'}}
---
{apiVersion: v1, kind: Secret, metadata: {name: password, namespace: shop}, type: Opaque, data: {password: dGV4dA==}}
---
{apiVersion: v1, kind: Secret, metadata: {name: token, namespace: shop}, type: kubernetes.io/service-account-token, data: {ca.crt: dGV4dA==}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: f, namespace: data}, spec: {podSelector: {}}}
"), @r"
        namespace data: kubernetes.io/metadata.name=data
        secret shop/authority
        secret shop/certificate
        secret shop/opaque
        policy NetworkPolicy data/f
        skipped 2 Secret (without a certificate)
        ");
}

#[test]
fn workloads_in_the_network_of_their_node_are_on_it() {
    assert_snapshot!(becomes("
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: exporter, namespace: metrics}
spec: {template: {metadata: {labels: {app: exporter}}, spec: {hostNetwork: true, containers: [{name: c, ports: [{containerPort: 9100}]}]}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: far, namespace: metrics, labels: {app: far}}, spec: {hostNetwork: true, nodeName: a.example.test, containers: [{name: c}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: a.example.test}}
"), @r"
        namespace metrics: kubernetes.io/metadata.name=metrics
        pod metrics/exporter: app=exporter [tcp 9100] on node host
        pod metrics/far: app=far [] on node a-example-test
        node a-example-test: no address  []
        ");
}

#[test]
fn what_a_controller_makes_is_the_controllers() {
    assert_snapshot!(becomes("
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: web-1-x, namespace: shop, labels: {app: web}, ownerReferences: [{kind: ReplicaSet, name: web-1, controller: true}]}
  spec: {containers: [{name: c}]}
- apiVersion: apps/v1
  kind: ReplicaSet
  metadata: {name: web-1, namespace: shop, ownerReferences: [{kind: Deployment, name: web, controller: true}]}
  spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}}
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web, namespace: shop}
  spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}}
- apiVersion: v1
  kind: Pod
  metadata: {name: static, namespace: shop, ownerReferences: [{kind: Node, name: n, controller: true}]}
  spec: {containers: [{name: c}]}
"), @r"
        namespace shop: kubernetes.io/metadata.name=shop
        pod shop/static:  []
        pod shop/web: app=web []
        ");
}

/// Of local redirect policies those of the DNS server say who answers the queries of pods.
#[test]
fn queries_are_redirected_to_a_pod_of_the_own_node() {
    let cache = "apiVersion: apps/v1
kind: DaemonSet
metadata: {name: node-local-dns, namespace: kube-system}
spec: {template: {metadata: {labels: {k8s-app: node-local-dns}}, spec: {containers: [{name: c}]}}}
";
    let policy = |frontend: &str, app: &str| {
        format!(
            "---\napiVersion: cilium.io/v2\nkind: CiliumLocalRedirectPolicy\nmetadata: {{name: r, namespace: kube-system}}\nspec: \
             {{redirectFrontend: {{{frontend}}}, redirectBackend: {{localEndpointSelector: {{matchLabels: {{k8s-app: {app}}}}}, \
             toPorts: [{{port: \"53\", protocol: UDP}}]}}}}\n"
        )
    };
    let said = |frontend: &str, app: &str| {
        let told = becomes(&format!("{cache}{}", policy(frontend, app)));
        told.lines().skip(2).collect::<Vec<_>>().join("\n")
    };
    let service = "serviceMatcher: {serviceName: kube-dns, namespace: kube-system}";
    assert_snapshot!(said(service, "node-local-dns"), @"queries go to kube-system/node-local-dns");
    let address = "addressMatcher: {ip: 169.254.20.10, toPorts: [{port: \"53\", protocol: UDP}]}";
    assert_snapshot!(said(address, "node-local-dns"), @"queries go to kube-system/node-local-dns");
    assert_snapshot!(said(service, "nobody"), @"skipped 1 CiliumLocalRedirectPolicy (that selects no workload)");
    let metadata = "addressMatcher: {ip: 169.254.169.254, toPorts: [{port: \"80\", protocol: TCP}]}";
    assert_snapshot!(said(metadata, "node-local-dns"), @"skipped 1 CiliumLocalRedirectPolicy (without ports that belong together)");
}

/// Ports belong together where there is one of each, or by their names; those of a service without any of the policy's own are all.
#[test]
fn services_and_addresses_are_redirected_to_pods_of_the_own_node() {
    let manifests = "apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: mesh}
spec: {template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: c, ports: [{containerPort: 8181}, {containerPort: 9090}]}]}}}
---
{apiVersion: v1, kind: Service, metadata: {name: front, namespace: mesh}, spec: {selector: {app: front}, ports: [{port: 80, name: web}, {port: 90, name: admin}]}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: front, namespace: mesh}, spec: {template: {metadata: {labels: {app: front}}, spec: {containers: [{name: c, ports: [{containerPort: 80}, {containerPort: 90}]}]}}}}
";
    let policy = |frontend: &str, ports: &str| {
        format!(
            "---\napiVersion: cilium.io/v2\nkind: CiliumLocalRedirectPolicy\nmetadata: {{name: r, namespace: mesh}}\nspec: \
             {{skipRedirectFromBackend: true, redirectFrontend: {{{frontend}}}, redirectBackend: {{localEndpointSelector: \
             {{matchLabels: {{app: agent}}}}, toPorts: [{ports}]}}}}\n"
        )
    };
    let said = |frontend: &str, ports: &str| {
        let told = becomes(&format!("{manifests}{}", policy(frontend, ports)));
        let lines = told.lines().filter(|line| line.contains("leads") || line.contains("skipped"));
        lines.collect::<Vec<_>>().join("; ")
    };
    let named = "{port: \"8181\", protocol: TCP, name: web}, {port: \"9090\", protocol: TCP, name: admin}";
    let service = "serviceMatcher: {serviceName: front, namespace: mesh}";
    let address = "addressMatcher: {ip: 169.254.169.254, toPorts: [{port: \"80\", protocol: TCP}]}";
    assert_snapshot!(said(service, named), @"mesh/r leads 80/tcp -> 8181, 90/tcp -> 9090 of mesh/front, but for themselves");
    assert_snapshot!(said(service, "{port: \"8181\", protocol: TCP, name: web}"), @"mesh/r leads 80/tcp -> 8181 of mesh/front, but for themselves");
    assert_snapshot!(said(address, "{port: \"8181\", protocol: TCP}"), @"mesh/r leads 80/tcp -> 8181 of 169.254.169.254, but for themselves");
    assert_snapshot!(said(address, named), @"skipped 1 CiliumLocalRedirectPolicy (without ports that belong together)");
}
