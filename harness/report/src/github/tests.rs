//! The workflow commands.

use super::*;
use crate::fixture::{cells, objects, run};

#[test]
fn every_kind_of_difference() {
    insta::assert_snapshot!(github(&run(objects(), cells())), @r#"
    ::error file=policies/api.yaml,line=11,title=verdikt%3A not as expected::three-tier/locked down/http GET backend/api:8080/api?page=1/frontend/worker: deny http, expected allow at scenarios/three-tier.yaml:42
    ::error file=policies/redis.yaml,line=12,title=verdikt%3A not as expected::three-tier/locked down/tcp database/redis:6379/shop/cart: deny ingress by database/default-deny, database/redis, expected deny ingress by database/lockdown at scenarios/three-tier.yaml:42%0Athree-tier/locked down/tcp database/redis:6379/client: deny ingress, expected allow at scenarios/three-tier.yaml:42
    ::error file=policies/refused.yaml,line=6,title=verdikt%3A policy object::refused: CiliumNetworkPolicy database/typo at policies/refused.yaml:6 by the API server: unknown field "spec.ingres"; it is not in force, and no refusal is expected%0Arefused for another reason: CiliumNetworkPolicy database/ports at policies/refused.yaml:6 by the agent: invalid port range; expected by the agent, saying "too many ports"
    ::error file=scenarios/three-tier.yaml,line=42,title=verdikt%3A not as expected::three-tier/locked down/http GET backend/api:8080/api?page=1/shop/cart: allow by no policy, expected deny ingress by backend/api at scenarios/three-tier.yaml:42
    ::warning file=policies/envoy.yaml,line=15,title=verdikt%3A inconclusive::three-tier/locked down/http GET backend/api:8080/api?page=1/client: inconclusive: the engine does not know what an Envoy filter of its own makes of it, expected allow at scenarios/three-tier.yaml:42
    "#);
}

#[test]
fn nothing_where_all_is_as_expected() {
    assert_eq!(github(&run(vec![objects().remove(0)], vec![cells().remove(0)])), "");
}

#[test]
fn one_annotation_names_so_many_cells() {
    let failing = cells().remove(5);
    let text = github(&run(vec![], vec![failing; 13]));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.trim_end().ends_with("%0Aand 3 more"), "{text}");
}

#[test]
fn what_github_does_not_show_is_counted() {
    let failing = |line: u32| {
        let mut cell = cells().remove(9);
        cell.place.line = line;
        cell
    };
    let text = github(&run(vec![], (1..=12).flat_map(|line| [failing(line), failing(line)]).collect()));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), SHOWN);
    assert!(lines[8].contains("line=9,"), "{text}");
    let last = "::error title=verdikt%3A more::6 more at 3 other lines, which GitHub does not show: the other reports have all";
    assert_eq!(lines[9], last);
    let whole = github(&run(vec![], (1..=10).map(failing).collect()));
    assert!(whole.lines().count() == SHOWN && !whole.contains("more"), "{whole}");
}

#[test]
fn paths_and_what_is_escaped() {
    let check = |file: &str, expected: &str| {
        assert_eq!(property(&Place::start_of(file).normal_file()), expected, "{file}");
    };
    check("scenarios/../policies/redis.yaml", "policies/redis.yaml");
    check("./a/./b.yaml", "a/b.yaml");
    check("../shared/x.yaml", "../shared/x.yaml");
    check("/srv/a,b:c%.yaml", "/srv/a%2Cb%3Ac%25.yaml");
    assert_eq!(data("100 %\r\nsure, yes: it is"), "100 %25%0D%0Asure, yes: it is");
}
