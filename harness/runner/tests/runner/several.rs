//! Several scenarios and steps: the order of events, failures, and interruptions.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::future::{pending, ready};
use std::io;
use std::time::Duration;

use rstest::rstest;
use tokio::time::{Instant, sleep};
use verdikt_runner::backend::BackendError;
use verdikt_runner::plan::RunOptions;
use verdikt_runner::run::{BackendChoice, run_on};
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::event::Event;
use verdikt_verdict::run_result::{RunResult, Totals};

use crate::scripted::Script;
use crate::support::{options, scenarios, summary, two_steps};

/// Events as they come, with the virtual milliseconds at which they come.
async fn run(
    test: &str,
    names: &[&str],
    scripts: Vec<Script>,
    parallel: usize,
    stop: impl Future<Output = ()>,
) -> (Vec<Event>, Vec<u128>, RunResult) {
    run_at((BackendChoice::of_all("scripted"), &RefCell::default()), test, names, scripts, parallel, stop)
        .await
}

/// The same at a choice; who began there, and at which virtual millisecond, is written down.
async fn run_at(
    (choice, begun): (BackendChoice<'_>, &RefCell<String>),
    test: &str,
    names: &[&str],
    scripts: Vec<Script>,
    parallel: usize,
    stop: impl Future<Output = ()>,
) -> (Vec<Event>, Vec<u128>, RunResult) {
    let files: Vec<String> = names.iter().map(|name| two_steps(name)).collect();
    let scenarios = scenarios(test, &files);
    let options = RunOptions { parallel, ..options(CiliumVersion::V1_20, &[]) };
    let start = Instant::now();
    let open = async |index: usize| {
        writeln!(begun.borrow_mut(), "{} at {}", names[index], start.elapsed().as_millis()).unwrap();
        let script = scripts
            .get(index)
            .ok_or_else(|| BackendError::new(io::Error::other("no namespace can be made")))?;
        Ok(script.open())
    };
    let (mut events, mut times, began) = (Vec::new(), Vec::new(), Instant::now());
    let mut sink = |event: Event| {
        events.push(event);
        times.push(began.elapsed().as_millis());
        Ok(())
    };
    let outcome = run_on(choice, &scenarios, &options, open, stop, &mut sink).await.unwrap();
    (events, times, outcome)
}

/// Two steps: everything passes, then the stock is denied.
fn good(cart: &'static str, stock: &'static str) -> Script {
    Script::new(&[("shop/cart", cart), ("open/shop/stock", CART), ("locked/shop/stock", stock)])
}

const CART: &str = "bound; ingress forwarded; arrived; answered";
const STOCK: &str = "bound; ingress dropped";
const SLOW_CART: &str = "bound; ingress forwarded; arrived; after 300; answered";

/// Three scenarios, of which the second is done first.
const NAMES: [&str; 3] = ["first", "second", "third"];

fn three() -> Vec<Script> {
    vec![good(SLOW_CART, STOCK), good(CART, STOCK), good(SLOW_CART, STOCK)]
}

#[tokio::test(start_paused = true)]
async fn events_come_in_the_order_of_the_scenarios() {
    let (alone, _, outcome) = run("one-by-one", &NAMES, three(), 1, pending()).await;
    assert_eq!(outcome, RunResult::AsExpected);
    insta::assert_snapshot!(summary(&alone), @r"
    run scripted 1.20
    scenario first
      step open
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected allow, allow, AsExpected
      end open
      step locked
        CiliumNetworkPolicy database/cart-only: accepted, as expected: true
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected deny ingress by database/cart-only, deny ingress, AsExpected
      end locked
    scenario second
      step open
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected allow, allow, AsExpected
      end open
      step locked
        CiliumNetworkPolicy database/cart-only: accepted, as expected: true
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected deny ingress by database/cart-only, deny ingress, AsExpected
      end locked
    scenario third
      step open
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected allow, allow, AsExpected
      end open
      step locked
        CiliumNetworkPolicy database/cart-only: accepted, as expected: true
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected deny ingress by database/cart-only, deny ingress, AsExpected
      end locked
    run AsExpected
    ");
}

/// Whichever is done first: the same events in the same order, in less time.
#[rstest]
#[case::two_at_once(2)]
#[case::all_at_once(3)]
#[case::room_for_more(8)]
#[tokio::test(start_paused = true)]
async fn scenarios_beside_each_other_give_the_same_events(#[case] parallel: usize) {
    let (alone, alone_at, _) = run(&format!("alone-{parallel}"), &NAMES, three(), 1, pending()).await;
    let (beside, beside_at, outcome) =
        run(&format!("beside-{parallel}"), &NAMES, three(), parallel, pending()).await;
    assert_eq!((summary(&beside), outcome), (summary(&alone), RunResult::AsExpected));
    assert!(beside_at.last() < alone_at.last(), "{beside_at:?}");
}

#[tokio::test(start_paused = true)]
async fn events_come_as_they_happen() {
    let (_, all_at, _) = run("as-they-happen", &NAMES, three(), 3, pending()).await;
    // The first begins at once, its steps end at 300 and 600; what the others did meanwhile is told then.
    assert_eq!((all_at[1], all_at.last()), (0, Some(&600)), "{all_at:?}");
    assert!(all_at.contains(&300), "{all_at:?}");
}

/// Whichever may not be run beside which: the same events, and never two that meet at once.
#[tokio::test(start_paused = true)]
async fn those_that_meet_are_not_run_at_once() {
    let names = ["a1", "a2", "b1", "b2", "alone", "c1"];
    // Those of one letter meet, and `alone` meets everybody.
    let conflict = |one: usize, other: usize| {
        let (one, other) = (names[one], names[other]);
        one == "alone" || other == "alone" || one[..1] == other[..1]
    };
    let next = |waiting: &[usize], under_way: &BTreeSet<usize>| {
        let fits = |index: &&usize| !under_way.iter().any(|other| conflict(**index, *other));
        waiting.iter().find(fits).copied()
    };
    let choice = BackendChoice { next: &next, ..BackendChoice::of_all("scripted") };
    let run_with = async |parallel: usize| {
        // Each takes 600 ms.
        let (begun, scripts) = (RefCell::default(), vec![good(SLOW_CART, STOCK); names.len()]);
        let (events, times, outcome) =
            run_at((choice, &begun), "resources", &names, scripts, parallel, pending()).await;
        assert_eq!(outcome, RunResult::AsExpected);
        (summary(&events), format!("{}all at {}", begun.take(), times.last().unwrap()))
    };
    let (events, one_by_one) = run_with(1).await;
    insta::assert_snapshot!(one_by_one, @"
    a1 at 0
    a2 at 600
    b1 at 1200
    b2 at 1800
    alone at 2400
    c1 at 3000
    all at 3600
    ");
    let (beside, in_pairs) = run_with(2).await;
    insta::assert_snapshot!(in_pairs, @"
    a1 at 0
    b1 at 0
    a2 at 600
    b2 at 600
    c1 at 1200
    alone at 1800
    all at 2400
    ");
    assert_eq!(beside, events);
    let (beside, all) = run_with(8).await;
    insta::assert_snapshot!(all, @"
    a1 at 0
    b1 at 0
    c1 at 0
    a2 at 600
    b2 at 600
    alone at 1200
    all at 1800
    ");
    assert_eq!(beside, events);
}

#[tokio::test(start_paused = true)]
async fn a_failure_ends_its_scenario_and_not_the_run() {
    let breaks = Script { breaks: Some("locked"), ..good(CART, STOCK) };
    let probe_dies = good("bound; after 5; gone", STOCK);
    // There is no backend for the last one.
    let scripts = vec![breaks, probe_dies, good(CART, STOCK)];
    let names = ["breaks", "dies", "good", "unopened"];
    let (events, _, outcome) = run("failures", &names, scripts, 1, pending()).await;
    insta::assert_snapshot!(summary(&events), @r"
    run scripted 1.20
    scenario breaks
      step open
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected allow, allow, AsExpected
      end open
    failed breaks: no more namespaces
    scenario dies
      step open
        shop/cart tcp database/redis:6379: expected allow, inconclusive, Inconclusive
        shop/stock tcp database/redis:6379: expected allow, allow, AsExpected
      end open
    failed dies: the probe of shop/cart has ended: killed
    scenario good
      step open
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected allow, allow, AsExpected
      end open
      step locked
        CiliumNetworkPolicy database/cart-only: accepted, as expected: true
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected deny ingress by database/cart-only, deny ingress, AsExpected
      end locked
    scenario unopened
    failed unopened: no namespace can be made
    run Failed
    ");
    assert_eq!((outcome, outcome.exit_code()), (RunResult::Failed, 4));
    assert_eq!(Totals::of(&events).failed, 3);
}

/// Where something failed nothing is known, whatever differs elsewhere.
#[tokio::test(start_paused = true)]
async fn a_failure_outweighs_a_difference() {
    let scripts = vec![good(CART, CART)];
    let (events, _, outcome) = run("worst", &["differs", "unopened"], scripts, 2, pending()).await;
    assert_eq!((outcome, Totals::of(&events).failed), (RunResult::Failed, 1));
}

/// An endpoint that is gone attempts nothing more, and the rest of its step is still judged.
#[tokio::test(start_paused = true)]
async fn the_step_of_a_probe_that_dies_is_judged() {
    let script = good("gone", STOCK);
    let (events, times, _) = run("dies", &["dies"], vec![script.clone()], 1, pending()).await;
    assert_eq!(times.last(), Some(&0), "nobody waits for the dead");
    insta::assert_snapshot!(script.told(), @r"
    apply open
    begin 1: shop/cart tcp database/redis:6379
    begin 2: shop/stock tcp database/redis:6379
    ");
    let cells = events.iter().filter(|event| matches!(event, Event::CellJudged(_)));
    assert_eq!(cells.count(), 2);
}

/// Everything that was known until then is told, in order, and nothing else.
#[tokio::test(start_paused = true)]
async fn an_interrupted_run_tells_what_it_knows() {
    let names = ["first", "second", "third"];
    let scripts = || {
        let never = Script { hangs: Some("locked"), ..good(CART, STOCK) };
        vec![never, good(CART, STOCK), good(CART, STOCK)]
    };
    let (events, times, outcome) =
        run("interrupted", &names, scripts(), 2, sleep(Duration::from_millis(50))).await;
    insta::assert_snapshot!(summary(&events), @r"
    run scripted 1.20
    scenario first
      step open
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected allow, allow, AsExpected
      end open
    scenario second
      step open
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected allow, allow, AsExpected
      end open
      step locked
        CiliumNetworkPolicy database/cart-only: accepted, as expected: true
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected deny ingress by database/cart-only, deny ingress, AsExpected
      end locked
    scenario third
      step open
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected allow, allow, AsExpected
      end open
      step locked
        CiliumNetworkPolicy database/cart-only: accepted, as expected: true
        shop/cart tcp database/redis:6379: expected allow, allow, AsExpected
        shop/stock tcp database/redis:6379: expected deny ingress by database/cart-only, deny ingress, AsExpected
      end locked
    run Interrupted
    ");
    assert_eq!((outcome, outcome.exit_code()), (RunResult::Interrupted, 4));
    assert_eq!(times.last(), Some(&50), "it ends at once");
    let Some(Event::RunFinished(finished)) = events.last() else { panic!("{events:?}") };
    assert_eq!(finished.totals, Totals::of(&events));

    let (events, _, outcome) = run("interrupted", &names, scripts(), 2, ready(())).await;
    assert_eq!(outcome, RunResult::Interrupted);
    assert!(matches!(events.last(), Some(Event::RunFinished(_))));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_sink_ends_the_run() {
    let scenarios = scenarios("sink-of-backend", &[two_steps("first")]);
    let options = options(CiliumVersion::V1_20, &[]);
    let script = good(CART, STOCK);
    let mut taken = 0;
    let mut sink = |_| {
        taken += 1;
        if taken == 3 { Err(io::Error::other("the disk is full")) } else { Ok(()) }
    };
    let open = async |_| Ok(script.open());
    let choice = BackendChoice::of_all("scripted");
    let result = run_on(choice, &scenarios, &options, open, pending(), &mut sink).await;
    assert_eq!(result.unwrap_err().to_string(), "the disk is full");
    assert_eq!(taken, 3);
}
