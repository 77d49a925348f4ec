//! `verdikt cluster up` where something fails: what is said, and what to do.

use rstest::rstest;

use crate::stand_ins::{INSTALLED, StandIns};

/// How the programs differ from those with which everything is well.
enum Change {
    /// A program is not installed.
    Without(&'static str),
    /// A program answers so before all else.
    First(&'static str, &'static str),
}

use Change::{First, Without};

/// What `helm list` says of an earlier Cilium.
const INSTALLED_EARLIER: &str =
    r#"list*) echo '[{"name":"cilium","chart":"cilium-1.20.1","status":"deployed"}]' ;;"#;

/// The cluster of the profile is there.
const UP: &str = r#""get clusters") echo verdikt-cilium-1.20 ;;"#;

#[rstest]
#[case::no_docker(
    &[Without("docker")],
    &[],
    r"error: `docker` is not installed, or not in the PATH

hint: install Docker Engine as https://docs.docker.com/engine/install/ says; then `verdikt cluster doctor`"
)]
#[case::no_kind(
    &[Without("kind")],
    &[],
    r"error: `kind` is not installed, or not in the PATH

hint: install kind with `go install sigs.k8s.io/kind@v0.33.0`, `brew install kind`, or as https://kind.sigs.k8s.io/docs/user/quick-start/#installation says; then `verdikt cluster doctor`"
)]
#[case::no_helm(
    &[Without("helm")],
    &[],
    r"error: `helm` is not installed, or not in the PATH

hint: install Helm with `brew install helm`, `snap install helm --classic`, or as https://helm.sh/docs/intro/install/ says; then `verdikt cluster doctor`"
)]
#[case::an_old_kind(
    &[First("kind", "version) echo 'kind v0.20.0 go1.20.4' ;;")],
    &[],
    r"error: `kind` is 0.20.0; 0.33.0 or newer is needed

hint: install kind with `go install sigs.k8s.io/kind@v0.33.0`, `brew install kind`, or as https://kind.sigs.k8s.io/docs/user/quick-start/#installation says; then `verdikt cluster doctor`"
)]
#[case::a_program_of_that_name(
    &[First("helm", "version*) echo hello ;;")],
    &[],
    r"error: cannot read the version of `helm`: it prints `hello`

hint: install Helm with `brew install helm`, `snap install helm --classic`, or as https://helm.sh/docs/intro/install/ says; then `verdikt cluster doctor`"
)]
#[case::no_daemon(
    &[First("docker", "version*) echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker \
                 daemon running?' >&2; exit 1 ;;")],
    &[],
    r"error: cannot ask docker for its version: `docker` exits with 1
  | Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?

hint: start the docker daemon: `sudo systemctl start docker`, or start Docker Desktop; DOCKER_HOST says which daemon is meant, if it is set"
)]
#[case::not_allowed(
    &[First("docker", "version*) echo 'permission denied while trying to connect to the Docker daemon socket' >&2; exit 1 ;;")],
    &[],
    r"error: cannot ask docker for its version: `docker` exits with 1
  | permission denied while trying to connect to the Docker daemon socket

hint: let your user use docker: `sudo usermod -aG docker $USER`, then log in again"
)]
#[case::an_image_that_cannot_be_pulled(
    &[First("docker", "pull*) echo 'Error response from daemon: Get \"https://quay.io/v2/\": dial tcp: lookup quay.io: no such \
                 host' >&2; exit 1 ;;")],
    &[],
    r#"error: cannot pull the image `docker.io/kindest/node@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed`: `docker` exits with 1
  | Error response from daemon: Get "https://quay.io/v2/": dial tcp: lookup quay.io: no such host

hint: cannot reach the registry or chart: check whether a proxy is needed (HTTPS_PROXY), or work without the internet: `--registry HOST` or `--image-archive FILE`, and `--chart FILE`"#
)]
#[case::no_disk(
    &[First("docker", "pull*) echo 'failed to register layer: write /usr/bin/x: no space left on device' >&2; exit 1 ;;")],
    &[],
    r"error: cannot pull the image `docker.io/kindest/node@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed`: `docker` exits with 1
  | failed to register layer: write /usr/bin/x: no space left on device

hint: the disk is full: `docker system df` shows what docker keeps, `docker system prune` frees what nothing uses"
)]
#[case::an_archive_that_is_none(
    &[First("docker", "load*) echo 'open x.tar: no such file or directory' >&2; exit 1 ;;")],
    &["--image-archive", "x.tar"],
    r"error: cannot load the image archive `x.tar`: `docker` exits with 1
  | open x.tar: no such file or directory

hint: name an existing archive that `docker save` wrote"
)]
#[case::kind_fails(
    &[First("kind", "create*) echo 'ERROR: failed to create cluster: failed to init node with kubeadm' >&2; exit 1 ;;")],
    &[],
    r"error: cannot create the cluster `verdikt-cilium-1.20`: `kind` exits with 1
  | ERROR: failed to create cluster: failed to init node with kubeadm

hint: `kind create cluster --retain -v 1` with the profile's kind.yaml keeps the nodes, and `kind export logs` says what happened in them"
)]
#[case::kind_hangs(
    &[First("kind", "create*) while :; do :; done ;;")],
    &["--timeout", "1s"],
    r"error: cannot create the cluster `verdikt-cilium-1.20`: `kind` did not end within 1 s, and was stopped

hint: the machine or its network is too slow, or a pod waits for something: `kubectl get pods -A` and `kubectl get events -A` tell which; `--timeout DURATION` waits longer"
)]
#[case::helm_times_out(
    &[First("helm", "upgrade*) echo 'Error: context deadline exceeded' >&2; exit 1 ;;")],
    &[],
    r"error: cannot install Cilium 1.20.2 in `verdikt-cilium-1.20`: `helm` exits with 1
  | Error: context deadline exceeded

hint: the lines above say which pods are not ready; `kubectl get events -n kube-system` may tell more; `verdikt cluster up` goes on where it stopped, `--timeout DURATION` waits longer"
)]
#[case::another_cilium_is_there(
    &[First("kind", UP), First("helm", INSTALLED_EARLIER)],
    &[],
    r"error: the cluster `verdikt-cilium-1.20` has cilium-1.20.1; the profile has cilium-1.20.2

hint: replace it: `verdikt cluster down cilium-1.20`, then `verdikt cluster up cilium-1.20`"
)]
#[case::helm_answers_nonsense(
    &[First("kind", UP), First("helm", "list*) echo '<html>' ;;")],
    &[],
    r"error: cannot read the output of `helm`: `<html>`

hint: check whether `helm` is the program that verdikt expects: `verdikt cluster doctor`"
)]
#[case::the_nodes_have_stopped(
    &[First("kind", UP), First("helm", INSTALLED), First("docker", "exec*) echo 'Error response from daemon: container 3f2 is not running' >&2; exit 1 ;;")],
    &[],
    r"error: cannot wait for the nodes of `verdikt-cilium-1.20`: `docker` exits with 1
  | Error response from daemon: container 3f2 is not running

hint: the nodes have stopped: take the cluster down with `verdikt cluster down`, and up again"
)]
#[case::a_cluster_that_was_never_whole(
    &[First("kind", UP), First("helm", "list*) echo 'Error: kubernetes cluster unreachable' >&2; exit 1 ;;")],
    &[],
    r"error: cannot ask for Cilium in `verdikt-cilium-1.20`: `helm` exits with 1
  | Error: kubernetes cluster unreachable

hint: the cluster is incomplete or gone: take it down with `verdikt cluster down`, and up again"
)]
#[case::another_chart(
    &[First("helm", "'show chart'*) printf 'name: cilium\\nversion: 1.20.0\\n' ;;")],
    &["--chart", "cilium.tgz"],
    r"error: the chart `cilium.tgz` is cilium 1.20.0; the profile `cilium-1.20` has cilium 1.20.2

hint: fetch that one where the internet is: `helm pull cilium --repo https://helm.cilium.io --version 1.20.2`"
)]
#[case::no_chart(
    &[First("helm", "'show chart'*) echo 'Error: path \"/x/cilium.tgz\" not found' >&2; exit 1 ;;")],
    &["--chart", "/x/cilium.tgz"],
    r#"error: cannot read the chart `/x/cilium.tgz`: `helm` exits with 1
  | Error: path "/x/cilium.tgz" not found

hint: name an existing chart that `helm pull` wrote"#
)]
#[case::an_archive_that_is_cut_off(
    &[First("docker", "load*) echo 'Error processing tar file(exit status 1): unexpected EOF' >&2; exit 1 ;;")],
    &["--image-archive", "x.tar"],
    r"error: cannot load the image archive `x.tar`: `docker` exits with 1
  | Error processing tar file(exit status 1): unexpected EOF

hint: name an existing archive that `docker save` wrote"
)]
#[case::no_such_manifest(
    &[],
    &["gateway", "--manifest", "nowhere.yaml"],
    r"error: cannot read `nowhere.yaml`
  caused by: No such file or directory (os error 2)

hint: name a file that can be read"
)]
fn up_fails(#[case] changes: &[Change], #[case] arguments: &[&str], #[case] expected: &str) {
    let stand_ins = StandIns::well();
    for change in changes {
        match change {
            Without(program) => stand_ins.without(program),
            First(program, answer) => stand_ins.first(program, answer),
        }
    }
    let ran = stand_ins.verdikt(&[&["cluster", "up"], arguments].concat());
    assert_eq!((ran.code, ran.stdout.as_str()), (4, ""), "{ran}");
    let said = &ran.stderr[ran.stderr.find("error:").unwrap()..];
    assert_eq!(said.trim_end(), expected, "{ran}");
}
