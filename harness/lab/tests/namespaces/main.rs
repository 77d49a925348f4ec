//! Real namespaces: who may make them, what goes through their devices, what is left of them.
//!
//! The tests start themselves anew in other roles (`roles.rs`): with fewer rights, to be killed, to become another
//! program. Where namespaces are forbidden all tests are ignored, and the name of each tells why.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "the roles and the measurements tell what they found")]

mod exec;
mod lives;
mod packets;
mod process;
mod rights;
mod roles;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use verdikt_lab::enter::{LabRights, enter};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    if arguments.nth(1).is_some_and(|first| first == process::ROLE) {
        return roles::play(&arguments.collect::<Vec<_>>());
    }
    let entered = enter();
    let mut trials = Vec::new();
    // As what it is only where it can be; the reason is printed with the name of the test.
    let mut add = |name: &str, reason: Option<String>, test: fn()| {
        let run = move || {
            test();
            Ok::<(), Failed>(())
        };
        let trial = Trial::test(name, run).with_ignored_flag(reason.is_some());
        trials.push(trial.with_kind(reason.unwrap_or_default()));
    };
    let anyhow = entered.as_ref().err().map(|obstacle| format!("no namespaces: {obstacle}"));
    let root = match &entered {
        Ok(LabRights::Already) => None,
        Ok(LabRights::UserNamespace) => Some("needs root: it changes to other users".to_owned()),
        Err(_) => anyhow.clone(),
    };
    for (name, test) in packets::TESTS.into_iter().chain(lives::TESTS.iter().copied()).chain(exec::TESTS) {
        add(name, anyhow.clone(), test);
    }
    for (name, test) in rights::TESTS.into_iter().chain(exec::TESTS_AS_ROOT) {
        add(name, root.clone(), test);
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
