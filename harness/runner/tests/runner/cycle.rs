//! One step over a backend: what is told of attempts becomes their evidence and verdicts.

use std::fmt::Write as _;
use std::future::pending;
use std::time::Duration;

use tokio::time::Instant;
use verdikt_runner::run::run_on;
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::compare::Verdict;
use verdikt_verdict::event::{CellJudged, Event};
use verdikt_verdict::outcome::Outcome;

use crate::scripted::Script;
use crate::support::{CART_ONLY, TABLE, options, scenario, scenarios};

/// What the cart plays where a test is about the stock, which is denied at ingress.
const CART: (&str, &str) =
    ("shop/cart", "bound; egress forwarded; ingress forwarded; arrived; answered");
/// The other way round.
const STOCK: (&str, &str) = ("shop/stock", "bound; egress forwarded; ingress dropped");

/// One step with two cells; answers the cells, what the run comes to, and the virtual time it took.
async fn play(test: &str, script: &Script) -> (Vec<CellJudged>, Vec<Event>, Outcome, Duration) {
    play_steps(test, script, &format!("- step: locked\n  policies: [cart-only]{TABLE}")).await
}

async fn play_steps(
    test: &str,
    script: &Script,
    steps: &str,
) -> (Vec<CellJudged>, Vec<Event>, Outcome, Duration) {
    let scenarios = scenarios(test, &[scenario("one", ">=1.16", steps, CART_ONLY)]);
    let (mut events, began) = (Vec::new(), Instant::now());
    let options = options(CiliumVersion::V1_20, &[]);
    let mut sink = |event: Event| {
        events.push(event);
        Ok(())
    };
    let open = async || Ok(script.open());
    let outcome = run_on("scripted", &scenarios, &options, open, pending(), &mut sink).await.unwrap();
    let took = began.elapsed();
    let cells = events.iter().filter_map(|event| match event {
        Event::CellJudged(cell) => Some(cell.as_ref().clone()),
        _ => None,
    });
    (cells.collect(), events, outcome, took)
}

fn line(cell: &CellJudged) -> String {
    let verdict = match &cell.verdict {
        Verdict::Inconclusive(reason) => format!("inconclusive: {reason}"),
        Verdict::Audited(gate) => format!("audit {gate}"),
        verdict => verdict.to_string(),
    };
    let flows = cell.evidence.as_ref().unwrap().flows.len();
    format!("{}: {verdict} (by {}, {flows} flows), {:?}", cell.source, cell.basis.unwrap(), cell.result)
}

/// Plays one cell beside another that is as usual, and gives its line with the time all took.
async fn check(test: &str, other: (&'static str, &'static str), plays: (&'static str, &'static str)) -> String {
    let script = Script::new(&[other, plays]);
    let (cells, _, _, took) = play(test, &script).await;
    assert_eq!(cells.len(), 2);
    let mut text = String::new();
    for cell in &cells {
        if cell.source.to_string() == plays.0 {
            let ended = script.told().contains("end ");
            writeln!(text, "{}, ended {ended}, {} ms", line(cell), took.as_millis()).unwrap();
        }
    }
    text
}

#[tokio::test(start_paused = true)]
async fn a_denied_attempt_ends_with_its_own_flow() {
    let script = Script::new(&[CART, STOCK]);
    let (cells, _, outcome, took) = play("denied", &script).await;
    let lines: Vec<String> = cells.iter().map(line).collect();
    insta::assert_snapshot!(lines.join("\n"), @"");
    insta::assert_snapshot!(script.told(), @"");
    assert_eq!((outcome, took), (Outcome::AsExpected, Duration::ZERO), "nothing waits for a timeout");
    let stock = cells[1].evidence.as_ref().unwrap();
    assert_eq!(stock.observation.stages.len(), 1);
    assert_eq!(stock.observation.stages[0].outcome.to_string(), "ended when its packet was dropped");
}

/// What the stock may play, which the engine predicts denied at ingress.
#[tokio::test(start_paused = true)]
async fn what_becomes_of_a_denied_attempt() {
    let mut text = String::new();
    for words in [
        // Flows before the port is known, twice, and of others.
        "ingress dropped; bound",
        "bound; ingress dropped; ingress dropped",
        "bound; other dropped; timed out",
        "bound; ingress dropped; after 1; timed out",
        // The first on the way decides, in whichever order they are told.
        "bound; ingress dropped; egress dropped",
        // Failed is not denied.
        "bound; timed out",
        "bound; refused",
        "bound; vanished dropped; timed out",
        "bound; ingress forwarded; arrived; timed out",
        // What contradicts itself.
        "bound; ingress dropped; arrived",
        "bound; answered; ingress dropped",
        "bound; egress redirected; answered; after 20; ingress dropped",
        "bound; ingress dropped; egress unknown",
        // It passes, which the engine denies.
        CART.1,
        // A flow that comes long after the failure, and one that comes in time.
        "bound; reset; after 400; ingress dropped",
        "bound; reset; after 600; ingress dropped",
        // Never finished, never heard of.
        "bound",
        "",
        "bound; lost; timed out",
        "lost; bound; ingress dropped",
    ] {
        let shown = check("stock", CART, ("shop/stock", words)).await;
        write!(text, "{words}\n  {shown}").unwrap();
    }
    insta::assert_snapshot!(text, @"");
}

/// What the cart may play, which the engine predicts allowed.
#[tokio::test(start_paused = true)]
async fn what_becomes_of_an_allowed_attempt() {
    let mut text = String::new();
    for words in [
        // Arrivals: before the port is known, twice, by number, late, too late, never.
        "arrived; bound; answered",
        "bound; arrived; arrived; answered; answered",
        "bound; request; answered",
        "bound; answered; after 400; arrived",
        "bound; answered; after 600; arrived",
        "bound; answered",
        // What was told when all was known belongs to it.
        "bound; arrived; answered; ingress audited",
        "bound; arrived; answered; ingress dropped",
        "bound; arrived; answered; after 1; ingress dropped",
        "bound; bound; arrived; stage answered; stage refused; answered; refused",
        "bound; lost; arrived; answered",
        "bound; arrived; HTTP 403",
        // The query before a connection is no arrival.
        "look-up; arrived; stage answered; connect; answered",
        "look-up; egress redirected; dns forwarded; stage answered; connect; ingress forwarded; arrived; answered",
        "look-up; egress redirected; dns dropped; name refused",
        // Denied, which the engine allows.
        STOCK.1,
    ] {
        let shown = check("cart", STOCK, ("shop/cart", words)).await;
        write!(text, "{words}\n  {shown}").unwrap();
    }
    insta::assert_snapshot!(text, @"");
}

#[tokio::test(start_paused = true)]
async fn an_allow_rests_on_the_outcome_where_servers_tell_nothing() {
    let mut script = Script::new(&[("shop/cart", "bound; answered"), STOCK]);
    script.silent_servers = true;
    let (cells, _, outcome, took) = play("silent", &script).await;
    let lines: Vec<String> = cells.iter().map(line).collect();
    insta::assert_snapshot!(lines.join("\n"), @"");
    assert_eq!((outcome, took), (Outcome::AsExpected, Duration::ZERO));
}

/// Attempts have their ports one after the other: a flow is of the attempt that had the port at its time, however late
/// it is told.
#[tokio::test(start_paused = true)]
async fn a_port_that_was_given_up_may_be_anothers() {
    let steps = "- step: open
  expect:
    tcp database/redis:6379: {allow: others}
    tcp database/redis:6380: {allow: others}
";
    let script = Script::new(&[
        CART,
        STOCK,
        ("#1", "bound to 7; arrived; answered; late 20; egress forwarded"),
        ("#3", "after 10; bound to 7; ingress dropped"),
        ("#2", "bound to 8; arrived; answered; after 2; ingress audited"),
        ("#4", "after 10; bound to 8; arrived; answered; after 12; ingress forwarded; late 1; egress forwarded"),
    ]);
    let (cells, ..) = play_steps("ports", &script, steps).await;
    let shown = |cell: &CellJudged| format!("{} {}", cell.attempt, line(cell));
    let lines: Vec<String> = cells.iter().map(shown).collect();
    insta::assert_snapshot!(lines.join("\n"), @"");
}
