//! The tests of a suite, each of which runs its scenario unless another test has.

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use verdikt_manifests::loader;
use verdikt_report::text::run_command;
use verdikt_runner::plan::{RunOptions, cell_names};
use verdikt_scenario::cell_name::StepName;
use verdikt_scenario::diagnostic::{self, SourceTexts};
use verdikt_scenario::loader::{FileReach, Loaded};
use verdikt_scenario::scenario::{Scenario, Step};
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::Event;

use crate::backend::{RequestedBackend, version_of_environment};
use crate::cluster::{self, ClusterRun};
use crate::events;
use crate::judged::{TestSubject, all, completion};
use crate::suite::{Granularity, Suite};

/// Where the tests of a suite run.
#[derive(Clone, Debug)]
pub(crate) enum SuiteBackend {
    Model,
    #[cfg(all(feature = "lab", target_os = "linux"))]
    Lab,
    /// As `verdikt run --on` accepts it.
    Cluster(String),
}

impl SuiteBackend {
    /// The chosen backend. Must be called while the process has a single thread.
    #[cfg(all(feature = "lab", target_os = "linux"))]
    #[expect(clippy::print_stderr, reason = "a test that runs with less than it could says so")]
    pub(crate) fn choose(requested: RequestedBackend) -> Result<Self, String> {
        use verdikt_lab::enter::enter;
        use verdikt_runner::backend::reason;

        match requested {
            RequestedBackend::Model => Ok(Self::Model),
            RequestedBackend::Cluster(on) => Ok(Self::Cluster(on)),
            RequestedBackend::Lab => enter().map(|_| Self::Lab).map_err(|obstacle| reason(&obstacle)),
            RequestedBackend::Best => Ok(match enter() {
                Ok(_) => Self::Lab,
                Err(obstacle) => {
                    eprintln!("the policy model alone, without sockets: {}", reason(&obstacle));
                    Self::Model
                }
            }),
        }
    }

    /// The cluster, as `verdikt run --on` takes it; none on this machine.
    fn cluster(&self) -> Option<&str> {
        match self {
            Self::Model => None,
            #[cfg(all(feature = "lab", target_os = "linux"))]
            Self::Lab => None,
            Self::Cluster(on) => Some(on),
        }
    }

    /// The chosen backend.
    #[cfg(not(all(feature = "lab", target_os = "linux")))]
    pub(crate) fn choose(requested: RequestedBackend) -> Result<Self, String> {
        match requested {
            RequestedBackend::Model | RequestedBackend::Best => Ok(Self::Model),
            RequestedBackend::Cluster(on) => Ok(Self::Cluster(on)),
            RequestedBackend::Lab => Err("verdikt-test is built without its feature `lab`".to_owned()),
        }
    }
}

/// The scenarios of a suite, with the events of those that tests have requested. Each runs at most once.
struct Runs {
    scenarios: Vec<Scenario>,
    backend: SuiteBackend,
    /// As the suite or the environment chooses.
    version: Option<CiliumVersion>,
    sources: SourceTexts,
    /// On this machine, scenario by scenario.
    of_each: Vec<OnceLock<Result<Vec<Event>, String>>>,
    /// On a cluster, all scenarios of the selected tests in one run.
    wanted: Vec<Scenario>,
    of_wanted: OnceLock<Result<Vec<Event>, String>>,
}

impl Runs {
    fn version(&self) -> CiliumVersion {
        self.version.unwrap_or_default()
    }

    /// The events of a run that contains the scenario with this index.
    fn events(&self, index: usize) -> Result<&[Event], Failed> {
        let scenario = &self.scenarios[index];
        let events = match &self.backend {
            SuiteBackend::Model => self.of_each[index]
                .get_or_init(|| Ok(events::of_model(std::slice::from_ref(scenario), self.version()))),
            #[cfg(all(feature = "lab", target_os = "linux"))]
            SuiteBackend::Lab => self.of_each[index].get_or_init(|| {
                events::of_lab(scenario, self.version())
                    .map_err(|error| format!("cannot run in the lab: {error}"))
            }),
            SuiteBackend::Cluster(on) => self.of_wanted.get_or_init(|| {
                let (version, scenarios, sources) = (self.version, &self.wanted, &self.sources);
                cluster::events(ClusterRun { on, version, scenarios, sources })
            }),
        };
        events.as_deref().map_err(Failed::from)
    }
}

/// One test of a scenario: its name and its subject.
type Named = (String, TestSubject);

impl Suite {
    /// Runs the tests that the command line selects.
    #[expect(clippy::print_stderr, reason = "a test program that cannot begin says why")]
    pub fn run(mut self) -> ExitCode {
        let arguments = Arguments::from_args();
        let chosen =
            version_of_environment().and_then(|version| Ok((version, RequestedBackend::of_environment()?)));
        let (version, requested) = match chosen {
            Ok(chosen) => chosen,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        };
        self.version = version.or(self.version);
        let backend = if arguments.list { Ok(SuiteBackend::Model) } else { SuiteBackend::choose(requested) };
        match backend {
            Ok(backend) => libtest_mimic::run(&arguments, trials(&self, backend, &arguments)).exit_code(),
            Err(reason) => {
                eprintln!("cannot run scenarios: {reason}");
                ExitCode::FAILURE
            }
        }
    }
}

/// The tests of a suite.
fn trials(suite: &Suite, backend: SuiteBackend, arguments: &Arguments) -> Vec<Trial> {
    let Loaded { scenarios, diagnostics, sources, .. } =
        loader(&suite.paths, FileReach::Inside).scenarios(&suite.paths);
    let version = suite.version.unwrap_or_default();
    let is_wanted = |name: &str| !arguments.is_filtered_out(&Trial::test(name, || Ok(())));
    let tests: Vec<Vec<Named>> =
        scenarios.iter().map(|scenario| tests_of(scenario, suite.granularity, version)).collect();
    let wanted =
        scenarios.iter().zip(&tests).filter(|(_, tests)| tests.iter().any(|(name, _)| is_wanted(name)));
    let wanted = wanted.map(|(scenario, _)| scenario.clone()).collect();
    let runs = Arc::new(Runs {
        of_each: scenarios.iter().map(|_| OnceLock::new()).collect(),
        scenarios,
        backend,
        version: suite.version,
        sources,
        wanted,
        of_wanted: OnceLock::new(),
    });
    let mut trials = Vec::new();
    {
        let runs = Arc::clone(&runs);
        trials.push(Trial::test("the scenarios load without a mistake", move || {
            let mistakes = verdikt_runner::mistakes(&runs.scenarios, version);
            let problems: Vec<_> = diagnostics.into_iter().chain(mistakes).collect();
            if problems.is_empty() {
                Ok(())
            } else {
                Err(diagnostic::render(&problems, &runs.sources).into())
            }
        }));
    }
    for &version in &suite.besides {
        let runs = Arc::clone(&runs);
        let name = format!("all scenarios in the policy model of Cilium {version}");
        trials.push(Trial::test(name, move || {
            all(&events::of_model(&runs.scenarios, version), &run_command(None))
        }));
    }
    for (index, tests) in tests.into_iter().enumerate() {
        for (name, subject) in tests {
            let runs = Arc::clone(&runs);
            trials.push(Trial::ignorable_test(name, move || {
                let command = run_command(runs.backend.cluster());
                completion(runs.events(index)?, &runs.scenarios[index].name, &subject, &command)
            }));
        }
    }
    trials
}

/// The tests of a scenario, named as filters name scenarios, steps and cells.
fn tests_of(scenario: &Scenario, granularity: Granularity, version: CiliumVersion) -> Vec<Named> {
    let name_of = |step: &Step| StepName { scenario: &scenario.name, step: &step.name }.to_string();
    match granularity {
        Granularity::Scenario => {
            let name = StepName { scenario: &scenario.name, step: "" }.to_string();
            vec![(name.trim_end_matches('/').to_owned(), TestSubject::Scenario)]
        }
        Granularity::Step => {
            let steps = scenario.steps.iter();
            steps.map(|step| (name_of(step), TestSubject::Step(step.name.clone()))).collect()
        }
        Granularity::Cell => {
            let options = RunOptions { version, ..RunOptions::default() };
            let mut tests = Vec::new();
            for step in &scenario.steps {
                tests.push((name_of(step), TestSubject::Objects(step.name.clone())));
            }
            for name in cell_names(std::slice::from_ref(scenario), &options) {
                tests.push((name.clone(), TestSubject::Cell(name)));
            }
            tests
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn scenario(file: &str) -> Scenario {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let files = [root.join("tests").join(file)];
        loader(&files, FileReach::Inside).scenarios(&files).scenarios.remove(0)
    }

    fn run(file: &str, granularity: Granularity) -> Vec<(String, bool)> {
        let (scenario, version) = (scenario(file), CiliumVersion::default());
        let events = events::of_model(std::slice::from_ref(&scenario), version);
        let tests = tests_of(&scenario, granularity, version).into_iter();
        tests
            .map(|(name, subject)| {
                let passes = completion(&events, &scenario.name, &subject, "verdikt run").is_ok();
                (name, passes)
            })
            .collect()
    }

    #[rstest]
    #[case::scenario(Granularity::Scenario, &[("differs", false)])]
    #[case::steps(Granularity::Step, &[("differs/open", true), ("differs/locked down", false)])]
    #[case::cells(Granularity::Cell, &[
        ("differs/open", true),
        ("differs/locked down", true),
        ("differs/open/tcp database/redis:6379/shop/cart", true),
        ("differs/open/tcp database/redis:6379/shop/stock", true),
        ("differs/locked down/tcp database/redis:6379/shop/cart", true),
        ("differs/locked down/tcp database/redis:6379/shop/stock", false),
    ])]
    fn names_and_ends(#[case] granularity: Granularity, #[case] expected: &[(&str, bool)]) {
        let expected: Vec<_> = expected.iter().map(|(name, passes)| ((*name).to_owned(), *passes)).collect();
        assert_eq!(run("differing/differs.yaml", granularity), expected);
    }

    #[rstest]
    #[case::on_this_machine(SuiteBackend::Model, "verdikt run ")]
    #[case::on_a_cluster(SuiteBackend::Cluster("cluster:staging".to_owned()), "verdikt run --on cluster:staging ")]
    fn a_failure_names_what_to_repeat(#[case] backend: SuiteBackend, #[case] expected: &str) {
        let command = &run_command(backend.cluster());
        let (scenario, version) = (scenario("differing/differs.yaml"), "1.18".parse().unwrap());
        let events = events::of_model(std::slice::from_ref(&scenario), version);
        let failed =
            completion(&events, "differs", &TestSubject::Step("locked down".to_owned()), command).err();
        let text = failed.as_ref().and_then(|failed| failed.message()).unwrap_or_default();
        let again = text.lines().find(|line| line.contains("--filter 'differs/locked down/"));
        let again = again.and_then(|line| line.trim().strip_prefix("again")).unwrap_or_default().trim();
        assert!(again.starts_with(expected) && again.contains("differs.yaml --cilium 1.18 "), "{text}");
    }

    #[test]
    fn a_run_that_breaks_off_passes_no_test_of_what_is_missing() {
        let (scenario, version) = (scenario("scenarios/redis.yaml"), CiliumVersion::default());
        let mut events = events::of_model(std::slice::from_ref(&scenario), version);
        let first_step = events.iter().position(|event| matches!(event, Event::StepFinished(_))).unwrap();
        events.truncate(first_step + 1);
        let ends = |granularity| {
            let tests = tests_of(&scenario, granularity, version).into_iter();
            tests
                .map(|(_, subject)| completion(&events, "redis", &subject, "verdikt run").is_ok())
                .collect::<Vec<_>>()
        };
        assert_eq!(ends(Granularity::Step), [true, false]);
        assert_eq!(ends(Granularity::Cell), [true, false, true, true, false, false]);
    }

    #[test]
    fn what_holds_for_another_version_is_ignored() {
        let (scenario, version) = (scenario("scenarios/older.yaml"), CiliumVersion::default());
        let events = events::of_model(std::slice::from_ref(&scenario), version);
        let ended = completion(&events, "older", &TestSubject::Scenario, "verdikt run").unwrap();
        assert!(matches!(ended, libtest_mimic::Completion::Ignored { .. }));
    }
}
