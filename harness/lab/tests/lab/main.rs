//! Real sockets through a real lab: every trial has a small cluster of its own, whose ends are sockets of this test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod dns;
mod envoy;
mod hostile;
mod http;
mod losses;
mod rewriting;
mod support;
mod traffic;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(rewriting::ROLE) {
        return rewriting::play();
    }
    // Before there are threads.
    let obstacle = verdikt_lab::enter::enter().err();
    let mut trials: Vec<Trial> = Vec::new();
    for list in
        [dns::TRIALS, http::TRIALS, traffic::TRIALS, hostile::TRIALS, losses::TRIALS, rewriting::TRIALS]
    {
        for (name, run) in list {
            let trial = Trial::test(*name, || {
                run();
                Ok(())
            });
            trials.push(trial.with_ignored_flag(obstacle.is_some()));
        }
    }
    let without_envoy = envoy::program().is_none();
    for (name, run) in envoy::TRIALS {
        let trial = Trial::test(*name, || {
            run();
            Ok(())
        });
        trials.push(trial.with_ignored_flag(obstacle.is_some() || without_envoy));
    }
    if without_envoy {
        #[expect(clippy::print_stderr, reason = "whoever runs the tests is to know what was not run")]
        {
            eprintln!("the proxy is not held against Envoy: VERDIKT_ENVOY names no program");
        }
    }
    if let Some(obstacle) = obstacle {
        #[expect(clippy::print_stderr, reason = "whoever runs the tests is to know why none ran")]
        {
            eprintln!("no lab here, all trials are ignored: {obstacle}");
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
