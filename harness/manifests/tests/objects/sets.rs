//! Several files and folders as one set.

use insta::assert_snapshot;

use super::Folder;

const WEB: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all, namespace: shop}
spec: {podSelector: {}}
";

#[test]
fn two_clusters_are_two_sets() {
    let folder = Folder::new(&[("eu/web.yaml", WEB), ("us/web.yaml", WEB)]);
    assert_snapshot!(folder.told(&["eu"]), @r"
        namespace shop: kubernetes.io/metadata.name=shop
        pod shop/web: app=web [tcp 8080]
        policy NetworkPolicy shop/all
        ");
    assert_snapshot!(folder.told(&[""]), @r"
        namespace shop: kubernetes.io/metadata.name=shop
        pod shop/web: app=web [tcp 8080]
        policy NetworkPolicy shop/all
        policy NetworkPolicy shop/all
        us/web.yaml:4:18: error: Pod shop/web occurs twice => it is also at eu/web.yaml:4:18: name only the files of one cluster
        us/web.yaml:13:18: error: NetworkPolicy shop/all occurs twice => it is also at eu/web.yaml:13:18
        ");
}

#[test]
fn what_names_no_namespace_is_in_the_default_one() {
    let text = WEB.replace(", namespace: shop", "");
    let folder = Folder::new(&[("web.yaml", &text)]);
    assert_snapshot!(folder.told(&["web.yaml"]), @r"
        namespace default: kubernetes.io/metadata.name=default
        namespace shop: kubernetes.io/metadata.name=shop
        pod default/web: app=web [tcp 8080]
        policy NetworkPolicy default/all
        web.yaml:4:18: warning[no-namespace]: 1 object names no namespace, and is taken to be in `default` => name it in `metadata.namespace`, or say which it is: `--namespace NAME`, `topology: {namespace: NAME}`
        web.yaml:13:18: warning[no-namespace]: NetworkPolicy all has no namespace of its own => `kubectl apply` puts it into whatever namespace is current: name it in `metadata.namespace`
        ");
}

#[test]
fn near_misses_of_policies_stay_mistakes() {
    let folder = Folder::new(&[("web.yaml", &WEB.replace("NetworkPolicy", "NetworkPolcy"))]);
    assert_snapshot!(folder.told(&["web.yaml"]), @r"
        namespace shop: kubernetes.io/metadata.name=shop
        pod shop/web: app=web [tcp 8080]
        web.yaml:12:7: error: `NetworkPolcy` is not a kind of policy verdikt knows => did you mean `NetworkPolicy`?
        ");
}
