use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::*;
use crate::fixture::{FixtureAnswer, FixtureRequest, absent, list, server};
use crate::image::Pull;

fn names(names: &[&str]) -> BTreeSet<NamespaceName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// A namespace `shop` of somebody's, with a pod and a service of theirs and one each that a run has left, and policies
/// of both.
fn shop(asked: &FixtureRequest) -> FixtureAnswer {
    let ours = json!({"verdikt.dev/owner": "verdikt"});
    let path = asked.path.split('?').next().unwrap();
    match path {
        "/api/v1/namespaces/shop" => {
            FixtureAnswer::Json(200, json!({"metadata": {"name": "shop", "labels": {"team": "shop"}}}))
        }
        "/api/v1/namespaces/left" => {
            FixtureAnswer::Json(200, json!({"metadata": {"name": "left", "labels": ours}}))
        }
        "/api/v1/namespaces/shop/pods" => list(&json!([
            {
                "metadata": {"namespace": "shop", "name": "cart", "uid": "u1", "labels": {"app": "cart"}},
                "spec": {"serviceAccountName": "buyer", "nodeName": "worker"},
            },
            {"metadata": {"namespace": "shop", "name": "left", "uid": "u2", "annotations": ours}, "spec": {}},
        ])),
        "/api/v1/namespaces/shop/services" => list(&json!([
            {
                "metadata": {"namespace": "shop", "name": "cart"},
                "spec": {
                    "clusterIPs": ["10.96.1.1"], "selector": {"app": "cart"},
                    "ports": [{"port": 80, "targetPort": "web"}, {"port": 53, "protocol": "UDP"}],
                },
            },
            {"metadata": {"namespace": "shop", "name": "left", "labels": ours}, "spec": {}},
        ])),
        "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies" => {
            list(&json!([{"metadata": {"name": "all"}}, {"metadata": {"name": "left", "labels": ours}}]))
        }
        "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies" => {
            list(&json!([{"metadata": {"namespace": "shop", "name": "closed"}}]))
        }
        _ => absent(),
    }
}

#[tokio::test]
async fn what_runs_have_left_is_not_lent() {
    let (connection, log) = server(shop);
    let borrowed = look(&connection, &names(&["shop"])).await.unwrap();
    insta::assert_snapshot!(format!("{borrowed:#?}"), @r#"
    Borrowed {
        namespaces: {
            NamespaceName(
                "shop",
            ): {
                "team": "shop",
            },
        },
        pods: {
            NamespacedName {
                namespace: NamespaceName(
                    "shop",
                ),
                name: ObjectName(
                    "cart",
                ),
            }: BorrowedPod {
                uid: "u1",
                labels: {
                    "app": "cart",
                },
                service_account: "buyer",
                node: Some(
                    "worker",
                ),
                in_host_network: false,
            },
        },
        services: {
            NamespacedName {
                namespace: NamespaceName(
                    "shop",
                ),
                name: ObjectName(
                    "cart",
                ),
            }: BorrowedService {
                addresses: [
                    10.96.1.1,
                ],
                service_type: ClusterIp,
                labels: {},
                selects: Some(
                    {
                        "app": "cart",
                    },
                ),
                ports: [
                    ServicePort {
                        port: 80,
                        protocol: Tcp,
                        target: Name(
                            PortName(
                                "web",
                            ),
                        ),
                    },
                    ServicePort {
                        port: 53,
                        protocol: Udp,
                        target: Number(
                            53,
                        ),
                    },
                ],
            },
        },
    }
    "#);
    assert!(log.text().lines().all(|line| line.starts_with("GET ")), "{}", log.text());
}

#[tokio::test]
async fn only_what_is_somebody_elses_is_borrowed() {
    let (connection, _) = server(shop);
    let refused = async |name: &str| look(&connection, &names(&[name])).await.unwrap_err().to_string();
    assert_eq!(refused("nowhere").await, "there is no namespace nowhere to borrow");
    assert_eq!(
        refused("left").await,
        "the namespace left is verdikt's own: it needs no borrowing; `verdikt clean` removes what runs left"
    );
}

#[tokio::test]
async fn policies_of_others_are_those_there_and_those_of_the_cluster() {
    let (connection, _) = server(shop);
    let found = policies(&connection, &names(&["shop"])).await.unwrap();
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["CiliumClusterwideNetworkPolicy all", "NetworkPolicy shop/closed"]);
}

#[test]
fn a_probe_is_added_with_the_restricted_profile_and_ends_with_its_session() {
    let image = ProbeImage {
        reference: "localhost/verdikt-probe:0123456789ab".to_owned(),
        command: vec!["/verdikt".to_owned(), "probe".to_owned()],
        pull: Pull::Never,
    };
    let change = addition("u1", "verdikt-run-1-0", &image);
    insta::assert_snapshot!(serde_saphyr::to_string(&change).unwrap(), @r#"
    metadata:
      uid: u1
    spec:
      ephemeralContainers:
      - name: verdikt-run-1-0
        image: localhost/verdikt-probe:0123456789ab
        imagePullPolicy: Never
        command:
        - /verdikt
        - probe
        - --patience
        - "60"
        stdin: true
        stdinOnce: true
        securityContext:
          allowPrivilegeEscalation: false
          capabilities:
            drop:
            - ALL
          readOnlyRootFilesystem: true
          runAsNonRoot: true
          runAsUser: 65532
          runAsGroup: 65532
          seccompProfile:
            type: RuntimeDefault
    "#);
}

#[test]
fn no_two_probes_of_a_pod_have_one_name() {
    let check = |run: &str, present: &Value, wanted: &str| {
        let name = next_name(&json!({"spec": {"ephemeralContainers": present}}), &run.parse().unwrap());
        assert_eq!(name, wanted);
        assert!(name.len() <= 63);
    };
    check("1795273780-2402", &Value::Null, "verdikt-1795273780-2402-0");
    check("1795273780-2402", &json!([{}, {}]), "verdikt-1795273780-2402-2");
    check("Run_1.x", &json!([{}]), "verdikt-run-1-x-1");
    check(&"a".repeat(63), &Value::Null, &format!("verdikt-{}-0", "a".repeat(40)));
}

#[test]
fn what_becomes_of_a_probe_is_told_by_its_own_container() {
    let check = |state: Value, wanted: &str| {
        let container = |name: &str, state: Value| {
            json!({
                "name": name, "state": state,
                "image": "", "imageID": "", "ready": false, "restartCount": 0,
            })
        };
        let earlier = container("verdikt-0", json!({"terminated": {"exitCode": 0}}));
        let statuses = [earlier, container("verdikt-1", state)];
        let pod = json!({"metadata": {}, "status": {"ephemeralContainerStatuses": statuses}});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        assert_eq!(format!("{:?}", super::state(&pod, "verdikt-1")), wanted);
    };
    check(json!({"running": {}}), "Ready");
    check(json!({}), r#"Waiting("its probe has not started")"#);
    check(
        json!({"waiting": {"reason": "ContainerCreating"}}),
        r#"Waiting("its container is in state ContainerCreating")"#,
    );
    check(
        json!({"waiting": {"reason": "ErrImageNeverPull"}}),
        r#"Failed("ErrImageNeverPull; load the image into the node first (`verdikt images`), or name a registry that has it")"#,
    );
    check(
        json!({"terminated": {"exitCode": 2, "reason": "Error"}}),
        r#"Failed("its container has ended with exit code 2 (Error)")"#,
    );
}
