//! More attempts than are in flight at once, and the end of them all.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use tokio::time::Instant;
use verdikt_runner::run::{BackendChoice, run_on};
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::Event;
use verdikt_verdict::run_result::RunResult;

use crate::scripted::Script;
use crate::support::{options, scenario, scenarios};

/// As many as a window opens to at most.
const MOST: usize = 256;

/// Runs a table of two sources and so many rows; answers the outcome, the time it took, and how often cells were
/// attempted again.
async fn run(test: &str, rows: usize, script: &Script) -> (RunResult, Duration, BTreeSet<usize>) {
    let mut steps = "- step: open\n  expect:\n".to_owned();
    for port in 0..rows {
        writeln!(steps, "    tcp database/redis:{}: {{allow: others}}", 1000 + port).unwrap();
    }
    let served: Vec<String> = (0..rows).map(|port| format!("tcp {}", 1000 + port)).collect();
    let text = scenario("many", ">=1.16", &steps, "");
    let text = text.replace("[tcp 6379, tcp 6380]", &format!("[{}]", served.join(", ")));
    let scenarios = scenarios(test, &[text]);
    let (began, mut again) = (Instant::now(), BTreeSet::new());
    let mut sink = |event: Event| {
        if let Event::CellJudged(cell) = &event {
            again.insert(cell.evidence.as_ref().unwrap().again.len());
        }
        Ok(())
    };
    let open = async |_| Ok(script.open());
    let (choice, options) = (BackendChoice::of_all("scripted"), options(CiliumVersion::V1_20, &[]));
    let outcome =
        run_on(choice, &scenarios, &options, open, std::future::pending(), &mut sink).await.unwrap();
    (outcome, began.elapsed(), again)
}

fn both(words: &'static str) -> Script {
    Script::new(&[("shop/cart", words), ("shop/stock", words)])
}

/// What is answered at once is soon made many at a time, and what is answered slowly is not.
#[tokio::test(start_paused = true)]
async fn what_is_in_flight_follows_the_answers() {
    let script = both("bound; arrived; after 10; answered");
    let (outcome, took, _) = run("many-quick", 600, &script).await;
    assert_eq!((outcome, script.most_in_flight()), (RunResult::AsExpected, MOST));
    assert!(took < Duration::from_millis(200), "{took:?}");
    let script = both("after 700; bound; arrived; answered");
    let (outcome, took, _) = run("many-slow", 600, &script).await;
    assert_eq!((outcome, script.most_in_flight()), (RunResult::AsExpected, 64));
    assert!(took > Duration::from_mins(1), "the window closes to eight: {took:?}");
}

/// What waits for its timeout does not keep others from being made.
#[tokio::test(start_paused = true)]
async fn silence_is_no_load() {
    let (outcome, took, again) = run("many-silent", 600, &both("bound; after 3000; timed out")).await;
    assert_eq!((outcome, again), (RunResult::Inconclusive, BTreeSet::from([2])));
    assert!(took < Duration::from_mins(1), "{took:?}");
}

/// What servers tell until they have told all counts, however late; without that it is waited for, but not for ever.
#[tokio::test(start_paused = true)]
async fn servers_tell_all() {
    let late = || both("bound; answered; late 3000; arrived");
    let mut told = late();
    told.reported_after = Some(Duration::from_secs(4));
    let (outcome, took, again) = run("many-told", 1, &told).await;
    assert_eq!((outcome, took.as_secs(), again), (RunResult::AsExpected, 4, BTreeSet::from([0])));
    let (outcome, _, again) = run("many-untold", 1, &late()).await;
    assert_eq!((outcome, again), (RunResult::Inconclusive, BTreeSet::from([2])));
    let mut silent = both("bound; answered");
    silent.reported_after = Some(Duration::from_hours(1));
    let (outcome, took, _) = run("many-silent-servers", 1, &silent).await;
    assert_eq!((outcome, took.as_secs()), (RunResult::Inconclusive, 30), "ten seconds each time");
}
