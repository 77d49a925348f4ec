//! Attempts whose evidence may be lost are made again, and nothing else is.

use std::fmt::Write as _;

use rstest::rstest;
use verdikt_verdict::run_result::RunResult;

use crate::cycle::{CART, STOCK, line, play_steps};
use crate::scripted::Script;
use crate::support::TABLE;

/// Plays a step, and tells each cell with what was seen before, which attempts were begun, and the time it took.
async fn check(test: &str, mode: &str, plays: &[(&'static str, &'static str)]) -> (String, RunResult) {
    let script = Script::new(plays);
    let steps = format!("- step: locked\n  mode: {mode}\n  policies: [cart-only]{TABLE}");
    let (cells, _, outcome, took) = play_steps(test, &script, &steps).await;
    let mut text = String::new();
    for cell in &cells {
        writeln!(text, "{}", line(cell)).unwrap();
        for before in &cell.evidence.as_ref().unwrap().again {
            writeln!(text, "  before: {}, {}", before.outcome, before.reason).unwrap();
        }
    }
    let told = script.told();
    let begun = told.lines().filter_map(|told| told.strip_prefix("begin ")?.split(" tcp").next());
    let begun: Vec<&str> = begun.collect();
    write!(text, "{}; {} ms", begun.join(", "), took.as_millis()).unwrap();
    (text, outcome)
}

/// What was lost once is seen the second time.
#[tokio::test(start_paused = true)]
async fn what_needs_a_lost_flow_is_made_again() {
    let plays = [CART, ("#2", "bound; lost; timed out"), STOCK];
    let (text, outcome) = check("again-once", "default", &plays).await;
    insta::assert_snapshot!(text, @r"
    shop/cart: allow (by outcome+flow+arrival, 2 flows), AsExpected
    shop/stock: deny ingress (by outcome+flow+arrival, 2 flows), AsExpected
      before: timed out, the client saw: timed out, and flows may be missing: the stream was cut
    1: shop/cart, 2: shop/stock, 3: shop/stock; 500 ms
    ");
    assert_eq!(outcome, RunResult::AsExpected);
}

/// A loss that goes on is not a verdict, and a run without differences ends with the code for that.
#[tokio::test(start_paused = true)]
async fn a_loss_that_does_not_end_is_inconclusive() {
    let plays = [CART, ("shop/stock", "bound; lost; timed out")];
    let (text, outcome) = check("again-ever", "default", &plays).await;
    insta::assert_snapshot!(text, @r"
    shop/cart: allow (by outcome+flow+arrival, 2 flows), AsExpected
    shop/stock: inconclusive: the client saw: timed out, and flows may be missing: the stream was cut (by nothing, 0 flows), Inconclusive
      before: timed out, the client saw: timed out, and flows may be missing: the stream was cut
      before: timed out, the client saw: timed out, and flows may be missing: the stream was cut
    1: shop/cart, 2: shop/stock, 3: shop/stock, 4: shop/stock; 1500 ms
    ");
    assert_eq!((outcome, outcome.exit_code()), (RunResult::Inconclusive, 3));
}

/// What the stock plays each time; answers which attempts were begun, and whether anything was seen before.
async fn begun(test: &str, words: &'static str) -> (String, bool) {
    let (text, _) = check(test, "default", &[CART, ("shop/stock", words)]).await;
    let last = text.lines().last().unwrap();
    (last.split_once(';').unwrap().0.to_owned(), text.contains("  before: "))
}

/// What fails without a reason, and what contradicts itself, is made three times.
#[rstest]
#[case::timed_out("all-1", "bound; timed out")]
#[case::refused("all-2", "bound; refused")]
#[case::not_arrived("all-3", "bound; answered")]
#[case::answered_and_denied("all-4", "bound; answered; ingress dropped")]
#[case::gone_for_no_policy("all-5", "bound; vanished dropped; timed out")]
#[case::lost("all-6", "bound; lost; egress forwarded; ingress forwarded; arrived; timed out")]
#[case::nothing("all-7", "bound")]
#[tokio::test(start_paused = true)]
async fn what_tells_no_verdict_is_made_again(#[case] test: &str, #[case] words: &'static str) {
    let thrice = "1: shop/cart, 2: shop/stock, 3: shop/stock, 4: shop/stock".to_owned();
    assert_eq!(begun(&format!("again-{test}"), words).await, (thrice, true));
}

/// The verdict of the second time counts.
#[tokio::test(start_paused = true)]
async fn what_is_made_again_may_tell_a_verdict() {
    let (text, outcome) = check("again-red", "default", &[CART, ("#2", "bound; timed out"), STOCK]).await;
    insta::assert_snapshot!(text, @r"
    shop/cart: allow (by outcome+flow+arrival, 2 flows), AsExpected
    shop/stock: deny ingress (by outcome+flow+arrival, 2 flows), AsExpected
      before: timed out, the client saw: timed out, and no flow says that a policy denied it
    1: shop/cart, 2: shop/stock, 3: shop/stock; 500 ms
    ");
    assert_eq!(outcome, RunResult::AsExpected);
}

/// Nothing else is: no verdict, as expected or not, nor what the datapath does not model, nor what nobody can attempt.
#[rstest]
#[case::allowed("none-1", CART.1)]
#[case::denied("none-2", "bound; lost; ingress dropped")]
#[case::answered("none-3", "bound; lost; arrived; answered")]
#[case::not_modelled("none-4", "lost; bound; ingress dropped; egress unknown")]
#[case::not_attempted("none-5", "lost; gone")]
#[case::query_denied("none-6", "look-up; egress dropped")]
#[case::look_up_unanswered("none-7", "look-up; stage timed out; connect; egress dropped")]
#[tokio::test(start_paused = true)]
async fn nothing_else_is_made_again(#[case] test: &str, #[case] words: &'static str) {
    let once = "1: shop/cart, 2: shop/stock".to_owned();
    assert_eq!(begun(&format!("again-{test}"), words).await, (once, false));
}

/// A packet that was denied right after its name was looked up may have come before its address was known: the second one
/// tells.
#[tokio::test(start_paused = true)]
async fn a_denial_after_a_look_up_is_made_again_once() {
    let denied = "look-up; stage answered; connect; egress dropped";
    let plays = [("#1", denied), ("#2", denied), CART, ("shop/stock", denied)];
    let (text, _) = check("again-early", "default", &plays).await;
    insta::assert_snapshot!(text, @r"
    shop/cart: allow (by outcome+flow+arrival, 2 flows), AsExpected
      before: ended when its flow was seen, its first packet was denied at egress right after its name was looked up, before Cilium had told the pod's policy the address
    shop/stock: deny egress (by outcome+flow+arrival, 1 flows), Differs
    1: shop/cart, 2: shop/stock, 3: shop/cart, 4: shop/stock; 0 ms
    ");
}

/// Whatever comes of the second time counts, and a difference is not attempted once more.
#[tokio::test(start_paused = true)]
async fn a_difference_stays_one() {
    let plays = [CART, ("#2", "bound; lost; timed out"), ("shop/stock", CART.1)];
    let (text, outcome) = check("again-differs", "default", &plays).await;
    insta::assert_snapshot!(text, @r"
    shop/cart: allow (by outcome+flow+arrival, 2 flows), AsExpected
    shop/stock: allow (by outcome+flow+arrival, 2 flows), Differs
      before: timed out, the client saw: timed out, and flows may be missing: the stream was cut
    1: shop/cart, 2: shop/stock, 3: shop/stock; 500 ms
    ");
    assert_eq!(outcome, RunResult::Differs);
    let plays = [("#1", "bound; lost; timed out"), ("shop/cart", STOCK.1), STOCK];
    let (text, outcome) = check("again-differs", "default", &plays).await;
    insta::assert_snapshot!(text, @r"
    shop/cart: deny ingress (by outcome+flow+arrival, 2 flows), Differs
      before: timed out, the client saw: timed out, and flows may be missing: the stream was cut
    shop/stock: deny ingress (by outcome+flow+arrival, 2 flows), AsExpected
    1: shop/cart, 2: shop/stock, 3: shop/cart; 500 ms
    ");
    assert_eq!(outcome, RunResult::Differs);
}

/// Nothing is made again before flows come.
#[tokio::test(start_paused = true)]
async fn flows_that_stay_away_are_waited_for() {
    let mut told = String::new();
    for first in [
        "bound; cut; timed out; after 2000; regained",
        "bound; cut; timed out",
        "bound; given up; timed out",
        "bound; cut; regained; timed out",
        // What was lost before the second time has no part in it.
        "bound; cut; timed out; after 2000; lost; regained; lost",
        "bound; cut; timed out; after 2000; gone; regained",
    ] {
        let plays = [CART, ("#2", first), ("#3", "bound; ingress dropped"), STOCK];
        let (text, _) = check("again-away", "default", &plays).await;
        writeln!(told, "{first}\n{text}\n").unwrap();
    }
    insta::assert_snapshot!(told, @r"
    bound; cut; timed out; after 2000; regained
    shop/cart: allow (by outcome+flow+arrival, 2 flows), AsExpected
    shop/stock: deny ingress (by outcome+flow+arrival, 1 flows), AsExpected
      before: timed out, the client saw: timed out, and flows may be missing: node n1 is not heard
    1: shop/cart, 2: shop/stock, 3: shop/stock; 2000 ms

    bound; cut; timed out
    shop/cart: allow (by outcome+flow+arrival, 2 flows), AsExpected
    shop/stock: inconclusive: the client saw: timed out, and flows may be missing: node n1 is not heard (by nothing, 0 flows), Inconclusive
    1: shop/cart, 2: shop/stock; 60500 ms

    bound; given up; timed out
    shop/cart: allow (by outcome+flow+arrival, 2 flows), AsExpected
    shop/stock: inconclusive: the client saw: timed out, and flows may be missing: node n1 was given up (by nothing, 0 flows), Inconclusive
    1: shop/cart, 2: shop/stock; 500 ms

    bound; cut; regained; timed out
    shop/cart: allow (by outcome+flow+arrival, 2 flows), AsExpected
    shop/stock: deny ingress (by outcome+flow+arrival, 1 flows), AsExpected
      before: timed out, the client saw: timed out, and flows may be missing: node n1 is not heard
    1: shop/cart, 2: shop/stock, 3: shop/stock; 500 ms

    bound; cut; timed out; after 2000; lost; regained; lost
    shop/cart: allow (by outcome+flow+arrival, 2 flows), AsExpected
    shop/stock: deny ingress (by outcome+flow+arrival, 1 flows), AsExpected
      before: timed out, the client saw: timed out, and flows may be missing: node n1 is not heard
    1: shop/cart, 2: shop/stock, 3: shop/stock; 2000 ms

    bound; cut; timed out; after 2000; gone; regained
    shop/cart: allow (by outcome+flow+arrival, 2 flows), AsExpected
    shop/stock: inconclusive: not attempted: the probe of shop/stock has ended: killed (by nothing, 0 flows), Inconclusive
      before: timed out, the client saw: timed out, and flows may be missing: node n1 is not heard
    1: shop/cart, 2: shop/stock; 2000 ms
    ");
}

/// In audit mode what passed may have been meant to be denied, which nothing but a flow tells.
#[tokio::test(start_paused = true)]
async fn in_audit_mode_a_success_needs_its_flow() {
    let stock = "bound; egress forwarded; ingress audited; arrived; answered";
    let plays = [CART, ("#2", "bound; lost; egress forwarded; arrived; answered"), ("shop/stock", stock)];
    let (enforced, _) = check("again-enforced", "default", &plays).await;
    assert!(enforced.contains("\n1: shop/cart, 2: shop/stock; "), "{enforced}");
    let (audited, _) = check("again-audit", "audit", &plays).await;
    insta::assert_snapshot!(audited, @r"
    shop/cart: allow (by outcome+flow+arrival, 2 flows), AsExpected
      before: answered, the client saw: answered, and flows may be missing: the stream was cut
    shop/stock: audit ingress (by outcome+flow+arrival, 2 flows), Differs
      before: answered, the client saw: answered, and flows may be missing: the stream was cut
    1: shop/cart, 2: shop/stock, 3: shop/cart, 4: shop/stock; 0 ms
    ");
}

/// The flow of a success in audit mode may be missing without a report of it: the second attempt has one.
#[rstest]
#[case::none("unreported-1", "bound; arrived; answered")]
#[case::one_direction("unreported-2", "bound; egress forwarded; arrived; answered")]
#[tokio::test(start_paused = true)]
async fn in_audit_mode_a_success_without_its_flow_is_made_again(
    #[case] test: &str,
    #[case] first: &'static str,
) {
    let stock = "bound; egress forwarded; ingress audited; arrived; answered";
    let (audited, _) = check(test, "audit", &[CART, ("#2", first), ("shop/stock", stock)]).await;
    insta::allow_duplicates! {
        insta::assert_snapshot!(audited, @r"
        shop/cart: allow (by outcome+flow+arrival, 2 flows), AsExpected
        shop/stock: audit ingress (by outcome+flow+arrival, 2 flows), Differs
          before: answered, it was answered in audit mode, and the flow that tells whether it would have been denied was missing
        1: shop/cart, 2: shop/stock, 3: shop/stock; 0 ms
        ");
    }
}
