//! Gateways, `HTTPRoute`s and Ingresses: the routes that they become, and what no route can say.

use insta::assert_snapshot;

use super::becomes;

const SERVICES: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: a}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: edge}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, ports: [{containerPort: 8080}, {containerPort: 9090}]}]}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {selector: {app: web}, ports: [{name: site, port: 80, targetPort: 8080}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: admin, namespace: shop}, spec: {selector: {app: web}, ports: [{port: 90, targetPort: 9090}]}}
---
";

fn gateway(listener: &str) -> String {
    format!(
        "{{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {{name: public, namespace: edge}}, \
         spec: {{gatewayClassName: cilium, listeners: [{listener}]}}}}\n---\n"
    )
}

fn route(spec: &str) -> String {
    format!(
        "{{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: web, namespace: shop}}, spec: {spec}}}\n---\n"
    )
}

/// What is told of gateways and routes alone.
fn told(objects: &[String]) -> String {
    let all = becomes(&[&[SERVICES.to_owned()], objects].concat().concat());
    let about = ["route ", "cilium ", "skipped ", "pod ", "a.yaml"];
    all.lines().filter(|line| about.iter().any(|word| line.starts_with(word))).collect::<Vec<_>>().join("\n")
}

#[test]
fn routes_of_a_gateway() {
    let spec = "{parentRefs: [{name: public, namespace: edge}], hostnames: [shop.example.test, '*.example.test'], rules: [\
                {backendRefs: [{name: web, port: 80}]}, \
                {matches: [{path: {type: PathPrefix, value: /admin}}], backendRefs: [{name: admin, port: 90}], filters: [{type: RequestHeaderModifier}]}, \
                {matches: [{path: {type: Exact, value: /x}}], backendRefs: [{name: web, port: 80}]}, \
                {matches: [{headers: [{name: A, value: b}]}], backendRefs: [{name: web, port: 80}]}, \
                {matches: [{path: {value: /r}}], filters: [{type: URLRewrite}], backendRefs: [{name: web, port: 80}]}, \
                {matches: [{path: {value: /c}}], backendRefs: [{name: web, port: 80}, {name: admin, port: 90}]}, \
                {matches: [{path: {value: /o}}], backendRefs: [{name: web, namespace: edge, port: 80}]}, \
                {matches: [{path: {value: /s}}], backendRefs: [{name: web, port: 81}]}]}";
    assert_snapshot!(told(&[gateway("{name: web, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}"), route(spec)]), @r"
    pod shop/web: app=web [http 8080, http 9090]
    cilium Ingress
    route shop.example.test/: shop/web:80
    route shop.example.test/admin: shop/admin:90
    skipped 1 rule of HTTPRoute (by more than paths)
    skipped 1 rule of HTTPRoute (to a service of another namespace)
    skipped 1 rule of HTTPRoute (to several services, or none)
    skipped 3 rule of HTTPRoute (with a wildcard in its host)
    skipped 1 rule of HTTPRoute (with conditions other than a path prefix)
    skipped 1 rule of HTTPRoute (with filters)
    a.yaml:14:904: warning[route-without-service]: a route names service shop/web with the TCP port 81, which does not exist => correct the name or port, or name the files with the service too
    ");
}

#[test]
fn routes_that_a_listener_takes() {
    let spec = "{parentRefs: [{name: public, namespace: edge, sectionName: web}], rules: [{backendRefs: [{name: web, port: 80}]}]}";
    let take = |listener: &str| told(&[gateway(listener), route(spec)]);
    let routed = "pod shop/web: app=web [http 8080, tcp 9090]\ncilium Ingress\nroute";
    let labelled = |labels: &str| {
        format!(
            "{{name: web, allowedRoutes: {{namespaces: {{from: Selector, selector: {{matchLabels: {labels}}}}}}}}}"
        )
    };
    assert!(take(&labelled("{team: a}")).starts_with(&format!("{routed} /: shop/web:80")));
    let hosted = "{name: web, hostname: a.example.test, allowedRoutes: {namespaces: {from: All}}}";
    assert!(take(hosted).starts_with(&format!("{routed} a.example.test/: shop/web:80")), "{}", take(hosted));
    assert_snapshot!(take("{name: web}"), @r"
    pod shop/web: app=web [tcp 8080, tcp 9090]
    cilium Ingress
    skipped 1 HTTPRoute (of no gateway of Cilium)
    a.yaml:12:76: warning[gateway-without-routes]: no route is attached to gateway edge/public: it answers every request itself => name the files with its HTTPRoutes too; another namespace's need `allowedRoutes`
    ");
    let of_other_labels = take(&labelled("{team: b}"));
    assert!(of_other_labels.contains("gateway-without-routes"), "{of_other_labels}");
    let of_another_name = take(&hosted.replace("name: web", "name: other"));
    assert!(of_another_name.contains("gateway-without-routes"), "{of_another_name}");
    let of_another = gateway("{name: web}").replace("gatewayClassName: cilium", "gatewayClassName: nginx");
    assert_snapshot!(told(&[of_another, route(spec)]), @r"
    pod shop/web: app=web [tcp 8080, tcp 9090]
    skipped 1 Gateway (of another class than Cilium's)
    skipped 1 HTTPRoute (of no gateway of Cilium)
    ");
}

#[test]
fn ingresses() {
    let ingress = |class: &str, spec: &str| {
        format!(
            "{{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {{name: web, namespace: shop{class}}}, spec: {{{spec}}}}}\n---\n"
        )
    };
    let path = |path: &str, kind: &str, port: &str| {
        format!("{{path: {path}, pathType: {kind}, backend: {{service: {{name: web, port: {{{port}}}}}}}}}")
    };
    let paths = [
        path("/", "Prefix", "name: site"),
        path("/v1", "ImplementationSpecific", "number: 80"),
        path("'/v[12]'", "ImplementationSpecific", "number: 80"),
        path("/only", "Exact", "number: 80"),
        "{path: /static, pathType: Prefix, backend: {resource: {kind: Bucket, name: a}}}".to_owned(),
    ];
    let rules = format!(
        "ingressClassName: cilium, rules: [{{host: a.example.test, http: {{paths: [{}]}}}}]",
        paths.join(", ")
    );
    let by_default = "defaultBackend: {service: {name: admin, port: {number: 90}}}";
    let annotated = ingress(", annotations: {kubernetes.io/ingress.class: cilium}", by_default);
    let elsewhere = annotated.replace("name: admin, port: {number: 90}", "name: web, port: {number: 80}");
    let nginx = ingress("", &rules.replace("cilium", "nginx"));
    assert_snapshot!(told(&[ingress("", &rules), annotated, elsewhere, nginx]), @r"
    pod shop/web: app=web [http 8080, http 9090]
    cilium Ingress
    route a.example.test/: shop/web:80
    route a.example.test/v1: shop/web:80
    route /: shop/admin:90
    skipped 1 Ingress (of another class than Cilium's)
    skipped 1 rule of Ingress (for a path of another route)
    skipped 1 rule of Ingress (to something that is not a service)
    skipped 2 rule of Ingress (with conditions other than a path prefix)
    ");
}
