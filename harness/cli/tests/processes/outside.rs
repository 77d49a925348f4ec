//! Hosts outside of kind clusters, and what `verdikt clean --local` removes: with stand-ins for docker, kind and helm.

use std::fmt::Write as _;
use std::fs;

use insta::assert_snapshot;

use crate::project::GOOD;
use crate::stand_ins::{INSTALLED, StandIns};

/// How docker answers where nothing is outside of the cluster yet. The container runs once it is started.
const NOTHING: &str = r#"
    "container inspect --format {{.Image}}"*) echo sha256:5a1f kind ;;
    "container inspect"*verdikt-world-*)
        [ -e started ] || { echo "Error: No such container: verdikt-world-two-workers" >&2; exit 1; }
        echo true 172.18.0.5 ;;
    "run --detach"*) : > started ;;
    *" get nodes --output json") echo '{"items": [
        {"metadata": {"name": "verdikt-two-workers-control-plane"}, "spec": {"podCIDRs": ["10.244.0.0/24"]},
         "status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.3"}]}},
        {"metadata": {"name": "verdikt-two-workers-worker"}, "spec": {"podCIDRs": ["10.244.1.0/24"]},
         "status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.4"}]}}]}' ;;
    *"jsonpath={.data.Corefile}") printf '.:53 {\n    reload\n}\n' ;;
    *" test -x "*) exit 1 ;;"#;

/// How docker answers where all of it is there.
const ALL: &str = r#"
    *"jsonpath={.data.Corefile}") printf '.:53 {\n    reload\n}\n# Begin of what verdikt added: names of hosts outside the cluster.\ntest:53 {\n    errors\n    forward . 203.0.113.253\n}\n# End of what verdikt added.\n' ;;
    *" test -x "*) ;;"#;

/// A cluster that is up, with these answers of docker in front of those of [`NOTHING`].
fn up(docker: &str) -> StandIns {
    let stand_ins = StandIns::well();
    stand_ins.first("kind", r#""get clusters") echo verdikt-two-workers ;;"#);
    stand_ins.first("helm", INSTALLED);
    stand_ins.first("docker", &format!("{docker}{NOTHING}"));
    let outside = GOOD
        .replace("  pods:\n", "  world: {client: {}}\n  pods:\n")
        .replace("[shop/stock]", "[shop/stock, client]");
    for (name, text) in [("outside.yaml", outside.as_str()), ("inside.yaml", GOOD)] {
        fs::write(stand_ins.0.path(name), text).unwrap();
    }
    stand_ins
}

/// What is called once the probe's image has been loaded into the nodes. The run itself ends there: no cluster answers.
fn calls_of_run(stand_ins: &StandIns, arguments: &[&str]) -> String {
    let ran = stand_ins.verdikt_with_probe(&[&["run", "--on", "kind:two-workers"], arguments].concat());
    assert!(ran.code == 4 && ran.stderr.contains("no-kubeconfig"), "{ran}");
    let calls = stand_ins.calls();
    let (_, calls) = calls.split_once("kind load image-archive").unwrap();
    calls.split_once('\n').unwrap().1.to_owned()
}

#[test]
fn a_run_makes_room_for_hosts_outside() {
    let stand_ins = up("");
    assert_snapshot!(calls_of_run(&stand_ins, &["outside.yaml"]), @r#"
    docker container inspect --format {{.Image}}{{range $name, $_ := .NetworkSettings.Networks}} {{$name}}{{end}} verdikt-two-workers-control-plane
    docker container inspect --format {{.State.Running}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{else}}-{{end}} verdikt-world-two-workers
    docker run --detach --name verdikt-world-two-workers --label verdikt.dev/owner=verdikt --label verdikt.dev/cluster=verdikt-two-workers --network kind --cap-add NET_ADMIN --entrypoint sleep sha256:5a1f infinity
    docker container inspect --format {{.State.Running}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{else}}-{{end}} verdikt-world-two-workers
    docker exec --interactive verdikt-two-workers-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes --output json
    docker exec verdikt-world-two-workers sh -ec ip route replace local 192.0.2.0/24 dev lo; ip route replace local 198.51.100.0/24 dev lo; ip route replace local 203.0.113.0/24 dev lo; ip route replace 10.244.0.0/24 via 172.18.0.3; ip route replace 10.244.1.0/24 via 172.18.0.4
    docker exec verdikt-two-workers-control-plane sh -ec ip route replace 192.0.2.0/24 via 172.18.0.5; ip route replace 198.51.100.0/24 via 172.18.0.5; ip route replace 203.0.113.0/24 via 172.18.0.5
    docker exec verdikt-two-workers-worker sh -ec ip route replace 192.0.2.0/24 via 172.18.0.5; ip route replace 198.51.100.0/24 via 172.18.0.5; ip route replace 203.0.113.0/24 via 172.18.0.5
    docker exec verdikt-world-two-workers test -x /verdikt-probe-a7f6a923824f
    docker exec --interactive verdikt-world-two-workers sh -ec cat > /verdikt-probe-a7f6a923824f.part; chmod 755 /verdikt-probe-a7f6a923824f.part; mv /verdikt-probe-a7f6a923824f.part /verdikt-probe-a7f6a923824f
    docker exec --interactive verdikt-two-workers-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf --namespace kube-system get configmap/coredns --output=jsonpath={.data.Corefile}
    docker exec --interactive verdikt-two-workers-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf --namespace kube-system patch configmap/coredns --patch {"data":{"Corefile":".:53 {\n    reload\n}\n# Begin of what verdikt added: names of hosts outside the cluster.\ntest:53 {\n    errors\n    forward . 203.0.113.253\n}\n# End of what verdikt added.\n"}}
    docker exec --interactive verdikt-two-workers-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf --namespace kube-system patch deployment/coredns --patch {"spec":{"template":{"metadata":{"annotations":{"verdikt.dev/world-dns":"203.0.113.253"}}}}}
    docker exec --interactive verdikt-two-workers-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf --namespace kube-system rollout status deployment/coredns --timeout=180s
    "#);
}

#[test]
fn a_second_run_changes_nothing() {
    let stand_ins = up(ALL);
    fs::write(stand_ins.0.path("started"), "").unwrap();
    let first = calls_of_run(&stand_ins, &["outside.yaml"]);
    assert_snapshot!(first, @r#"
    docker container inspect --format {{.Image}}{{range $name, $_ := .NetworkSettings.Networks}} {{$name}}{{end}} verdikt-two-workers-control-plane
    docker container inspect --format {{.State.Running}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{else}}-{{end}} verdikt-world-two-workers
    docker exec --interactive verdikt-two-workers-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes --output json
    docker exec verdikt-world-two-workers sh -ec ip route replace local 192.0.2.0/24 dev lo; ip route replace local 198.51.100.0/24 dev lo; ip route replace local 203.0.113.0/24 dev lo; ip route replace 10.244.0.0/24 via 172.18.0.3; ip route replace 10.244.1.0/24 via 172.18.0.4
    docker exec verdikt-two-workers-control-plane sh -ec ip route replace 192.0.2.0/24 via 172.18.0.5; ip route replace 198.51.100.0/24 via 172.18.0.5; ip route replace 203.0.113.0/24 via 172.18.0.5
    docker exec verdikt-two-workers-worker sh -ec ip route replace 192.0.2.0/24 via 172.18.0.5; ip route replace 198.51.100.0/24 via 172.18.0.5; ip route replace 203.0.113.0/24 via 172.18.0.5
    docker exec verdikt-world-two-workers test -x /verdikt-probe-a7f6a923824f
    docker exec --interactive verdikt-two-workers-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf --namespace kube-system get configmap/coredns --output=jsonpath={.data.Corefile}
    docker exec --interactive verdikt-two-workers-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf --namespace kube-system patch deployment/coredns --patch {"spec":{"template":{"metadata":{"annotations":{"verdikt.dev/world-dns":"203.0.113.253"}}}}}
    docker exec --interactive verdikt-two-workers-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf --namespace kube-system rollout status deployment/coredns --timeout=180s
    "#);
    assert_eq!(calls_of_run(&stand_ins, &["outside.yaml"]), first);
}

#[test]
fn a_container_that_has_stopped_is_replaced() {
    let stand_ins = up(
        r#""container inspect"*verdikt-world-*) [ -e started ] && echo true 172.18.0.5 || echo false - ;;"#,
    );
    let calls = calls_of_run(&stand_ins, &["outside.yaml"]);
    let calls: Vec<&str> = calls.lines().skip(2).take(2).collect();
    assert_eq!(calls[0], "docker container rm --force --volumes verdikt-world-two-workers");
    assert!(calls[1].starts_with("docker run --detach --name verdikt-world-two-workers "), "{calls:#?}");
}

#[test]
fn no_room_is_made_where_none_is_needed() {
    let check = |arguments: &[&str]| assert_eq!(calls_of_run(&up(""), arguments), "", "{arguments:?}");
    check(&["inside.yaml"]);
    check(&["outside.yaml", "--world", "ssh gateway verdikt-probe", "--world-addresses", "203.0.113.0/24"]);
}

#[test]
fn every_failure_of_making_room() {
    let mut text = String::new();
    let mut check = |name: &str, docker: &str| {
        let ran = up(docker).verdikt_with_probe(&["run", "outside.yaml", "--on", "kind:two-workers"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (4, ""), "{name}\n{ran}");
        writeln!(text, "# {name}\n{}", &ran.stderr[ran.stderr.find("error:").unwrap()..]).unwrap();
    };
    check(
        "another run is faster",
        r#""run --detach"*) echo 'docker: Error response from daemon: Conflict. The container name "/verdikt-world-two-workers" is already in use by container "f00".' >&2; exit 125 ;;"#,
    );
    check(
        "docker answers nonsense",
        r#""container inspect --format {{.Image}}"*) echo '<html> of a proxy' ;;"#,
    );
    check("no nodes", r#"*" get nodes --output json") echo '{"items": []}' ;;"#);
    check(
        "no routes",
        r#"*"route replace local"*) echo 'RTNETLINK answers: Operation not permitted' >&2; exit 2 ;;"#,
    );
    check(
        "a node has stopped",
        r"*two-workers-worker\ sh*) echo 'Error response from daemon: container 3f2 is not running' >&2; exit 1 ;;",
    );
    check("no disk", r#"*"cat > "*) echo 'cat: write error: No space left on device' >&2; exit 1 ;;"#);
    check(
        "another DNS",
        r#"*"jsonpath={.data.Corefile}") echo 'Error from server (NotFound): configmaps "coredns" not found' >&2; exit 1 ;;"#,
    );
    check(
        "the DNS does not come back",
        r#"*"rollout status"*) echo 'error: timed out waiting for the condition' >&2; exit 1 ;;"#,
    );
    assert_snapshot!(text, @r#"
    # another run is faster
    error: cannot start the container `verdikt-world-two-workers`: `docker` exits with 125
      | docker: Error response from daemon: Conflict. The container name "/verdikt-world-two-workers" is already in use by container "f00".

    hint: another run of verdikt may be making it now: try again; if it stays, `verdikt clean --local` removes it

    # docker answers nonsense
    error: cannot read the output of `docker`: `<html> of a proxy`

    hint: check whether `docker` is the program that verdikt expects: `verdikt cluster doctor`

    # no nodes
    error: cannot read the output of `docker`: `{"items": []}`

    hint: check whether `docker` is the program that verdikt expects: `verdikt cluster doctor`

    # no routes
    error: cannot set the routes of `verdikt-world-two-workers`: `docker` exits with 2
      | RTNETLINK answers: Operation not permitted

    hint: the container engine does not let verdikt route on the nodes' network: put hosts outside elsewhere with `--world`, `--world-addresses` and `--world-dns`

    # a node has stopped
    error: cannot set the routes of `verdikt-two-workers-worker`: `docker` exits with 1
      | Error response from daemon: container 3f2 is not running

    hint: the nodes have stopped: take the cluster down with `verdikt cluster down`, and up again

    # no disk
    error: cannot copy the probe into `verdikt-world-two-workers`: `docker` exits with 1
      | cat: write error: No space left on device

    hint: the disk is full: `docker system df` shows what docker keeps, `docker system prune` frees what nothing uses

    # another DNS
    error: cannot read the DNS configuration of `verdikt-two-workers`: `docker` exits with 1
      | Error from server (NotFound): configmaps "coredns" not found

    hint: the cluster's DNS is not the one that kind installs: take the cluster down with `verdikt cluster down`, and up again

    # the DNS does not come back
    error: cannot wait for the DNS of `verdikt-two-workers`: `docker` exits with 1
      | error: timed out waiting for the condition

    hint: a pod waits for something: `kubectl get pods -A` and `kubectl get events -A` tell which, and `kubectl logs -n kube-system -l k8s-app=kube-dns` what the DNS complains of
    "#);
}

#[test]
fn down_removes_what_is_outside() {
    let stand_ins = up(r#""container ls"*) echo verdikt-world-two-workers ;;"#);
    assert_eq!(stand_ins.verdikt(&["cluster", "down", "two-workers"]).code, 0);
    assert_snapshot!(stand_ins.calls(), @r"
    docker container ls --all --filter label=verdikt.dev/cluster=verdikt-two-workers --format {{.Names}}
    docker container rm --force --volumes verdikt-world-two-workers
    kind get clusters
    kind delete cluster --name verdikt-two-workers
    ");
}

#[test]
fn clean_removes_what_is_on_this_machine() {
    let stand_ins = StandIns::well();
    assert_snapshot!(stand_ins.verdikt(&["clean", "--local"]), @r"
    exit code 0
    --- stderr
    nothing to remove on this machine
    ");
    stand_ins.first("kind", r#""get clusters") printf 'mine\nverdikt-audit\nverdikt-old\n' ;;"#);
    stand_ins.first("docker", r#""container ls"*) printf 'verdikt-world-gateway\nverdikt-world-audit\n' ;;"#);
    assert_snapshot!(stand_ins.verdikt(&["clean", "--local"]), @r"
    exit code 0
    --- stdout
    container verdikt-world-audit
    container verdikt-world-gateway
    cluster verdikt-audit
    --- stderr
    the cluster `verdikt-old` belongs to no profile, and stays: `kind delete cluster --name verdikt-old` removes it
    ");
    assert_snapshot!(stand_ins.calls(), @r"
    kind get clusters
    docker container ls --all --filter label=verdikt.dev/owner=verdikt --format {{.Names}}
    docker container rm --force --volumes verdikt-world-audit verdikt-world-gateway
    kind delete cluster --name verdikt-audit
    ");
    stand_ins.without("kind");
    let ran = stand_ins.verdikt(&["clean", "--local"]);
    assert!(ran.code == 4 && ran.stderr.contains("`kind` is not installed"), "{ran}");
    assert!(!stand_ins.calls().contains("container rm"), "what cannot be removed whole is not begun");
}
