//! The Markdown document.

use rstest::rstest;

use super::*;
use crate::fixture::{cells, objects, run};

#[test]
fn a_run_with_differences() {
    let [passing, failing, unclear] = [0, 5, 10].map(|index: usize| cells().remove(index));
    let objects = vec![objects().remove(1), objects().remove(2)];
    insta::assert_snapshot!(markdown(&run(objects, vec![passing, failing, unclear])), @r#"
    ## verdikt: 1 of 4 cells differing, 1 object not as expected

    Cilium 1.18, backend model: 1 scenario, 2 steps, 4 cells.

    ### three-tier/locked down

    `scenarios/three-tier.yaml:30`

    | from | `tcp database/redis:6379` | `http GET backend/api:8080/api?page=1` |
    | --- | --- | --- |
    | `backend/api-0` | allow |  |
    | `client` | **deny ingress** (expected allow) | **inconclusive** (expected allow) |

    - **refused: CiliumNetworkPolicy database/typo at policies/refused.yaml:6 by the API server: unknown field "spec.ingres"; it is not in force, and no refusal is expected**

    <details><summary>three-tier/locked down/tcp database/redis:6379/client: differs</summary>

    ```
    expected   allow, at scenarios/three-tier.yaml:42
    predicted  deny ingress
    checks
      1. egress of client/as-pod to database/redis, tcp port 6379
         allowed: no policy isolates client/as-pod at egress
      2. ingress of database/redis from client/as-pod, tcp port 6379
         denied: no rule allows it, and database/redis is isolated at ingress (default deny) by
            policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0]
            policies/default-deny.yaml:7  CiliumNetworkPolicy database/default-deny spec.ingress[0]
         the nearest rule that allows something is
            policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
            it fails on peer: app=backend is wanted, its label app is frontend
    again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/tcp database/redis:6379/client'
    ```
    </details>

    <details><summary>three-tier/locked down/http GET backend/api:8080/api?page=1/client: inconclusive</summary>

    ```
    expected   allow, at scenarios/three-tier.yaml:42
    predicted  inconclusive: the engine does not know what an Envoy filter of its own makes of it
    checks
      1. egress of shop/cart to database/redis, tcp port 6379
         allowed: the node's own traffic to its pods needs no rule
      2. ingress of database/redis from shop/cart, tcp port 6379
         the engine does not know what an Envoy filter of its own makes of it
            policies/envoy.yaml:15  CiliumNetworkPolicy backend/envoy spec.ingress[0].toPorts[0].listener
    again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/http GET backend/api:8080/api?page=1/client'
    ```
    </details>

    newer is skipped: it holds for Cilium &gt;=1.19, and this run is for 1.18

    <details><summary>three-tier/without policies: 1 cell as expected</summary>

    | from | `tcp database/redis:6379` |
    | --- | --- |
    | `frontend/web` | allow |

    </details>
    "#);
}

#[test]
fn a_run_as_expected() {
    insta::assert_snapshot!(markdown(&run(vec![objects().remove(0)], vec![cells().remove(0)])), @r"
    ## verdikt: 2 cells as expected

    Cilium 1.18, backend model: 1 scenario, 2 steps, 2 cells.

    newer is skipped: it holds for Cilium &gt;=1.19, and this run is for 1.18

    <details><summary>three-tier/without policies: 1 cell as expected</summary>

    | from | `tcp database/redis:6379` |
    | --- | --- |
    | `frontend/web` | allow |

    </details>

    <details><summary>three-tier/locked down: 1 cell as expected</summary>

    | from | `tcp database/redis:6379` |
    | --- | --- |
    | `backend/api-0` | allow |

    </details>
    ");
}

/// Attempts that come to the same for every source are one column.
#[test]
fn columns_that_say_the_same() {
    let first = cells().remove(0);
    let mut second = first.clone();
    second.attempt = crate::fixture::tcp("database/mysql", 3306).into();
    let text = markdown(&run(Vec::new(), vec![first, second]));
    let head = "| from | `tcp database/redis:6379`<br>`tcp database/mysql:3306` |\n| --- | --- |\n";
    assert!(text.contains(&format!("{head}| `backend/api-0` | allow |\n")), "{text}");
}

#[test]
fn every_outcome_has_its_title() {
    let [passing, failing, unclear] = [0, 5, 10].map(|index: usize| cells().remove(index));
    let check = |events: Vec<Event>, expected: &str| {
        assert_eq!(markdown(&events).lines().next(), Some(expected));
    };
    check(run(vec![], vec![passing.clone()]), "## verdikt: 2 cells as expected");
    check(run(vec![], vec![failing.clone()]), "## verdikt: 1 of 2 cells differing");
    check(run(vec![objects().remove(2)], vec![passing]), "## verdikt: 1 object not as expected");
    check(
        run(vec![objects().remove(2)], vec![failing]),
        "## verdikt: 1 of 2 cells differing, 1 object not as expected",
    );
    check(run(vec![], vec![unclear]), "## verdikt: 1 of 2 cells inconclusive");
    check(Vec::new(), "## verdikt: nothing to run");
}

#[test]
fn nothing_in_a_name_is_read_as_markdown() {
    let check = |text: &str, expected: [&str; 2]| {
        assert_eq!([inline(text), code(text)], expected, "{text}");
    };
    check("a|b", [r"a\|b", r"`a\|b`"]);
    check("<b>&", ["&lt;b&gt;&amp;", "`<b>&`"]);
    check("a`b", [r"a\`b", "`` a`b ``"]);
    check("*x*\n[y](z)", [r"\*x\* \[y\](z)", "`*x* [y](z)`"]);
    assert_eq!(fence_for("a ``` b"), "````");
}

#[test]
fn a_text_too_long_leaves_out_tables_that_are_as_expected() {
    let mut events = run(vec![], vec![cells().remove(0)]);
    let step: Vec<Event> = events[3..6].to_vec();
    let end = events.split_off(events.len() - 1);
    for _ in 0..9_000 {
        events.extend(step.iter().cloned());
    }
    events.extend(end);
    let text = markdown(&events);
    assert!(text.len() < MOST + 200, "{}", text.len());
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("The tables of ") && last.ends_with("the text would be too long."), "{last}");
}

/// A run in which so many cells differ in each of so many steps.
fn differing(steps: usize, cells: usize) -> Vec<Event> {
    let failing = crate::fixture::cells().remove(5);
    let mut events = run(vec![], vec![failing; cells]);
    let step: Vec<Event> = events[6..events.len() - 1].to_vec();
    let end = events.split_off(events.len() - 1);
    for _ in 1..steps {
        events.extend(step.iter().cloned());
    }
    events.extend(end);
    events
}

#[rstest]
#[case::one_long_step(1, 2_000)]
#[case::three_long_steps(3, 700)]
#[case::many_steps(20_000, 1)]
fn a_summary_is_never_longer_than_github_takes(#[case] steps: usize, #[case] cells: usize) {
    let text = markdown(&differing(steps, cells));
    assert!(text.len() <= MOST, "{} bytes", text.len());
    assert!(text.len() > MOST / 2, "{} bytes: the room is used", text.len());
    assert!(text.contains("\nThis is a part: "), "it says so");
}

#[test]
fn a_summary_that_is_too_long_shows_the_first_cells() {
    let text = markdown(&differing(1, 2_000));
    let shown = text.matches("<details><summary>three-tier/locked down/").count();
    let last: Vec<&str> = text.lines().rev().filter(|line| !line.is_empty()).take(2).collect();
    assert_eq!(last[1], format!("and {} more that are not as expected in this step", 2_000 - shown));
    assert_eq!(last[0], "The tables of 1 more step as expected are left out: the text would be too long.");
}

#[test]
fn steps_share_the_room() {
    let text = markdown(&differing(3, 700));
    let mut shown = text.split("\n### ").skip(1).map(|step| step.matches("<details>").count());
    let first = shown.next().unwrap();
    assert!(first > 100 && shown.all(|cells| cells.abs_diff(first) <= 2), "{first} of the first step");
}

#[test]
fn a_name_in_a_summary_is_copied_as_it_is() {
    assert_eq!(html(r"a_b/\*<c>/@d"), r"a_b/\*&#60;c&#62;/&#64;d");
}
