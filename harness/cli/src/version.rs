//! The version of verdikt.

use verdikt_scenario::version::CiliumVersion;

/// Version, commit and day of the commit where the build knows them, and the Cilium versions that it knows.
pub(crate) fn long() -> &'static str {
    let [oldest, newest] = CiliumVersion::RANGE;
    let built = match (option_env!("VERDIKT_COMMIT"), option_env!("VERDIKT_COMMIT_DATE")) {
        (Some(commit), Some(date)) => format!("commit {commit:.12} of {date}"),
        _ => "built from sources".to_owned(),
    };
    // The command line keeps it as long as the process lasts, and is built once.
    format!("{} ({built})\nCilium {oldest} to {newest}", env!("CARGO_PKG_VERSION")).leak()
}
