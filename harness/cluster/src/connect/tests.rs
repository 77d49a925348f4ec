use std::io::Write;

use super::*;
use crate::fixture::{FixtureAnswer, server, status};
use crate::objects::{self, ApiObject, POD};

const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
contexts:
- {name: kind-one, context: {cluster: one, user: me}}
- {name: prod, context: {cluster: far, user: helper}}
- {name: broken, context: {cluster: none, user: me}}
clusters:
- {name: one, cluster: {server: 'http://127.0.0.1:1'}}
- {name: far, cluster: {server: 'http://127.0.0.1:1'}}
users:
- {name: me, user: {token: x}}
- name: helper
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, command: verdikt-test-no-such-program, interactiveMode: Never}
";

#[tokio::test]
async fn no_connection_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::File::create(&path).unwrap().write_all(KUBECONFIG.as_bytes()).unwrap();
    let mut lines = Vec::new();
    let missing = folder.path().join("missing");
    let garbled = folder.path().join("garbled");
    std::fs::write(&garbled, "users:\n- name: a\n  user: secret-token\n").unwrap();
    for (file, context) in [
        (&missing, None),
        (&garbled, None),
        (&path, None),
        (&path, Some("staging")),
        (&path, Some("broken")),
        (&path, Some("kind-one")),
        (&path, Some("prod")),
    ] {
        let wanted = ContextChoice { context: context.map(str::to_owned), kubeconfig: Some(file.clone()) };
        let error = ApiConnection::open(&wanted).await.unwrap_err().to_string();
        lines.push(error.replace(&folder.path().display().to_string(), "FOLDER"));
    }
    insta::assert_snapshot!(lines.join("\n"), @"
    there is no kubeconfig at FOLDER/missing: set KUBECONFIG, or create a cluster with `verdikt cluster up`
    cannot use the kubeconfig: it is not YAML that describes contexts in line 3, column 9
    the kubeconfig has no current context; name one of its contexts: kind-one, prod and broken
    the kubeconfig has no context `staging`; it has kind-one, prod and broken
    cannot use the kubeconfig: failed to load the cluster of context: none
    cannot ask for the version of Kubernetes: cannot reach the API server at http://127.0.0.1:1: Connection refused (os error 111)
    cannot load the credentials of context `prod`: unable to run auth exec: No such file or directory (os error 2); log in again, or install the program that the kubeconfig names
    ");
}

#[tokio::test]
async fn an_answer_of_the_server_names_object_and_next_step() {
    let answers = [
        status(401, "Unauthorized", "Unauthorized"),
        status(
            403,
            "Forbidden",
            "pods \"cart\" is forbidden: User \"ann\" cannot get resource \"pods\" in API group \"\" in the namespace \"shop\"",
        ),
        status(403, "Forbidden", "admission webhook \"guard.example.test\" denied the request: no"),
        status(429, "TooManyRequests", "too many requests"),
        status(500, "InternalError", "etcdserver: leader changed"),
        FixtureAnswer::Silence,
    ];
    let mut lines = Vec::new();
    for answer in answers {
        let mut answer = Some(answer);
        let (connection, _) = server(move |_| answer.take().unwrap_or(FixtureAnswer::Silence));
        let cart = ApiObject::new(POD, Some("shop"), "cart");
        lines.push(match objects::get(&connection, &cart).await {
            Ok(found) => format!("{found:?}"),
            Err(error) => format!("{error} (may pass: {})", error.may_pass()),
        });
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    cannot read Pod shop/cart: the API server at https://api.test:6443 does not accept the credentials of context `test`; they may have expired: log in again, or renew the client certificate or token (may pass: false)
    cannot read Pod shop/cart: pods "cart" is forbidden: User "ann" cannot get resource "pods" in API group "" in the namespace "shop"; grant it, for example with clusters/rbac.yaml (may pass: false)
    cannot read Pod shop/cart: the API server says: admission webhook "guard.example.test" denied the request: no (may pass: false)
    cannot read Pod shop/cart: the API server says: too many requests (may pass: true)
    cannot read Pod shop/cart: the API server says: etcdserver: leader changed (may pass: true)
    cannot read Pod shop/cart: the API server at https://api.test:6443 did not answer within 0.2 s; is it overloaded, or does a firewall drop the connection? (may pass: true)
    "#);
}
