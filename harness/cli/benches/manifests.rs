//! What `verdikt check`, `init` and `matrix` cost over folders of manifests, by their size: CPU time and memory of the process.
//!
//! `cargo bench -p verdikt --bench manifests -- [FILES...]` prints a line for each command and each number of files (2,500,
//! 5,000 and 10,000 if none is given): half of them workloads, a quarter services and a quarter policies, in namespaces of
//! twenty files. CPU time is that of all threads, so that a machine with other work tells nearly the same.

mod measured;

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use measured::{cost, was_measuring};

/// How many files a namespace has.
const OF_NAMESPACE: usize = 20;

const COMMANDS: &[&[&str]] = &[
    &["check", "deploy"],
    &["init", "deploy", "--output", "first", "--force"],
    &["matrix", "deploy", "--fold", "namespaces"],
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if was_measuring(&arguments)? {
        return Ok(());
    }
    let sizes = arguments.iter().filter(|argument| !argument.starts_with('-'));
    let mut sizes: Vec<usize> = sizes.map(|size| size.parse()).collect::<Result<_, _>>()?;
    if sizes.is_empty() {
        sizes = vec![2_500, 5_000, 10_000];
    }
    let mut out = std::io::stdout().lock();
    for files in sizes {
        let folder = tempfile::tempdir()?;
        write(folder.path(), files)?;
        for command in COMMANDS {
            let cost = cost(command, folder.path(), Stdio::null())?;
            writeln!(
                out,
                "{:8} {files:6} files {:8.2} s CPU {:7} MB {:7} ns a file",
                command[0],
                f64::from(u32::try_from(cost.microseconds)?) / 1e6,
                cost.kilobytes / 1_000,
                cost.microseconds * 1_000 / files,
            )?;
        }
    }
    Ok(())
}

/// Writes so many files into the folder `deploy`.
fn write(folder: &Path, files: usize) -> Result<(), Box<dyn Error>> {
    for number in 0..files {
        let (namespace, index) = (number / OF_NAMESPACE, number % OF_NAMESPACE);
        let folder = folder.join(format!("deploy/ns{namespace}"));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{index:02}.yaml")), manifest(namespace, index))?;
    }
    Ok(())
}

fn manifest(namespace: usize, index: usize) -> String {
    let (app, port) = (index / 4 * 2, 8_000 + index / 4);
    let metadata = |name: &str| format!("metadata: {{name: {name}, namespace: ns{namespace}}}");
    match index % 4 {
        0 | 1 => format!(
            "apiVersion: apps/v1\nkind: Deployment\n{}\nspec:\n  template:\n    metadata: {{labels: {{app: app{}, tier: t{}}}}}\n    \
             spec: {{containers: [{{name: c, ports: [{{containerPort: {port}, name: http}}]}}]}}\n",
            metadata(&format!("app{}", app + index % 4)),
            app + index % 4,
            index % 3
        ),
        2 => format!(
            "apiVersion: v1\nkind: Service\n{}\nspec: {{selector: {{app: app{app}}}, ports: [{{port: 80, targetPort: http}}]}}\n",
            metadata(&format!("app{app}"))
        ),
        _ => format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n{}\nspec:\n  podSelector: {{matchLabels: {{app: app{app}}}}}\n  \
             policyTypes: [Ingress]\n  ingress: [{{from: [{{podSelector: {{matchLabels: {{tier: t0}}}}}}], ports: [{{port: {port}}}]}}]\n",
            metadata(&format!("p{app}"))
        ),
    }
}
