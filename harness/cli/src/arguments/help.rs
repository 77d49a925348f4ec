//! The headings and examples of `--help`.

use clap::{Command, CommandFactory as _};

use super::Arguments;

/// Headings of a command, each with the names of its arguments. What is in none stays under `Options`.
const HEADINGS: &[(&str, &str, &[&str])] = &[
    ("run", "Which cells run", &["filter", "failed", "shard", "list", "watch"]),
    ("run", "Where they run", &["on", "cilium", "parallel", "timeout"]),
    (
        "run",
        "On clusters",
        &["registry", "command", "addresses", "dns", "borrow", "clusterwide", "yes", "keep", "evidence"],
    ),
    ("run", "Cells that differ", &["update", "check", "deny_warnings"]),
    ("run", "What is printed and written", &["quiet", "tables", "reports", "events"]),
];

/// Examples, by command.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "run",
        &[
            "verdikt run",
            "verdikt run --on model --filter 'shop/*/tcp database/*'",
            "verdikt run scenarios/shop.yaml --on kind:dual-stack",
            "verdikt run --on cluster:staging --report junit=junit.xml --report markdown=summary.md",
        ],
    ),
    (
        "check",
        &[
            "verdikt check scenarios manifests",
            "verdikt check manifests --deny-warnings --report sarif=check.sarif",
        ],
    ),
    (
        "explain",
        &[
            "verdikt explain scenarios/shop.yaml",
            "verdikt explain scenarios/shop.yaml --from shop/web --attempt 'tcp database/postgres:5432'",
        ],
    ),
    (
        "lab",
        &[
            "verdikt lab scenarios/shop.yaml",
            "verdikt lab exec shop/web -- curl -v http://api.shop:8080/",
            "verdikt lab flows",
        ],
    ),
    (
        "cluster",
        &[
            "verdikt cluster doctor dual-stack",
            "verdikt cluster up dual-stack",
            "verdikt cluster down dual-stack",
        ],
    ),
    ("init", &["verdikt init manifests", "verdikt init - --output scenarios/shop.yaml"]),
    ("matrix", &["verdikt matrix manifests", "verdikt matrix manifests --format html"]),
    ("who", &["verdikt who 'tcp database/postgres:5432' manifests"]),
    ("reach", &["verdikt reach shop/web manifests"]),
    ("diff", &["verdikt diff --git origin/main manifests --fail-on opened,refused"]),
];

/// The whole command line.
pub(crate) fn command() -> Command {
    let command = Arguments::command();
    EXAMPLES.iter().fold(
        HEADINGS.iter().fold(command, |command, (name, heading, arguments)| {
            command.mut_subcommand(name, |command| under(command, heading, arguments))
        }),
        |command, (name, examples)| command.mut_subcommand(name, |command| with_examples(command, examples)),
    )
}

fn under(command: Command, heading: &'static str, arguments: &[&str]) -> Command {
    command.mut_args(|argument| {
        if arguments.contains(&argument.get_id().as_str()) {
            argument.help_heading(heading)
        } else {
            argument
        }
    })
}

fn with_examples(command: Command, examples: &[&str]) -> Command {
    let lines: String = examples.iter().flat_map(|example| ["\n  ", example]).collect();
    command.after_help(format!("Examples:{lines}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_of_a_heading_exists() {
        let command = command();
        for &(name, heading, arguments) in HEADINGS {
            let command = command.find_subcommand(name).unwrap();
            for id in arguments {
                let argument = command.get_arguments().find(|argument| argument.get_id() == id);
                assert_eq!(
                    argument.unwrap_or_else(|| panic!("{name} {id}")).get_help_heading(),
                    Some(heading)
                );
            }
        }
    }

    /// Examples are what people copy.
    #[test]
    fn every_example_is_understood() {
        for example in EXAMPLES.iter().flat_map(|(_, examples)| *examples) {
            let understood = command().try_get_matches_from(words(example));
            understood.unwrap_or_else(|error| panic!("{example}: {error}"));
        }
    }

    /// Splits a command into words as a shell does.
    fn words(example: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (index, part) in example.split('\'').enumerate() {
            if index % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        words
    }
}
