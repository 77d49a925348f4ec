//! Advice on installing the programs.

use crate::program::Program;
use crate::versions::versions;

/// Advice on how to get a supported version of a program.
pub(crate) fn how(program: Program) -> String {
    let least = versions().programs;
    match program {
        Program::Docker => "install Docker Engine as https://docs.docker.com/engine/install/ says".to_owned(),
        Program::Kind => format!(
            "install kind with `go install sigs.k8s.io/kind@v{}`, `brew install kind`, or as \
             https://kind.sigs.k8s.io/docs/user/quick-start/#installation says",
            least.kind
        ),
        Program::Helm => "install Helm with `brew install helm`, `snap install helm --classic`, or as \
             https://helm.sh/docs/intro/install/ says"
            .to_owned(),
    }
}
