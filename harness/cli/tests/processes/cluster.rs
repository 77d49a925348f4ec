//! `verdikt cluster` and `verdikt images`.

use std::fs;
use std::process::Command;

use insta::assert_snapshot;
use rstest::rstest;

use crate::project::{GOOD, Project};
use crate::stand_ins::{INSTALLED, StandIns};

#[test]
fn up() {
    let stand_ins = StandIns::well();
    assert_snapshot!(stand_ins.verdikt(&["cluster", "up"]), @r"
    exit code 0
    --- stdout
    kind-verdikt-cilium-1.20
    --- stderr
    check docker, kind and helm
    fetch the images that are missing
    create the nodes of `verdikt-cilium-1.20`, Kubernetes 1.36
    copy 4 images into the nodes
    install Cilium 1.20.2 and wait until it is ready
    wait for the nodes and the cluster's DNS
    the cluster `verdikt-cilium-1.20` is up
    ");
    assert_snapshot!(stand_ins.calls(), @r#"
    kind get clusters
    docker image inspect --format {{join .RepoDigests " "}} docker.io/kindest/node:v1.36.4
    docker pull --quiet docker.io/kindest/node@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed
    docker tag docker.io/kindest/node@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed docker.io/kindest/node:v1.36.4
    docker image inspect --format {{join .RepoDigests " "}} quay.io/cilium/cilium:v1.20.2
    docker pull --quiet quay.io/cilium/cilium@sha256:2939231d0d3e3ebddcd80fffa168b7ddcc78fdf0dc864d1c8c126ff523c54f01
    docker tag quay.io/cilium/cilium@sha256:2939231d0d3e3ebddcd80fffa168b7ddcc78fdf0dc864d1c8c126ff523c54f01 quay.io/cilium/cilium:v1.20.2
    docker image inspect --format {{join .RepoDigests " "}} quay.io/cilium/operator-generic:v1.20.2
    docker pull --quiet quay.io/cilium/operator-generic@sha256:64d8798350e8569b8e7622563fed6e44dce2625f311e4651b774816516c744fc
    docker tag quay.io/cilium/operator-generic@sha256:64d8798350e8569b8e7622563fed6e44dce2625f311e4651b774816516c744fc quay.io/cilium/operator-generic:v1.20.2
    docker image inspect --format {{join .RepoDigests " "}} quay.io/cilium/hubble-relay:v1.20.2
    docker pull --quiet quay.io/cilium/hubble-relay@sha256:d309c977870e9dbede7122a10eee09a4c9d66685e8d52af62d9c3c113f815b0f
    docker tag quay.io/cilium/hubble-relay@sha256:d309c977870e9dbede7122a10eee09a4c9d66685e8d52af62d9c3c113f815b0f quay.io/cilium/hubble-relay:v1.20.2
    docker image inspect --format {{join .RepoDigests " "}} quay.io/cilium/cilium-envoy:v1.37.6-1789133542-cbec91f666af0bf742da986d43832932dbb26b82
    docker pull --quiet quay.io/cilium/cilium-envoy@sha256:af7382699576b9e65e9184efa52eeca0b58aea70ad6e511bf260c91d9f740463
    docker tag quay.io/cilium/cilium-envoy@sha256:af7382699576b9e65e9184efa52eeca0b58aea70ad6e511bf260c91d9f740463 quay.io/cilium/cilium-envoy:v1.37.6-1789133542-cbec91f666af0bf742da986d43832932dbb26b82
    kind create cluster --name verdikt-cilium-1.20 --image docker.io/kindest/node:v1.36.4 --config -
      < # Cilium 1.20, the newest minor. The node image comes from ../versions.yaml.
    kind load docker-image --name verdikt-cilium-1.20 quay.io/cilium/cilium:v1.20.2 quay.io/cilium/operator-generic:v1.20.2 quay.io/cilium/hubble-relay:v1.20.2 quay.io/cilium/cilium-envoy:v1.37.6-1789133542-cbec91f666af0bf742da986d43832932dbb26b82
    helm upgrade --install cilium cilium --repo https://helm.cilium.io --version 1.20.2 --namespace kube-system --kube-context kind-verdikt-cilium-1.20 --values - --set image.useDigest=false --set operator.image.useDigest=false --set hubble.relay.image.useDigest=false --set envoy.image.useDigest=false --wait --timeout 600s
    docker exec --interactive verdikt-cilium-1.20-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf wait --timeout=180s --for=condition=Ready nodes --all
    docker exec --interactive verdikt-cilium-1.20-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf wait --timeout=180s --for=condition=Available --namespace kube-system deployment/coredns
    "#);
}

/// What Cilium finds there has to be there before it; what runs over Cilium's network comes after it.
#[rstest]
#[case::before_cilium("gateway", &["standard-install.yaml", "helm upgrade"])]
#[case::after_cilium("node-local-dns", &[
    "helm upgrade", "apply --server-side --filename -\n  < # A DNS cache on every node",
])]
fn up_with_manifests(#[case] profile: &str, #[case] in_order: &[&str]) {
    let stand_ins = StandIns::well();
    let ran = stand_ins.verdikt(&["cluster", "up", profile]);
    assert_eq!(ran.code, 0, "{ran}");
    let calls = stand_ins.calls();
    let places: Vec<Option<usize>> = in_order.iter().map(|call| calls.find(call)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} in {calls}");
}

#[test]
fn up_without_the_internet() {
    let stand_ins = StandIns::well();
    fs::write(stand_ins.0.path("crds.yaml"), "kind: CustomResourceDefinition\n").unwrap();
    let ran = stand_ins.verdikt(&[
        "cluster",
        "up",
        "gateway",
        "--image-archive",
        "images.tar",
        "--registry",
        "mirror:5000",
        "--chart",
        "cilium.tgz",
        "--manifest",
        "crds.yaml",
        "--timeout",
        "90s",
    ]);
    assert_eq!(ran.code, 0, "{ran}");
    assert_snapshot!(stand_ins.calls(), @r#"
    helm show chart cilium.tgz
    kind get clusters
    docker load --input images.tar
    docker image inspect --format {{join .RepoDigests " "}} quay.io/cilium/cilium:v1.20.2
    docker pull --quiet mirror:5000/cilium/cilium@sha256:2939231d0d3e3ebddcd80fffa168b7ddcc78fdf0dc864d1c8c126ff523c54f01
    docker tag mirror:5000/cilium/cilium@sha256:2939231d0d3e3ebddcd80fffa168b7ddcc78fdf0dc864d1c8c126ff523c54f01 quay.io/cilium/cilium:v1.20.2
    docker image inspect --format {{join .RepoDigests " "}} quay.io/cilium/operator-generic:v1.20.2
    docker pull --quiet mirror:5000/cilium/operator-generic@sha256:64d8798350e8569b8e7622563fed6e44dce2625f311e4651b774816516c744fc
    docker tag mirror:5000/cilium/operator-generic@sha256:64d8798350e8569b8e7622563fed6e44dce2625f311e4651b774816516c744fc quay.io/cilium/operator-generic:v1.20.2
    docker image inspect --format {{join .RepoDigests " "}} quay.io/cilium/hubble-relay:v1.20.2
    docker pull --quiet mirror:5000/cilium/hubble-relay@sha256:d309c977870e9dbede7122a10eee09a4c9d66685e8d52af62d9c3c113f815b0f
    docker tag mirror:5000/cilium/hubble-relay@sha256:d309c977870e9dbede7122a10eee09a4c9d66685e8d52af62d9c3c113f815b0f quay.io/cilium/hubble-relay:v1.20.2
    docker image inspect --format {{join .RepoDigests " "}} quay.io/cilium/cilium-envoy:v1.37.6-1789133542-cbec91f666af0bf742da986d43832932dbb26b82
    docker pull --quiet mirror:5000/cilium/cilium-envoy@sha256:af7382699576b9e65e9184efa52eeca0b58aea70ad6e511bf260c91d9f740463
    docker tag mirror:5000/cilium/cilium-envoy@sha256:af7382699576b9e65e9184efa52eeca0b58aea70ad6e511bf260c91d9f740463 quay.io/cilium/cilium-envoy:v1.37.6-1789133542-cbec91f666af0bf742da986d43832932dbb26b82
    kind create cluster --name verdikt-gateway --image docker.io/kindest/node:v1.36.4 --config -
      < # Gateway API with the L7 proxy. The node image comes from ../versions.yaml.
    kind load docker-image --name verdikt-gateway quay.io/cilium/cilium-envoy:v9 quay.io/cilium/cilium:v1.20.2 quay.io/cilium/operator-generic:v1.20.2 quay.io/cilium/hubble-relay:v1.20.2 quay.io/cilium/cilium-envoy:v1.37.6-1789133542-cbec91f666af0bf742da986d43832932dbb26b82
    docker exec --interactive verdikt-gateway-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf apply --server-side --filename -
      < kind: CustomResourceDefinition
    helm upgrade --install cilium cilium.tgz --namespace kube-system --kube-context kind-verdikt-gateway --values - --set image.useDigest=false --set operator.image.useDigest=false --set hubble.relay.image.useDigest=false --set envoy.image.useDigest=false --wait --timeout 90s
    docker exec --interactive verdikt-gateway-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf wait --timeout=180s --for=condition=Ready nodes --all
    docker exec --interactive verdikt-gateway-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf wait --timeout=180s --for=condition=Available --namespace kube-system deployment/coredns
    "#);
}

#[test]
fn up_again() {
    let stand_ins = StandIns::well();
    stand_ins.first("kind", r#""get clusters") printf 'kind\nverdikt-cilium-1.20\n' ;;"#);
    stand_ins.first("helm", INSTALLED);
    assert_snapshot!(stand_ins.verdikt(&["cluster", "up"]), @r"
    exit code 0
    --- stdout
    kind-verdikt-cilium-1.20
    --- stderr
    check docker, kind and helm
    the cluster `verdikt-cilium-1.20` exists: check whether it is complete
    the cluster `verdikt-cilium-1.20` is already up, and complete
    ");
    assert_snapshot!(stand_ins.calls(), @r"
    kind get clusters
    kind export kubeconfig --name verdikt-cilium-1.20
    docker exec --interactive verdikt-cilium-1.20-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz
    helm list --deployed --failed --pending --filter ^cilium$ --output json --namespace kube-system --kube-context kind-verdikt-cilium-1.20
    docker exec --interactive verdikt-cilium-1.20-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf wait --timeout=180s --for=condition=Ready nodes --all
    docker exec --interactive verdikt-cilium-1.20-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf wait --timeout=180s --for=condition=Available --namespace kube-system deployment/coredns
    ");
}

#[test]
fn up_waits_for_nodes_that_have_just_been_started() {
    let stand_ins = StandIns::well();
    stand_ins.first("kind", r#""get clusters") echo verdikt-cilium-1.20 ;;"#);
    stand_ins.first("helm", INSTALLED);
    // What an API server that starts has to say at first, each once.
    let said = stand_ins.0.path("said").display().to_string();
    let answers = format!(
        r#"*"get --raw /readyz"*)
            if [ ! -e '{said}.1' ]; then : > '{said}.1'; echo 'The connection to the server was refused' >&2; exit 1
            elif [ ! -e '{said}.2' ]; then : > '{said}.2'; echo 'Error from server (Forbidden): no' >&2; exit 1
            fi ;;"#
    );
    stand_ins.first("docker", &answers);
    let ran = stand_ins.verdikt(&["cluster", "up"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(ran.stderr.matches("wait for the API server").count(), 1, "{ran}");
    let calls = stand_ins.calls();
    assert_eq!(calls.matches("/readyz").count(), 3, "{calls}");
    assert!(calls.rfind("/readyz") < calls.find("helm list"), "{calls}");
}

#[rstest]
fn up_goes_on_where_it_stopped(#[values("pending-install", "failed")] status: &str) {
    let stand_ins = StandIns::well();
    stand_ins.first("kind", r#""get clusters") echo verdikt-cilium-1.20 ;;"#);
    stand_ins.first("helm", &INSTALLED.replace("deployed", status));
    let ran = stand_ins.verdikt(&["cluster", "up"]);
    assert_eq!(ran.code, 0, "{status}\n{ran}");
    let calls = stand_ins.calls();
    assert!(!calls.contains("create cluster"), "{status}\n{calls}");
    let [removed, installed] =
        ["helm uninstall cilium", "helm upgrade --install"].map(|call| calls.find(call).unwrap());
    assert!(removed < installed, "{status}\n{calls}");
}

#[test]
fn up_tells_what_a_failed_installation_waits_for() {
    let stand_ins = StandIns::well();
    stand_ins.first(
        "helm",
        "upgrade*) echo 'Error: resource Deployment/kube-system/hubble-relay not ready. status: InProgress, message: \
         Available: 0/1' >&2; echo 'context deadline exceeded' >&2; exit 1 ;;",
    );
    stand_ins.first(
        "docker",
        r#"*"get pods"*) echo '{"items": [
            {"metadata": {"namespace": "kube-system", "name": "cilium-x"},
             "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}},
            {"metadata": {"namespace": "kube-system", "name": "hubble-relay-y"},
             "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}],
                        "containerStatuses": [{"name": "hubble-relay", "ready": false,
                            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                            "lastState": {"terminated": {"exitCode": 1}}}]}}]}' ;;
        *"logs --namespace kube-system hubble-relay-y --container hubble-relay"*) echo 'Error: no certificate' ;;"#,
    );
    assert_snapshot!(stand_ins.verdikt(&["cluster", "up"]), @r"
    exit code 4
    --- stderr
    check docker, kind and helm
    fetch the images that are missing
    create the nodes of `verdikt-cilium-1.20`, Kubernetes 1.36
    copy 4 images into the nodes
    install Cilium 1.20.2 and wait until it is ready
    kube-system/hubble-relay-y is not ready: its container hubble-relay ends with 1
    kube-system/hubble-relay-y says: Error: no certificate
    error: cannot install Cilium 1.20.2 in `verdikt-cilium-1.20`: `helm` exits with 1
      | Error: resource Deployment/kube-system/hubble-relay not ready. status: InProgress, message: Available: 0/1
      | context deadline exceeded

    hint: the lines above say which pods are not ready; `kubectl get events -n kube-system` may tell more; `verdikt cluster up` goes on where it stopped, `--timeout DURATION` waits longer
    ");
}

#[test]
fn nodes_pull_what_cannot_be_copied() {
    let stand_ins = StandIns::well();
    stand_ins.first("kind", "load*) echo 'ERROR: failed to detect containerd snapshotter' >&2; exit 1 ;;");
    let ran = stand_ins.verdikt(&["cluster", "up"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(
        ran.stderr.contains("the nodes pull the images themselves, as copying failed: ERROR: failed"),
        "{ran}"
    );
    assert!(!stand_ins.calls().contains("useDigest"), "by digest, as the chart has them");
    let ran = stand_ins.verdikt(&["cluster", "up", "--registry", "mirror"]);
    assert_eq!(ran.code, 4, "without the internet they cannot: {ran}");
}

#[test]
fn images_that_are_here_are_not_pulled() {
    let stand_ins = StandIns::well();
    stand_ins.first(
        "docker",
        r#""image inspect"*cilium/cilium:*) echo "quay.io/cilium/cilium@sha256:old" ;; "image inspect"*) ;;"#,
    );
    let ran = stand_ins.verdikt(&["cluster", "up"]);
    assert_eq!(ran.code, 0, "{ran}");
    let calls = stand_ins.calls();
    let pulled: Vec<&str> = calls.lines().filter(|call| call.starts_with("docker pull")).collect();
    assert_eq!(pulled.len(), 1, "only the one with another digest: {pulled:?}");
    assert!(pulled[0].contains("quay.io/cilium/cilium@sha256:"), "{pulled:?}");
}

/// A program that is under way ends with the command, and what it had begun is removed.
#[rstest]
#[case::interrupt("-INT", &["cluster", "up"])]
#[case::terminate("-TERM", &["cluster", "up"])]
#[case::hang_up("-HUP", &["run", "--on", "kind", "redis.yaml"])]
fn a_signal_ends_what_comes_up(#[case] signal: &str, #[case] run: &[&str]) {
    let stand_ins = StandIns::well();
    fs::write(stand_ins.0.path("redis.yaml"), GOOD).unwrap();
    let pid = stand_ins.0.path("pid");
    stand_ins.first("kind", &format!("create*) echo $$ > '{}'; while :; do :; done ;;", pid.display()));
    let child = stand_ins.start(run);
    let kind = loop {
        let pid = fs::read_to_string(&pid).unwrap_or_default();
        if pid.ends_with('\n') {
            break pid.trim().to_owned();
        }
        std::thread::yield_now();
    };
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("error: interrupted: cannot create the cluster"), "{said}");
    let calls = stand_ins.calls();
    assert!(calls.trim_end().ends_with("kind delete cluster --name verdikt-cilium-1.20"), "{calls}");
    assert!(!std::path::Path::new("/proc").join(kind).exists(), "kind is still there");
}

#[test]
fn down() {
    let stand_ins = StandIns::well();
    assert_snapshot!(stand_ins.verdikt(&["cluster", "down", "audit"]), @r"
    exit code 0
    --- stderr
    there is no cluster `verdikt-audit`
    ");
    stand_ins.first("kind", r#""get clusters") printf 'audit\nverdikt-audit\nverdikt-audit-2\n' ;;"#);
    assert_snapshot!(stand_ins.verdikt(&["cluster", "down", "audit"]), @r"
    exit code 0
    --- stderr
    the cluster `verdikt-audit` is removed
    ");
    assert_snapshot!(stand_ins.calls(), @r"
    docker container ls --all --filter label=verdikt.dev/cluster=verdikt-audit --format {{.Names}}
    kind get clusters
    kind delete cluster --name verdikt-audit
    ");
}

#[test]
fn list() {
    let stand_ins = StandIns::well();
    stand_ins.first("kind", r#""get clusters") printf 'mine\nverdikt-audit\nverdikt-old\n' ;;"#);
    assert_snapshot!(stand_ins.verdikt(&["cluster", "list"]), @r"
    exit code 0
    --- stdout
    cilium-1.16             Cilium 1.16.19   Kubernetes 1.30  -       Cilium 1.16, for comparing before an upgrade
    cilium-1.17             Cilium 1.17.18   Kubernetes 1.32  -       Cilium 1.17, for comparing before an upgrade
    cilium-1.18             Cilium 1.18.14   Kubernetes 1.33  -       Cilium 1.18, the oldest supported minor
    cilium-1.19             Cilium 1.19.8    Kubernetes 1.35  -       Cilium 1.19, a supported minor
    cilium-1.20             Cilium 1.20.2    Kubernetes 1.36  -       Cilium 1.20, the newest minor
    kube-proxy-replacement  Cilium 1.20.2    Kubernetes 1.36  -       no kube-proxy: Cilium translates services itself
    dual-stack              Cilium 1.20.2    Kubernetes 1.36  -       IPv4 and IPv6 side by side
    two-workers             Cilium 1.20.2    Kubernetes 1.36  -       a control plane and two workers
    audit                   Cilium 1.20.2    Kubernetes 1.36  exists  policy audit mode: what would be denied is let through and reported
    wireguard               Cilium 1.20.2    Kubernetes 1.36  -       WireGuard between the nodes, for pods and nodes alike
    host-firewall           Cilium 1.20.2    Kubernetes 1.36  -       policies for nodes: Cilium's host firewall
    cluster-network-policy  Cilium 1.20.2    Kubernetes 1.36  -       ClusterNetworkPolicy of the Kubernetes Network Policy API
    node-local-dns          Cilium 1.20.2    Kubernetes 1.36  -       a DNS cache on every node, and queries redirected to it
    gateway                 Cilium 1.20.2    Kubernetes 1.36  -       Gateway API with the L7 proxy
    --- stderr
    note: the cluster `verdikt-old` exists, and there is no profile `old`
    ");
    stand_ins.without("kind");
    let ran = stand_ins.verdikt(&["cluster", "list"]);
    assert!(ran.code == 0 && ran.stderr.contains("cannot list the clusters"), "{ran}");
}

#[test]
fn doctor() {
    let stand_ins = StandIns::well();
    assert_snapshot!(stand_ins.verdikt(&["cluster", "doctor"]), @r"
    exit code 0
    --- stdout
    docker  ok       28.2.2; 20.10.0 or newer is needed
    kind    ok       0.33.0; 0.33.0 or newer is needed
    helm    ok       3.18.4; 3.14.0 or newer is needed
    ");
    assert_snapshot!(stand_ins.verdikt(&["cluster", "doctor", "wireguard"]), @r"
    exit code 0
    --- stdout
    docker  ok       28.2.2; 20.10.0 or newer is needed
    kind    ok       0.33.0; 0.33.0 or newer is needed
    helm    ok       3.18.4; 3.14.0 or newer is needed
    images  -        0 of 5 are on this machine
                     `cluster up` pulls docker.io/kindest/node:v1.36.4
                     `cluster up` pulls quay.io/cilium/cilium:v1.20.2
                     `cluster up` pulls quay.io/cilium/operator-generic:v1.20.2
                     `cluster up` pulls quay.io/cilium/hubble-relay:v1.20.2
                     `cluster up` pulls quay.io/cilium/cilium-envoy:v1.37.6-1789133542-cbec91f666af0bf742da986d43832932dbb26b82
    cluster -        `verdikt cluster up wireguard` creates `verdikt-wireguard`
    ");
    stand_ins.first("kind", "'get clusters') echo verdikt-wireguard ;;");
    stand_ins.first("docker", "'image inspect'*) exit 0 ;;");
    assert_snapshot!(stand_ins.verdikt(&["cluster", "doctor", "wireguard"]), @r"
    exit code 0
    --- stdout
    docker  ok       28.2.2; 20.10.0 or newer is needed
    kind    ok       0.33.0; 0.33.0 or newer is needed
    helm    ok       3.18.4; 3.14.0 or newer is needed
    images  ok       5 of 5 are on this machine
    cluster exists   `verdikt cluster up wireguard` checks whether `verdikt-wireguard` is complete
    ");
    let ran = stand_ins.verdikt(&["cluster", "doctor", "wiregard"]);
    assert!(ran.code == 2 && ran.stderr.contains("did you mean `wireguard`?"), "{ran}");
    stand_ins.without("helm");
    stand_ins.first("kind", "version) echo 'kind v0.20.0 go1.20.4' ;;");
    stand_ins.first("docker", "version*) echo 'Is the docker daemon running?' >&2; exit 1 ;;");
    assert_snapshot!(stand_ins.verdikt(&["cluster", "doctor"]), @r"
    exit code 4
    --- stdout
    docker  fails    cannot ask docker for its version: `docker` exits with 1
                       | Is the docker daemon running?
                     start the docker daemon: `sudo systemctl start docker`, or start Docker Desktop; DOCKER_HOST says which daemon is meant, if it is set
    kind    too old  `kind` is 0.20.0; 0.33.0 or newer is needed
                     install kind with `go install sigs.k8s.io/kind@v0.33.0`, `brew install kind`, or as https://kind.sigs.k8s.io/docs/user/quick-start/#installation says; then `verdikt cluster doctor`
    helm    missing  `helm` is not installed, or not in the PATH
                     install Helm with `brew install helm`, `snap install helm --classic`, or as https://helm.sh/docs/intro/install/ says; then `verdikt cluster doctor`
    ");
}

#[test]
fn images() {
    let project = Project::with::<&str>(&[]);
    assert_snapshot!(project.verdikt(&["images", "--cilium", "1.18"]), @r"
    exit code 0
    --- stdout
    Cilium 1.18  node      docker.io/kindest/node:v1.33.12@sha256:3f5c8443c620245e4d355cfe09e96a91ead32ceaa569d3f1ca9edf0cb2fe2ff4  (the digest was not read at its source)
    Cilium 1.18  agent     quay.io/cilium/cilium:v1.18.14@sha256:0e65a0910d74be4d56ebc8f8a010b566f9177444667dbb8eb5b2d8d840ea5406
    Cilium 1.18  operator  quay.io/cilium/operator-generic:v1.18.14@sha256:6a77082c3938edad0433f53c46a90b8da08c9e4a9a255e51a1c2ff410db60104
    Cilium 1.18  relay     quay.io/cilium/hubble-relay:v1.18.14@sha256:828c22fcde4c0f7317ad5bb0f73c42294c6b3e2be286bb9374cf66cea930fb5d
    Cilium 1.18  envoy     quay.io/cilium/cilium-envoy  (the chart knows the tag)
    ");
    let all = project.verdikt(&["images", "--json"]);
    let all: serde_json::Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 25);
    assert_eq!(all[24]["role"], "envoy");
    assert_eq!(all[24]["cilium"], "1.20");
}

#[test]
fn an_unknown_profile() {
    let project = Project::with::<&str>(&[]);
    assert_snapshot!(project.verdikt(&["cluster", "up", "dualstack"]), @r"
    exit code 2
    --- stderr
    error: there is no profile `dualstack`; did you mean `dual-stack`?

    hint: `verdikt cluster list` shows all profiles and what each is for
    ");
}

#[test]
fn what_kind_began_is_removed_if_it_hangs() {
    let stand_ins = StandIns::well();
    // The cluster is there once kind has begun to create it.
    let begun = stand_ins.0.path("begun").display().to_string();
    stand_ins.first(
        "kind",
        &format!(
            "create*) : > {begun}; while :; do :; done ;; \
             'get clusters') [ ! -e {begun} ] || echo verdikt-cilium-1.20 ;;"
        ),
    );
    let ran = stand_ins.verdikt(&["cluster", "up", "--timeout", "1s"]);
    assert_eq!(ran.code, 4, "{ran}");
    assert!(
        stand_ins.calls().ends_with("kind delete cluster --name verdikt-cilium-1.20\n"),
        "{}",
        stand_ins.calls()
    );
}
