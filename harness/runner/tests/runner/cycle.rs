//! One step over a backend: what is told of attempts becomes their evidence and verdicts.

use std::fmt::Write as _;
use std::future::pending;
use std::time::Duration;

use tokio::time::Instant;
use verdikt_runner::run::{BackendChoice, run_on};
use verdikt_scenario::version::CiliumVersion;
use verdikt_verdict::compare::Verdict;
use verdikt_verdict::event::{CellJudged, Event};
use verdikt_verdict::run_result::RunResult;

use crate::scripted::Script;
use crate::support::{CART_ONLY, TABLE, options, scenario, scenarios};

/// What the cart plays where a test is about the stock, which is denied at ingress.
pub(crate) const CART: (&str, &str) =
    ("shop/cart", "bound; egress forwarded; ingress forwarded; arrived; answered");
/// The other way round.
pub(crate) const STOCK: (&str, &str) = ("shop/stock", "bound; egress forwarded; ingress dropped");

/// One step with two cells; answers the cells, what the run comes to, and the virtual time it took.
async fn play(test: &str, script: &Script) -> (Vec<CellJudged>, Vec<Event>, RunResult, Duration) {
    play_steps(test, script, &format!("- step: locked\n  policies: [cart-only]{TABLE}")).await
}

pub(crate) async fn play_steps(
    test: &str,
    script: &Script,
    steps: &str,
) -> (Vec<CellJudged>, Vec<Event>, RunResult, Duration) {
    play_file(test, script, scenario("one", ">=1.16", steps, CART_ONLY)).await
}

/// Runs one scenario; answers its cells, all events, what the run comes to, and the virtual time it took.
pub(crate) async fn play_file(
    test: &str,
    script: &Script,
    file: String,
) -> (Vec<CellJudged>, Vec<Event>, RunResult, Duration) {
    let scenarios = scenarios(test, &[file]);
    let (mut events, began) = (Vec::new(), Instant::now());
    let options = options(CiliumVersion::V1_20, &[]);
    let mut sink = |event: Event| {
        events.push(event);
        Ok(())
    };
    let open = async |_| Ok(script.open());
    let choice = BackendChoice::of_all("scripted");
    let outcome = run_on(choice, &scenarios, &options, open, pending(), &mut sink).await.unwrap();
    let took = began.elapsed();
    let cells = events.iter().filter_map(|event| match event {
        Event::CellJudged(cell) => Some(cell.as_ref().clone()),
        _ => None,
    });
    (cells.collect(), events, outcome, took)
}

pub(crate) fn line(cell: &CellJudged) -> String {
    let verdict = match &cell.verdict {
        Verdict::Inconclusive(reason) => format!("inconclusive: {reason}"),
        Verdict::Audited(point) => format!("audit {point}"),
        verdict => verdict.to_string(),
    };
    let flows = cell.evidence.as_ref().unwrap().flows.len();
    format!("{}: {verdict} (by {}, {flows} flows), {:?}", cell.source, cell.basis.unwrap(), cell.result)
}

/// Plays one cell beside another that is as usual, and gives its line with the time all took.
async fn check(
    test: &str,
    other: (&'static str, &'static str),
    plays: (&'static str, &'static str),
) -> String {
    let script = Script::new(&[other, plays]);
    let (cells, _, _, took) = play(test, &script).await;
    assert_eq!(cells.len(), 2);
    // Attempts have their numbers in the order of the table.
    let (number, cell) = (1..).zip(&cells).find(|(_, cell)| cell.source.to_string() == plays.0).unwrap();
    let ended = if script.told().contains(&format!("end {number}")) { ", ended" } else { "" };
    format!("{}{ended}, {} ms\n", line(cell), took.as_millis())
}

#[tokio::test(start_paused = true)]
async fn a_denied_attempt_ends_with_its_own_flow() {
    let script = Script::new(&[CART, STOCK]);
    let (cells, _, outcome, took) = play("denied", &script).await;
    let lines: Vec<String> = cells.iter().map(line).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    shop/cart: allow (by outcome+flow+arrival, 2 flows), AsExpected
    shop/stock: deny ingress (by outcome+flow+arrival, 2 flows), AsExpected
    ");
    insta::assert_snapshot!(script.told(), @r"
    apply locked
    begin 1: shop/cart tcp database/redis:6379
    begin 2: shop/stock tcp database/redis:6379
    end 2
    ");
    assert_eq!((outcome, took), (RunResult::AsExpected, Duration::ZERO), "nothing waits for a timeout");
    let stock = cells[1].evidence.as_ref().unwrap();
    assert_eq!(stock.observation.stages.len(), 1);
    assert_eq!(stock.observation.stages[0].outcome.to_string(), "ended when its flow was seen");
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
    insta::assert_snapshot!(text, @r"
    ingress dropped; bound
      shop/stock: deny ingress (by outcome+flow+arrival, 1 flows), AsExpected, ended, 0 ms
    bound; ingress dropped; ingress dropped
      shop/stock: deny ingress (by outcome+flow+arrival, 1 flows), AsExpected, ended, 0 ms
    bound; other dropped; timed out
      shop/stock: inconclusive: the client saw: timed out, and no flow says that a policy denied it (by nothing, 0 flows), Inconclusive, 1500 ms
    bound; ingress dropped; after 1; timed out
      shop/stock: deny ingress (by outcome+flow+arrival, 1 flows), AsExpected, ended, 0 ms
    bound; ingress dropped; egress dropped
      shop/stock: deny egress (by outcome+flow+arrival, 2 flows), Differs, ended, 0 ms
    bound; timed out
      shop/stock: inconclusive: the client saw: timed out, and no flow says that a policy denied it (by nothing, 0 flows), Inconclusive, 1500 ms
    bound; refused
      shop/stock: inconclusive: the client saw: refused, and no flow says that a policy denied it (by nothing, 0 flows), Inconclusive, 1500 ms
    bound; vanished dropped; timed out
      shop/stock: inconclusive: the client saw: timed out, and its packet was dropped: no endpoint has this address (by nothing, 1 flows), Inconclusive, 1500 ms
    bound; ingress forwarded; arrived; timed out
      shop/stock: inconclusive: the client saw: timed out, and it reached its server, and the answer was lost (by nothing, 1 flows), Inconclusive, 1500 ms
    bound; ingress dropped; arrived
      shop/stock: inconclusive: the client saw: ended when its flow was seen, and it reached its server although its packets were denied at ingress (by nothing, 1 flows), Inconclusive, ended, 0 ms
    bound; answered; ingress dropped
      shop/stock: inconclusive: the client saw: answered, although its packets were denied at ingress, the first of them 3.0 ms before that (by nothing, 1 flows), Inconclusive, 0 ms
    bound; egress redirected; answered; after 20; ingress dropped
      shop/stock: deny ingress (by flow+arrival, 2 flows), AsExpected, 20 ms
    bound; ingress dropped; egress unknown
      shop/stock: inconclusive: the datapath does not know what Kafka allows (by nothing, 2 flows), Inconclusive, ended, 0 ms
    bound; egress forwarded; ingress forwarded; arrived; answered
      shop/stock: allow (by outcome+flow+arrival, 2 flows), Differs, 0 ms
    bound; reset; after 400; ingress dropped
      shop/stock: deny ingress (by outcome+flow+arrival, 1 flows), AsExpected, 400 ms
    bound; reset; after 600; ingress dropped
      shop/stock: inconclusive: the client saw: reset, and no flow says that a policy denied it (by nothing, 0 flows), Inconclusive, 1500 ms
    bound
      shop/stock: inconclusive: not attempted: its probe has not reported how it ended (by nothing, 0 flows), Inconclusive, ended, 66000 ms

      shop/stock: inconclusive: not attempted: its probe has not reported how it ended (by nothing, 0 flows), Inconclusive, ended, 66000 ms
    bound; lost; timed out
      shop/stock: inconclusive: the client saw: timed out, and flows may be missing: the stream was cut (by nothing, 0 flows), Inconclusive, 1500 ms
    lost; bound; ingress dropped
      shop/stock: deny ingress (by outcome+flow+arrival, 1 flows), AsExpected, ended, 0 ms
    ");
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
        "bound; arrived elsewhere; answered",
        // What was told when all was known belongs to it.
        "bound; arrived; answered; ingress audited",
        "bound; arrived; answered; ingress dropped",
        "bound; arrived; answered; after 1; ingress dropped",
        "bound; bound; arrived; stage answered; stage refused; answered; refused",
        "bound; lost; arrived; answered",
        "bound; arrived; HTTP 403",
        // The query before a connection is not an arrival.
        "look-up; arrived; stage answered; connect; answered",
        "look-up; egress redirected; dns forwarded; stage answered; connect; ingress forwarded; arrived; answered",
        "look-up; egress redirected; dns dropped; name refused",
        // Denied, which the engine allows.
        STOCK.1,
    ] {
        let shown = check("cart", STOCK, ("shop/cart", words)).await;
        write!(text, "{words}\n  {shown}").unwrap();
    }
    insta::assert_snapshot!(text, @r"
    arrived; bound; answered
      shop/cart: allow (by outcome+arrival, 0 flows), AsExpected, 0 ms
    bound; arrived; arrived; answered; answered
      shop/cart: allow (by outcome+arrival, 0 flows), AsExpected, 0 ms
    bound; request; answered
      shop/cart: allow (by outcome+arrival, 0 flows), AsExpected, 0 ms
    bound; answered; after 400; arrived
      shop/cart: allow (by outcome+arrival, 0 flows), AsExpected, 400 ms
    bound; answered; after 600; arrived
      shop/cart: inconclusive: the client saw: answered, and no server saw it (by nothing, 0 flows), Inconclusive, 1500 ms
    bound; answered
      shop/cart: inconclusive: the client saw: answered, and no server saw it (by nothing, 0 flows), Inconclusive, 1500 ms
    bound; arrived elsewhere; answered
      shop/cart: inconclusive: the client saw: answered, and no server saw it (by nothing, 0 flows), Inconclusive, 1500 ms
    bound; arrived; answered; ingress audited
      shop/cart: audit ingress (by outcome+flow+arrival, 1 flows), Differs, 0 ms
    bound; arrived; answered; ingress dropped
      shop/cart: inconclusive: the client saw: answered, although its packets were denied at ingress, the first of them 3.0 ms before that (by nothing, 1 flows), Inconclusive, 0 ms
    bound; arrived; answered; after 1; ingress dropped
      shop/cart: allow (by outcome+arrival, 0 flows), AsExpected, 0 ms
    bound; bound; arrived; stage answered; stage refused; answered; refused
      shop/cart: allow (by outcome+arrival, 0 flows), AsExpected, 0 ms
    bound; lost; arrived; answered
      shop/cart: allow (by outcome+arrival, 0 flows), AsExpected, 0 ms
    bound; arrived; HTTP 403
      shop/cart: allow (by outcome+arrival, 0 flows), AsExpected, 0 ms
    look-up; arrived; stage answered; connect; answered
      shop/cart: inconclusive: the client saw: answered, and no server saw it (by nothing, 0 flows), Inconclusive, 1500 ms
    look-up; egress redirected; dns forwarded; stage answered; connect; ingress forwarded; arrived; answered
      shop/cart: allow (by outcome+flow+arrival, 3 flows), AsExpected, 0 ms
    look-up; egress redirected; dns dropped; name refused
      shop/cart: deny dns (by outcome+flow+arrival, 2 flows), Differs, 0 ms
    bound; egress forwarded; ingress dropped
      shop/cart: deny ingress (by outcome+flow+arrival, 2 flows), Differs, ended, 0 ms
    ");
}

#[tokio::test(start_paused = true)]
async fn an_allow_rests_on_the_outcome_where_servers_tell_nothing() {
    let mut script = Script::new(&[("shop/cart", "bound; answered"), STOCK]);
    script.silent_servers = true;
    let (cells, _, outcome, took) = play("silent", &script).await;
    let lines: Vec<String> = cells.iter().map(line).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    shop/cart: allow (by outcome, 0 flows), AsExpected
    shop/stock: deny ingress (by outcome+flow, 2 flows), AsExpected
    ");
    assert_eq!((outcome, took), (RunResult::AsExpected, Duration::ZERO));
}

/// The client asks the next server, and a drop that is told twice ends nothing twice.
#[tokio::test(start_paused = true)]
async fn a_dropped_query_ends_alone_where_another_server_is_asked() {
    let words = "look-up; egress dropped; after 1; egress dropped; stage timed out; look-up; stage answered; connect; \
                 ingress forwarded; arrived; answered";
    let mut script = Script::new(&[("shop/cart", words), STOCK]);
    script.asks_on = true;
    let (cells, ..) = play("asks-on", &script).await;
    assert_eq!(line(&cells[0]), "shop/cart: allow (by outcome+flow+arrival, 3 flows), AsExpected");
    let ended: Vec<String> =
        script.told.borrow().iter().filter(|told| told.starts_with("end")).cloned().collect();
    assert_eq!(ended, ["end the stage of 1 at 10.0.0.1:50001", "end 2"]);
}

/// Attempts have their ports one after the other: a flow is of the attempt that had the port at its time, however late
/// it is told.
#[tokio::test(start_paused = true)]
async fn a_port_that_was_given_up_may_be_anothers() {
    let steps = "- step: locked
  policies: [cart-only]
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
        ("#4", "after 10; bound to 8; ingress forwarded; arrived; after 15; answered"),
    ]);
    let (cells, ..) = play_steps("ports", &script, steps).await;
    let shown = |cell: &CellJudged| format!("{} {}", cell.attempt, line(cell));
    let lines: Vec<String> = cells.iter().map(shown).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    tcp database/redis:6379 shop/cart: allow (by outcome+flow+arrival, 1 flows), AsExpected
    tcp database/redis:6379 shop/stock: audit ingress (by outcome+flow+arrival, 1 flows), Differs
    tcp database/redis:6380 shop/cart: deny ingress (by outcome+flow+arrival, 1 flows), Differs
    tcp database/redis:6380 shop/stock: allow (by outcome+flow+arrival, 1 flows), Contradicted
    ");
}
