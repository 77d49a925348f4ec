//! Invariants held against real attempts: those of the table count, and what it leaves out is attempted too.

use verdikt_verdict::event::Event;
use verdikt_verdict::run_result::RunResult;

use crate::cycle::{CART, STOCK, play_file};
use crate::scripted::Script;
use crate::support::{CART_ONLY, TABLE, scenario, summary};

const INVARIANTS: &str = "
invariants:
- never: {from: shop/stock, to: database/*}
  because: The stock is kept elsewhere.
- always: {from: shop/cart, to: database/redis}
  because: A cart is nothing without its goods.
steps:
";

/// What is said of the invariants of one step, and what the run comes to.
async fn play(test: &str, script: &Script) -> (String, Vec<Event>, RunResult) {
    let steps = format!("- step: locked\n  policies: [cart-only]{TABLE}");
    let file = scenario("one", ">=1.16", &steps, CART_ONLY).replace("\nsteps:\n", INVARIANTS);
    let (_, events, result, _) = play_file(test, script, file).await;
    let summary = summary(&events);
    let said = summary.lines().map(str::trim).filter(|line| line.contains("->"));
    (said.collect::<Vec<_>>().join("\n"), events, result)
}

#[tokio::test(start_paused = true)]
async fn every_pair_with_a_served_port_is_attempted() {
    let script = Script::new(&[CART, STOCK]);
    let (said, _, result) = play("invariants", &script).await;
    insta::assert_snapshot!(said, @r"
    never shop/stock -> database/* holds for 2 pairs of ends
    always shop/cart -> database/redis holds for 1 pairs of ends
    never shop/stock -> database/* holds for 2 attempts
    always shop/cart -> database/redis holds for 2 attempts
    ");
    // The table has the other port already.
    insta::assert_snapshot!(script.told(), @r"
    apply locked
    begin 1: shop/cart tcp database/redis:6379
    begin 2: shop/stock tcp database/redis:6379
    end 2
    begin 3: shop/cart tcp database/redis:6380
    begin 4: shop/stock tcp database/redis:6380
    end 4
    ");
    assert_eq!(result, RunResult::AsExpected);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_breaks_what_the_model_proves() {
    let script = Script::new(&[CART, STOCK, ("#4", CART.1), ("#3", STOCK.1)]);
    let (said, events, result) = play("broken-invariants", &script).await;
    insta::assert_snapshot!(said, @r"
    never shop/stock -> database/* holds for 2 pairs of ends
    always shop/cart -> database/redis holds for 1 pairs of ends
    never shop/stock -> database/* does not hold for a real attempt: tcp database/redis:6380 from shop/stock: allow. Why it must: The stock is kept elsewhere.
    always shop/cart -> database/redis does not hold for a real attempt: tcp database/redis:6380 from shop/cart: deny ingress. Why it must: A cart is nothing without its goods.
    ");
    assert_eq!(result, RunResult::Differs);
    let evidence = events.iter().filter_map(|event| match event {
        Event::InvariantJudged(judged) => judged.evidence(),
        _ => None,
    });
    let flows: Vec<usize> = evidence.map(|evidence| evidence.flows.len()).collect();
    assert_eq!(flows, [2, 2]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_tells_nothing_is_inconclusive() {
    let silent = "bound; timed out";
    let script = Script::new(&[CART, STOCK, ("#4", silent), ("#5", silent), ("#6", silent)]);
    let (said, _, result) = play("untold-invariants", &script).await;
    let untold = "never shop/stock -> database/*: an attempt gives no verdict: tcp database/redis:6380 from shop/stock: \
                  inconclusive, ";
    assert!(said.contains(untold), "{said}");
    assert_eq!(result, RunResult::Inconclusive);
}
