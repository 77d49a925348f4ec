//! The next step after each failure.

use crate::error::Error;
use crate::install;
use crate::program::Program;
use crate::versions::versions;

/// What docker prints if its daemon cannot be reached.
const NO_DAEMON: &[&str] = &[
    "cannot connect to the docker daemon",
    "failed to connect to the docker api",
    "is the docker daemon running",
];

/// What programs print on failure, in lower case, with the advice for it. The first match counts.
const SAID: &[(&[&str], &str)] = &[
    (
        &["permission denied while trying to connect"],
        "let your user use docker: `sudo usermod -aG docker $USER`, then log in again",
    ),
    (NO_DAEMON, START_DOCKER),
    (
        &["no space left on device", "disk quota exceeded"],
        "the disk is full: `docker system df` shows what docker keeps, `docker system prune` frees what nothing uses",
    ),
    (
        &["too many open files", "failed to create fsnotify watcher"],
        "give the nodes more watches: `sudo sysctl fs.inotify.max_user_instances=512 \
         fs.inotify.max_user_watches=524288`; https://kind.sigs.k8s.io/docs/user/known-issues/#pod-errors-due-to-too-many-open-files",
    ),
    (
        &["is not running", "no such container"],
        "the nodes have stopped: take the cluster down with `verdikt cluster down`, and up again",
    ),
    (
        &[
            "kubernetes cluster unreachable",
            "could not locate any control plane nodes",
            "failed to get cluster internal",
        ],
        "the cluster is incomplete or gone: take it down with `verdikt cluster down`, and up again",
    ),
    (
        &["already exist for a cluster", "node(s) already exist"],
        "parts of an earlier cluster are left: remove them with `verdikt cluster down`, and bring it up again",
    ),
    (
        &["is already in use by container"],
        "another run of verdikt may be making it now: try again; if it stays, `verdikt clean --local` removes it",
    ),
    (
        &["rtnetlink answers", "ip: not found", "executable file not found", "can't find device"],
        "the container engine does not let verdikt route on the nodes' network: put hosts outside elsewhere with `--world`, \
         `--world-addresses` and `--world-dns`",
    ),
    (
        &["configmaps \"coredns\" not found", "deployments.apps \"coredns\" not found"],
        "the cluster's DNS is not the one that kind installs: take the cluster down with `verdikt cluster down`, and up again",
    ),
    (
        &["timed out waiting for the condition", "exceeded its progress deadline"],
        "a pod waits for something: `kubectl get pods -A` and `kubectl get events -A` tell which, and `kubectl logs -n \
         kube-system -l k8s-app=kube-dns` what the DNS complains of",
    ),
    (
        &["port is already allocated", "address already in use"],
        "another program uses a port that a node needs: `docker ps` shows which container publishes it",
    ),
    (
        &["toomanyrequests", "rate limit"],
        "the registry's rate limit is reached: `docker login` raises it; or name a mirror with `--registry HOST`",
    ),
    (
        &[
            "no such host",
            "dial tcp",
            "i/o timeout",
            "tls handshake timeout",
            "temporary failure in name resolution",
            "could not resolve",
            "is not a valid chart repository",
            "network is unreachable",
        ],
        "cannot reach the registry or chart: check whether a proxy is needed (HTTPS_PROXY), or work without \
         the internet: `--registry HOST` or `--image-archive FILE`, and `--chart FILE`",
    ),
    (
        &["manifest unknown", "not found: manifest", "no such manifest", "pull access denied"],
        "the registry does not have this image: `verdikt images` lists all that it must have, by digest",
    ),
    (
        &["does not appear to be a gzipped archive", ".tgz\" not found"],
        "name an existing chart that `helm pull` wrote",
    ),
    (
        &[
            "error processing tar file",
            "invalid tar header",
            "unrecognized image format",
            "no such file or directory",
        ],
        "name an existing archive that `docker save` wrote",
    ),
];

const START_DOCKER: &str = "start the docker daemon: `sudo systemctl start docker`, or start Docker Desktop; DOCKER_HOST \
                            says which daemon is meant, if it is set";

impl Error {
    /// What to do next.
    pub fn advice(&self) -> String {
        of(self)
    }
}

/// What to do next.
pub(crate) fn of(error: &Error) -> String {
    match error {
        Error::NotInstalled(program) | Error::Old { program, .. } | Error::NoVersion { program, .. } => {
            format!("{}; then `verdikt cluster doctor`", install::how(*program))
        }
        Error::NotStarted { program, .. } => {
            format!("check whether `{program}` runs by itself: `{program} version`")
        }
        Error::Failed { program, said, .. } => of_failure(*program, said),
        Error::Interrupted { .. } => "run the same command again: it continues where it stopped".to_owned(),
        Error::TimedOut { program: Program::Docker, .. } => {
            "check whether the docker daemon answers: `docker info`; on a slow network load the images beforehand: \
             `--image-archive FILE`"
                .to_owned()
        }
        Error::TimedOut { .. } => {
            "the machine or its network is too slow, or a pod waits for something: `kubectl get pods -A` and `kubectl \
             get events -A` tell which; `--timeout DURATION` waits longer"
                .to_owned()
        }
        Error::Differs { profile, .. } => {
            format!("replace it: `verdikt cluster down {profile}`, then `verdikt cluster up {profile}`")
        }
        Error::Chart { wanted, .. } => format!(
            "fetch that one where the internet is: `helm pull cilium --repo {} --version {wanted}`",
            versions().charts
        ),
        Error::Answer { program, .. } => {
            format!("check whether `{program}` is the program that verdikt expects: `verdikt cluster doctor`")
        }
        Error::File { .. } => "name a file that can be read".to_owned(),
    }
}

fn of_failure(program: Program, said: &str) -> String {
    let said = said.to_lowercase();
    let known = SAID.iter().find(|(texts, _)| texts.iter().any(|text| said.contains(text)));
    if let Some((_, advice)) = known {
        return (*advice).to_owned();
    }
    match program {
        Program::Docker => "check the docker daemon: `docker info`".to_owned(),
        Program::Kind => "`kind create cluster --retain -v 1` with the profile's kind.yaml keeps the nodes, and `kind \
                          export logs` says what happened in them"
            .to_owned(),
        Program::Helm => "the lines above say which pods are not ready; `kubectl get events -n kube-system` may tell more; \
                          `verdikt cluster up` goes on where it stopped, `--timeout DURATION` waits longer"
            .to_owned(),
    }
}
