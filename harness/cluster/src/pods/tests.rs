use serde_json::json;

use super::*;
use crate::image::Pull;

fn image() -> ProbeImage {
    ProbeImage {
        reference: "localhost/verdikt-probe:0123456789ab".to_owned(),
        command: vec!["/verdikt".to_owned()],
        pull: Pull::Never,
    }
}

#[test]
fn a_pod_satisfies_the_restricted_profile() {
    let served = |protocol, port, name: Option<&str>| Served {
        protocol,
        port: topology::Port::new(port).unwrap(),
        name: name.map(|name| name.parse().unwrap()),
    };
    let pod = topology::Pod {
        labels: BTreeMap::from([("app".to_owned(), "cart".to_owned())]),
        service_account: Some("buyer".to_owned()),
        serves: vec![
            served(topology::ServedProtocol::Http, 80, Some("web")),
            served(topology::ServedProtocol::Dns, 53, Some("dns")),
        ],
        host_ports: vec![topology::ServicePort {
            port: topology::Port::new(8080).unwrap(),
            protocol: Protocol::Tcp,
            target: topology::TargetPort::Name("web".parse().unwrap()),
        }],
        ..topology::Pod::default()
    };
    let placement = Placement { node: "worker".to_owned(), tolerate: false };
    let manifest =
        manifest(&"shop/cart".parse().unwrap(), &pod, &image(), &"run-1".parse().unwrap(), Some(&placement));
    insta::assert_snapshot!(serde_saphyr::to_string(&manifest).unwrap(), @r#"
    apiVersion: v1
    kind: Pod
    metadata:
      namespace: shop
      name: cart
      labels:
        app: cart
      annotations:
        verdikt.dev/owner: verdikt
        verdikt.dev/run: run-1
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      containers:
      - name: probe
        image: localhost/verdikt-probe:0123456789ab
        imagePullPolicy: Never
        command:
        - /verdikt
        stdin: true
        resources:
          requests:
            cpu: 5m
            memory: 16Mi
          limits:
            memory: 128Mi
        ports:
        - containerPort: 80
          protocol: TCP
          hostPort: 8080
          name: web
        - containerPort: 53
          protocol: TCP
          name: dns
        - containerPort: 53
          protocol: UDP
        securityContext:
          allowPrivilegeEscalation: false
          capabilities:
            drop:
            - ALL
          readOnlyRootFilesystem: true
      serviceAccountName: buyer
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        seccompProfile:
          type: RuntimeDefault
        sysctls:
        - name: net.ipv4.ip_unprivileged_port_start
          value: "0"
        - name: net.ipv4.ping_group_range
          value: 0 2147483647
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
            - matchFields:
              - key: metadata.name
                operator: In
                values:
                - worker
    "#);
    serde_json::from_value::<Pod>(manifest).unwrap();
}

#[test]
fn a_pod_of_the_host_network_has_its_labels_and_its_node() {
    let labels = BTreeMap::from([("app".to_owned(), "proxy".to_owned())]);
    let pod = topology::Pod { labels, ..topology::Pod::default() };
    let (name, run) = ("edge/proxy".parse().unwrap(), "run-1".parse().unwrap());
    let on_node = host_network_manifest(&name, &pod, &image(), &run, "worker");
    let placement = Placement { node: "other".to_owned(), tolerate: false };
    let of_its_own = manifest(&name, &pod, &image(), &run, Some(&placement));
    let check = |pod: &Value| (is_in_host_network(pod), placed_on(pod).map(str::to_owned));
    assert_eq!(check(&on_node), (true, Some("worker".to_owned())));
    assert_eq!(check(&of_its_own), (false, Some("other".to_owned())));
    assert_eq!(on_node["metadata"], of_its_own["metadata"]);
    let root = &on_node["spec"]["containers"][0]["securityContext"];
    let node = node_manifest("node-host", &image(), &run, "worker");
    assert_eq!(root, &node["spec"]["containers"][0]["securityContext"]);
    serde_json::from_value::<Pod>(on_node).unwrap();
}

#[test]
fn the_probe_of_a_node_lives_in_its_network() {
    let manifest = node_manifest("node-host", &image(), &"run-1".parse().unwrap(), "worker");
    insta::assert_snapshot!(serde_saphyr::to_string(&manifest).unwrap(), @"
    apiVersion: v1
    kind: Pod
    metadata:
      namespace: verdikt-system
      name: node-host
      annotations:
        verdikt.dev/owner: verdikt
        verdikt.dev/run: run-1
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      containers:
      - name: probe
        image: localhost/verdikt-probe:0123456789ab
        imagePullPolicy: Never
        command:
        - /verdikt
        stdin: true
        resources:
          requests:
            cpu: 5m
            memory: 16Mi
          limits:
            memory: 128Mi
        securityContext:
          allowPrivilegeEscalation: false
          capabilities:
            drop:
            - ALL
            add:
            - NET_BIND_SERVICE
            - NET_RAW
          readOnlyRootFilesystem: true
          runAsUser: 0
      hostNetwork: true
      securityContext:
        seccompProfile:
          type: RuntimeDefault
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
            - matchFields:
              - key: metadata.name
                operator: In
                values:
                - worker
      tolerations:
      - operator: Exists
    ");
    serde_json::from_value::<Pod>(manifest).unwrap();
}

#[test]
fn states_say_what_was_seen() {
    let check = |status: Value| {
        let pod: Pod = serde_json::from_value(json!({"metadata": {}, "status": status})).unwrap();
        format!("{:?}", state(&pod))
    };
    let container = |state: Value| json!({"phase": "Pending", "containerStatuses": [{"name": "probe", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state}]});
    let seen = [
        check(json!(null)),
        check(json!({"conditions": [{"type": "Ready", "status": "True"}], "podIPs": [{"ip": "10.0.0.1"}]})),
        check(json!({"conditions": [{"type": "Ready", "status": "True"}]})),
        check(
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient cpu."}]}),
        ),
        check(container(
            json!({"waiting": {"reason": "ErrImageNeverPull", "message": "Container image is not present"}}),
        )),
        check(container(
            json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}),
        )),
        check(container(json!({"waiting": {"reason": "ContainerCreating"}}))),
        check(json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."})),
        check(
            json!({"phase": "Failed", "containerStatuses": [{"name": "probe", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]}),
        ),
    ];
    insta::assert_snapshot!(seen.join("\n"), @r#"
    Waiting("it has no status yet")
    Ready
    Waiting("it is in phase unknown and not ready")
    Waiting("no node takes it: 0/1 nodes are available: 1 Insufficient cpu.")
    Failed("ErrImageNeverPull: Container image is not present; load the image into the node first (`verdikt images`), or name a registry that has it")
    Waiting("its container is in state ImagePullBackOff: Back-off pulling image; can the node reach the registry, and is the image there (`verdikt images --probe FILE` writes it)?")
    Waiting("its container is in state ContainerCreating")
    Failed("Evicted: The node was low on memory.")
    Failed("its container has ended with exit code 137 (OOMKilled)")
    "#);
}

#[test]
fn labels_no_longer_wanted_become_null() {
    let labels =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let change = label_change(&labels(&[("a", "1"), ("b", "2")]), &labels(&[("b", "3"), ("c", "4")]));
    insta::assert_snapshot!(change, @r#"{"metadata":{"labels":{"a":null,"b":"3","c":"4"}}}"#);
}
