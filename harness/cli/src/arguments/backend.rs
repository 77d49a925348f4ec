//! Backends on the command line: `lab`, `kind:PROFILE`, `cluster:CONTEXT`.

use std::fmt;
use std::str::FromStr;

use clap_complete::CompletionCandidate;
use verdikt_kind::profile::{DEFAULT, profile};

/// Where steps run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BackendArgument {
    /// The engine alone.
    Model,
    /// Real sockets on this machine.
    Lab,
    /// The kind cluster of a profile.
    Kind(String),
    /// The cluster of a context of the kubeconfig; none is the current one.
    Cluster(Option<String>),
}

/// Every word of [`BackendArgument`], each with what may follow it.
const WORDS: [(&str, &str); 4] =
    [("lab", ""), ("model", ""), ("kind", "[:PROFILE]"), ("cluster", "[:CONTEXT]")];

impl FromStr for BackendArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "model" => Ok(Self::Model),
            None if text == "lab" => Ok(Self::Lab),
            None if text == "kind" => Ok(Self::Kind(DEFAULT.to_owned())),
            None if text == "cluster" => Ok(Self::Cluster(None)),
            Some(("kind", name)) => profile(name)
                .map(|profile| Self::Kind(profile.name.to_owned()))
                .map_err(|error| error.to_string()),
            Some(("cluster", context)) if !context.is_empty() => Ok(Self::Cluster(Some(context.to_owned()))),
            _ => {
                let words = WORDS.map(|(word, more)| format!("`{word}{more}`"));
                let [first @ .., last] = &words;
                Err(format!("unknown backend (expected {} or {last})", first.join(", ")))
            }
        }
    }
}

impl fmt::Display for BackendArgument {
    /// As the command line takes it. Beside the word of a new backend, `FromStr` and [`WORDS`] need it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model => f.write_str("model"),
            Self::Lab => f.write_str("lab"),
            Self::Kind(profile) => write!(f, "kind:{profile}"),
            Self::Cluster(None) => f.write_str("cluster"),
            Self::Cluster(Some(context)) => write!(f, "cluster:{context}"),
        }
    }
}

/// What a shell completes.
pub(super) fn candidates() -> Vec<CompletionCandidate> {
    WORDS.iter().map(|(word, _)| CompletionCandidate::new(word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_understood_and_in_the_help() {
        let help = crate::arguments::command();
        let help =
            help.find_subcommand("run").unwrap().get_arguments().find(|it| it.get_id() == "on").unwrap();
        let help = help.get_help().unwrap().to_string();
        for (word, more) in WORDS {
            let backend: BackendArgument = word.parse().unwrap();
            assert_eq!(backend.to_string().split(':').next(), Some(word));
            assert_eq!(backend.to_string().parse(), Ok(backend));
            assert!(help.contains(&format!("{word}{more} (")), "{word}{more}: {help}");
        }
    }
}
