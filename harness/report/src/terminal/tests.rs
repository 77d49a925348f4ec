//! What people see of runs, at several widths.

use proptest::prelude::*;
use verdikt_scenario::diagnostic::Diagnostic;
use verdikt_scenario::place::Place;
use verdikt_scenario::prediction::{Answer, EnforcementPoint, Finding};

use verdikt_verdict::run_result::Totals;

use super::*;
use crate::fixture::{at_redis, cell, cells, get, no_rule_allows, objects, pod, run, tcp};

mod layout;
mod seen;

fn shown(events: &[Event], width: usize, detail: Detail, colour: bool) -> String {
    let options = TerminalOptions { width, colour, detail, command: "verdikt run".to_owned() };
    let mut terminal = Terminal::new(options);
    events.iter().map(|event| terminal.push(event)).collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "the snapshot is long")]
fn every_kind_of_cell() {
    insta::assert_snapshot!(shown(&run(objects(), cells()), 100, Detail::Tables, false), @r#"
    verdikt 0.1.0, backend model, Cilium 1.18

    skipped       newer: it holds for Cilium >=1.19, and this run is for 1.18

    three-tier  scenarios/three-tier.yaml
      Redis takes connections only from the backend; every tier takes them only from the tier in front
      of it.

    ok            three-tier/without policies: 1 cell
      scenarios/three-tier.yaml:20

                     tcp database/redis:6379
      frontend/web   allow

      · no number: no policy isolates the source at egress or the target at ingress

    DIFFERS       three-tier/locked down: 11 cells, 4 differing, 1 inconclusive, 2 objects not as
                  expected
      scenarios/three-tier.yaml:30

                        tcp database/redis:6379             http GET backend/api:8080/api?page=1
      backend/api-0       allow [1,2]                         -
      frontend/web        deny ingress [3]                    deny http [4]
      frontend/worker     deny egress [5]                   ! deny http [4,6]
                                                              (expected allow)
      monitor/monitor     audit ingress [3]                   allow [7]
      shop/cart         ! deny ingress [3]                  ! allow
                          (expected by database/lockdown)     (expected deny ingress by backend/api)
      client            ! deny ingress [3]                  ? inconclusive [8]
                          (expected allow)                    (expected allow)

      [1] allowed by    policies/egress.yaml:9  CiliumNetworkPolicy backend/egress spec.egress[0]
      [2] allowed by    policies/redis.yaml:12
            CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
      [3] default deny  policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0]
          and           policies/default-deny.yaml:7
            CiliumNetworkPolicy database/default-deny spec.ingress[0]
      [4] no match in   policies/api.yaml:11
            CiliumNetworkPolicy backend/api spec.ingress[0].toPorts[0].ports[0]
      [5] denied by     policies/no-database.yaml:20
            CiliumNetworkPolicy frontend/no-database spec.egressDeny[0]
      [6] Cilium 1.18 differs: queries were not part of the path
      [7] Cilium 1.18 differs: nothing isolated it yet
      [8] not known     policies/envoy.yaml:15
            CiliumNetworkPolicy backend/envoy spec.ingress[0].toPorts[0].listener
      ·   no number: no policy isolates the source at egress or the target at ingress

      refused as expected: CiliumNetworkPolicy database/empty by the agent: rule must have at least one
      of Ingress, Egress
    ! refused: CiliumNetworkPolicy database/typo at policies/refused.yaml:6 by the API server: unknown
      field "spec.ingres"; it is not in force, and no refusal is expected
    ! refused for another reason: CiliumNetworkPolicy database/ports at policies/refused.yaml:6 by the
      agent: invalid port range; expected by the agent, saying "too many ports"

    ! three-tier/locked down/tcp database/redis:6379/shop/cart: another policy decides
        expected   deny ingress by database/lockdown, at scenarios/three-tier.yaml:42
        predicted  deny ingress by database/default-deny, database/redis
        checks
          1. egress of shop/cart to database/redis, tcp port 6379
             allowed: no policy isolates shop/cart at egress
          2. ingress of database/redis from shop/cart, tcp port 6379
             denied: no rule allows it, and database/redis is isolated at ingress (default deny) by
                policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0]
                policies/default-deny.yaml:7  CiliumNetworkPolicy database/default-deny spec.ingress[0]
             the nearest rule that allows something is
                policies/redis.yaml:12
                  CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
                it fails on peer: app=backend is wanted, its label app is frontend
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/tcp database/redis:6379/shop/cart'

    ! three-tier/locked down/tcp database/redis:6379/client: differs
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
                policies/redis.yaml:12
                  CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
                it fails on peer: app=backend is wanted, its label app is frontend
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/tcp database/redis:6379/client'

    ! three-tier/locked down/http GET backend/api:8080/api?page=1/frontend/worker: differs
        expected   allow, at scenarios/three-tier.yaml:42
        because    Cilium 1.18 differs: queries were not part of the path
        predicted  deny http
        checks
          1. egress of frontend/worker to backend/api-0, tcp port 3000
             allowed: no policy isolates frontend/worker at egress
          2. ingress of backend/api-0 from frontend/worker, tcp port 3000
             allowed by
                policies/api.yaml:11
                  CiliumNetworkPolicy backend/api spec.ingress[0].toPorts[0].ports[0]
          3. HTTP proxy of backend/api-0, GET /api?page=1
             denied: no rule of the proxy allows it; it was sent there by
                policies/api.yaml:11
                  CiliumNetworkPolicy backend/api spec.ingress[0].toPorts[0].ports[0]
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/http GET backend/api:8080/api?page=1/frontend/worker'

    ! three-tier/locked down/http GET backend/api:8080/api?page=1/shop/cart: differs
        expected   deny ingress by backend/api, at scenarios/three-tier.yaml:42
        predicted  allow by no policy
        checks
          1. egress of shop/cart to database/redis, tcp port 6379
             allowed: no policy isolates shop/cart at egress
          2. ingress of database/redis from shop/cart, tcp port 6379
             allowed: no policy isolates database/redis at ingress
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/http GET backend/api:8080/api?page=1/shop/cart'

    ? three-tier/locked down/http GET backend/api:8080/api?page=1/client: inconclusive
        expected   allow, at scenarios/three-tier.yaml:42
        predicted  inconclusive: the engine does not know what an Envoy filter of its own makes of it
        checks
          1. egress of shop/cart to database/redis, tcp port 6379
             allowed: the node's own traffic to its pods needs no rule
          2. ingress of database/redis from shop/cart, tcp port 6379
             the engine does not know what an Envoy filter of its own makes of it
                policies/envoy.yaml:15
                  CiliumNetworkPolicy backend/envoy spec.ingress[0].toPorts[0].listener
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/http GET backend/api:8080/api?page=1/client'

    not as expected:
      DIFFERS       three-tier/locked down: 11 cells, 4 differing, 1 inconclusive, 2 objects not as
                    expected
        tcp database/redis:6379 from shop/cart: expected deny ingress by database/lockdown, deny
          ingress by database/redis policies/redis.yaml:12
        tcp database/redis:6379 from client: expected allow, deny ingress by database/redis
          policies/redis.yaml:12
        http GET backend/api:8080/api?page=1 from frontend/worker: expected allow, deny http by
          backend/api policies/api.yaml:11
        http GET backend/api:8080/api?page=1 from shop/cart: expected deny ingress by backend/api,
          allow, by no policy
        http GET backend/api:8080/api?page=1 from client: expected allow, inconclusive: the engine
          does not know what an Envoy filter of its own makes of it

    backend model, Cilium 1.18
    DIFFERS: 1 scenario, 2 steps, 12 cells, 4 policy objects, 4 differing cells, 1 inconclusive cell, 2
    objects not as expected, 1 scenario skipped
    "#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "the snapshot is long")]
fn every_kind_of_cell_in_sixty_columns() {
    insta::assert_snapshot!(shown(&run(objects(), cells()), 60, Detail::Tables, false), @r#"
    verdikt 0.1.0, backend model, Cilium 1.18

    skipped       newer: it holds for Cilium >=1.19, and this
                  run is for 1.18

    three-tier  scenarios/three-tier.yaml
      Redis takes connections only from the backend; every tier
      takes them only from the tier in front of it.

    ok            three-tier/without policies: 1 cell
      scenarios/three-tier.yaml:20

                     tcp database/redis:6379
      frontend/web   allow

      · no number: no policy isolates the source at egress or
        the target at ingress

    DIFFERS       three-tier/locked down: 11 cells, 4 differing,
                  1 inconclusive, 2 objects not as expected
      scenarios/three-tier.yaml:30

                        tcp database/redis:6379
      backend/api-0       allow [1,2]
      frontend/web        deny ingress [3]
      frontend/worker     deny egress [5]
      monitor/monitor     audit ingress [3]
      shop/cart         ! deny ingress [3]
                          (expected by database/lockdown)
      client            ! deny ingress [3]
                          (expected allow)

                        http GET backend/api:8080/api?page=1
      backend/api-0       -
      frontend/web        deny http [4]
      frontend/worker   ! deny http [4,6]
                          (expected allow)
      monitor/monitor     allow [7]
      shop/cart         ! allow
                          (expected deny ingress by backend/api)
      client            ? inconclusive [8]
                          (expected allow)

      [1] allowed by    policies/egress.yaml:9
            CiliumNetworkPolicy backend/egress spec.egress[0]
      [2] allowed by    policies/redis.yaml:12
            CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
      [3] default deny  policies/redis.yaml:12
            CiliumNetworkPolicy database/redis spec.ingress[0]
          and           policies/default-deny.yaml:7
            CiliumNetworkPolicy database/default-deny spec.ingress[0]
      [4] no match in   policies/api.yaml:11
            CiliumNetworkPolicy backend/api spec.ingress[0].toPorts[0].ports[0]
      [5] denied by     policies/no-database.yaml:20
            CiliumNetworkPolicy frontend/no-database spec.egressDeny[0]
      [6] Cilium 1.18 differs: queries were not part of the path
      [7] Cilium 1.18 differs: nothing isolated it yet
      [8] not known     policies/envoy.yaml:15
            CiliumNetworkPolicy backend/envoy spec.ingress[0].toPorts[0].listener
      ·   no number: no policy isolates the source at egress or
          the target at ingress

      refused as expected: CiliumNetworkPolicy database/empty by
      the agent: rule must have at least one of Ingress, Egress
    ! refused: CiliumNetworkPolicy database/typo at
      policies/refused.yaml:6 by the API server: unknown field
      "spec.ingres"; it is not in force, and no refusal is
      expected
    ! refused for another reason: CiliumNetworkPolicy
      database/ports at policies/refused.yaml:6 by the agent:
      invalid port range; expected by the agent, saying "too
      many ports"

    ! three-tier/locked down/tcp database/redis:6379/shop/cart:
      another policy decides
        expected   deny ingress by database/lockdown, at
                   scenarios/three-tier.yaml:42
        predicted  deny ingress by database/default-deny,
                   database/redis
        checks
          1. egress of shop/cart to database/redis, tcp port
             6379
             allowed: no policy isolates shop/cart at egress
          2. ingress of database/redis from shop/cart, tcp port
             6379
             denied: no rule allows it, and database/redis is
             isolated at ingress (default deny) by
                policies/redis.yaml:12
                  CiliumNetworkPolicy database/redis spec.ingress[0]
                policies/default-deny.yaml:7
                  CiliumNetworkPolicy database/default-deny spec.ingress[0]
             the nearest rule that allows something is
                policies/redis.yaml:12
                  CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
                it fails on peer: app=backend is wanted, its
                label app is frontend
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/tcp database/redis:6379/shop/cart'

    ! three-tier/locked down/tcp database/redis:6379/client:
      differs
        expected   allow, at scenarios/three-tier.yaml:42
        predicted  deny ingress
        checks
          1. egress of client/as-pod to database/redis, tcp port
             6379
             allowed: no policy isolates client/as-pod at egress
          2. ingress of database/redis from client/as-pod, tcp
             port 6379
             denied: no rule allows it, and database/redis is
             isolated at ingress (default deny) by
                policies/redis.yaml:12
                  CiliumNetworkPolicy database/redis spec.ingress[0]
                policies/default-deny.yaml:7
                  CiliumNetworkPolicy database/default-deny spec.ingress[0]
             the nearest rule that allows something is
                policies/redis.yaml:12
                  CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
                it fails on peer: app=backend is wanted, its
                label app is frontend
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/tcp database/redis:6379/client'

    ! three-tier/locked down/http GET
      backend/api:8080/api?page=1/frontend/worker: differs
        expected   allow, at scenarios/three-tier.yaml:42
        because    Cilium 1.18 differs: queries were not part of
                   the path
        predicted  deny http
        checks
          1. egress of frontend/worker to backend/api-0, tcp
             port 3000
             allowed: no policy isolates frontend/worker at
             egress
          2. ingress of backend/api-0 from frontend/worker, tcp
             port 3000
             allowed by
                policies/api.yaml:11
                  CiliumNetworkPolicy backend/api spec.ingress[0].toPorts[0].ports[0]
          3. HTTP proxy of backend/api-0, GET /api?page=1
             denied: no rule of the proxy allows it; it was sent
             there by
                policies/api.yaml:11
                  CiliumNetworkPolicy backend/api spec.ingress[0].toPorts[0].ports[0]
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/http GET backend/api:8080/api?page=1/frontend/worker'

    ! three-tier/locked down/http GET
      backend/api:8080/api?page=1/shop/cart: differs
        expected   deny ingress by backend/api, at
                   scenarios/three-tier.yaml:42
        predicted  allow by no policy
        checks
          1. egress of shop/cart to database/redis, tcp port
             6379
             allowed: no policy isolates shop/cart at egress
          2. ingress of database/redis from shop/cart, tcp port
             6379
             allowed: no policy isolates database/redis at
             ingress
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/http GET backend/api:8080/api?page=1/shop/cart'

    ? three-tier/locked down/http GET
      backend/api:8080/api?page=1/client: inconclusive
        expected   allow, at scenarios/three-tier.yaml:42
        predicted  inconclusive: the engine does not know what
                   an Envoy filter of its own makes of it
        checks
          1. egress of shop/cart to database/redis, tcp port
             6379
             allowed: the node's own traffic to its pods needs
             no rule
          2. ingress of database/redis from shop/cart, tcp port
             6379
             the engine does not know what an Envoy filter of
             its own makes of it
                policies/envoy.yaml:15
                  CiliumNetworkPolicy backend/envoy spec.ingress[0].toPorts[0].listener
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/http GET backend/api:8080/api?page=1/client'

    not as expected:
      DIFFERS       three-tier/locked down: 11 cells, 4
                    differing, 1 inconclusive, 2 objects not as
                    expected
        tcp database/redis:6379 from shop/cart: expected deny
          ingress by database/lockdown, deny ingress by
          database/redis policies/redis.yaml:12
        tcp database/redis:6379 from client: expected allow,
          deny ingress by database/redis policies/redis.yaml:12
        http GET backend/api:8080/api?page=1 from
          frontend/worker: expected allow, deny http by
          backend/api policies/api.yaml:11
        http GET backend/api:8080/api?page=1 from shop/cart:
          expected deny ingress by backend/api, allow, by no
          policy
        http GET backend/api:8080/api?page=1 from client:
          expected allow, inconclusive: the engine does not know
          what an Envoy filter of its own makes of it

    backend model, Cilium 1.18
    DIFFERS: 1 scenario, 2 steps, 12 cells, 4 policy objects, 4
    differing cells, 1 inconclusive cell, 2 objects not as
    expected, 1 scenario skipped
    "#);
}

#[test]
fn differences_alone() {
    insta::assert_snapshot!(shown(&run(objects(), cells()), 100, Detail::Differences, false), @r#"
    skipped       newer: it holds for Cilium >=1.19, and this run is for 1.18
    DIFFERS       three-tier: 2 steps, 12 cells, 4 differing, 1 inconclusive, 2 objects not as expected

    DIFFERS       three-tier/locked down: 11 cells, 4 differing, 1 inconclusive, 2 objects not as
                  expected

    ! refused: CiliumNetworkPolicy database/typo at policies/refused.yaml:6 by the API server: unknown
      field "spec.ingres"; it is not in force, and no refusal is expected
    ! refused for another reason: CiliumNetworkPolicy database/ports at policies/refused.yaml:6 by the
      agent: invalid port range; expected by the agent, saying "too many ports"

    ! three-tier/locked down/tcp database/redis:6379/shop/cart: another policy decides
        expected   deny ingress by database/lockdown, at scenarios/three-tier.yaml:42
        predicted  deny ingress by database/default-deny, database/redis
        checks
          1. egress of shop/cart to database/redis, tcp port 6379
             allowed: no policy isolates shop/cart at egress
          2. ingress of database/redis from shop/cart, tcp port 6379
             denied: no rule allows it, and database/redis is isolated at ingress (default deny) by
                policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0]
                policies/default-deny.yaml:7  CiliumNetworkPolicy database/default-deny spec.ingress[0]
             the nearest rule that allows something is
                policies/redis.yaml:12
                  CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
                it fails on peer: app=backend is wanted, its label app is frontend
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/tcp database/redis:6379/shop/cart'

    ! three-tier/locked down/tcp database/redis:6379/client: differs
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
                policies/redis.yaml:12
                  CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
                it fails on peer: app=backend is wanted, its label app is frontend
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/tcp database/redis:6379/client'

    ! three-tier/locked down/http GET backend/api:8080/api?page=1/frontend/worker: differs
        expected   allow, at scenarios/three-tier.yaml:42
        because    Cilium 1.18 differs: queries were not part of the path
        predicted  deny http
        checks
          1. egress of frontend/worker to backend/api-0, tcp port 3000
             allowed: no policy isolates frontend/worker at egress
          2. ingress of backend/api-0 from frontend/worker, tcp port 3000
             allowed by
                policies/api.yaml:11
                  CiliumNetworkPolicy backend/api spec.ingress[0].toPorts[0].ports[0]
          3. HTTP proxy of backend/api-0, GET /api?page=1
             denied: no rule of the proxy allows it; it was sent there by
                policies/api.yaml:11
                  CiliumNetworkPolicy backend/api spec.ingress[0].toPorts[0].ports[0]
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/http GET backend/api:8080/api?page=1/frontend/worker'

    ! three-tier/locked down/http GET backend/api:8080/api?page=1/shop/cart: differs
        expected   deny ingress by backend/api, at scenarios/three-tier.yaml:42
        predicted  allow by no policy
        checks
          1. egress of shop/cart to database/redis, tcp port 6379
             allowed: no policy isolates shop/cart at egress
          2. ingress of database/redis from shop/cart, tcp port 6379
             allowed: no policy isolates database/redis at ingress
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/http GET backend/api:8080/api?page=1/shop/cart'

    ? three-tier/locked down/http GET backend/api:8080/api?page=1/client: inconclusive
        expected   allow, at scenarios/three-tier.yaml:42
        predicted  inconclusive: the engine does not know what an Envoy filter of its own makes of it
        checks
          1. egress of shop/cart to database/redis, tcp port 6379
             allowed: the node's own traffic to its pods needs no rule
          2. ingress of database/redis from shop/cart, tcp port 6379
             the engine does not know what an Envoy filter of its own makes of it
                policies/envoy.yaml:15
                  CiliumNetworkPolicy backend/envoy spec.ingress[0].toPorts[0].listener
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/http GET backend/api:8080/api?page=1/client'

    not as expected:
      DIFFERS       three-tier/locked down: 11 cells, 4 differing, 1 inconclusive, 2 objects not as
                    expected
        tcp database/redis:6379 from shop/cart: expected deny ingress by database/lockdown, deny
          ingress by database/redis policies/redis.yaml:12
        tcp database/redis:6379 from client: expected allow, deny ingress by database/redis
          policies/redis.yaml:12
        http GET backend/api:8080/api?page=1 from frontend/worker: expected allow, deny http by
          backend/api policies/api.yaml:11
        http GET backend/api:8080/api?page=1 from shop/cart: expected deny ingress by backend/api,
          allow, by no policy
        http GET backend/api:8080/api?page=1 from client: expected allow, inconclusive: the engine
          does not know what an Envoy filter of its own makes of it

    backend model, Cilium 1.18
    DIFFERS: 1 scenario, 2 steps, 12 cells, 4 policy objects, 4 differing cells, 1 inconclusive cell, 2
    objects not as expected, 1 scenario skipped
    "#);
}

/// A scenario has one line, and a step that differs its table and its differences; the end names every cell.
#[test]
#[expect(clippy::too_many_lines, reason = "a whole output is one snapshot")]
fn short() {
    insta::assert_snapshot!(shown(&run(objects(), cells()), 100, Detail::Short, false), @r#"
    skipped       newer: it holds for Cilium >=1.19, and this run is for 1.18
    DIFFERS       three-tier: 2 steps, 12 cells, 4 differing, 1 inconclusive, 2 objects not as expected

    DIFFERS       three-tier/locked down: 11 cells, 4 differing, 1 inconclusive, 2 objects not as
                  expected
      scenarios/three-tier.yaml:30

                        tcp database/redis:6379             http GET backend/api:8080/api?page=1
      backend/api-0       allow [1,2]                         -
      frontend/web        deny ingress [3]                    deny http [4]
      frontend/worker     deny egress [5]                   ! deny http [4,6]
                                                              (expected allow)
      monitor/monitor     audit ingress [3]                   allow [7]
      shop/cart         ! deny ingress [3]                  ! allow
                          (expected by database/lockdown)     (expected deny ingress by backend/api)
      client            ! deny ingress [3]                  ? inconclusive [8]
                          (expected allow)                    (expected allow)

      [1] allowed by    policies/egress.yaml:9  CiliumNetworkPolicy backend/egress spec.egress[0]
      [2] allowed by    policies/redis.yaml:12
            CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
      [3] default deny  policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0]
          and           policies/default-deny.yaml:7
            CiliumNetworkPolicy database/default-deny spec.ingress[0]
      [4] no match in   policies/api.yaml:11
            CiliumNetworkPolicy backend/api spec.ingress[0].toPorts[0].ports[0]
      [5] denied by     policies/no-database.yaml:20
            CiliumNetworkPolicy frontend/no-database spec.egressDeny[0]
      [6] Cilium 1.18 differs: queries were not part of the path
      [7] Cilium 1.18 differs: nothing isolated it yet
      [8] not known     policies/envoy.yaml:15
            CiliumNetworkPolicy backend/envoy spec.ingress[0].toPorts[0].listener
      ·   no number: no policy isolates the source at egress or the target at ingress

      refused as expected: CiliumNetworkPolicy database/empty by the agent: rule must have at least one
      of Ingress, Egress
    ! refused: CiliumNetworkPolicy database/typo at policies/refused.yaml:6 by the API server: unknown
      field "spec.ingres"; it is not in force, and no refusal is expected
    ! refused for another reason: CiliumNetworkPolicy database/ports at policies/refused.yaml:6 by the
      agent: invalid port range; expected by the agent, saying "too many ports"

    ! three-tier/locked down/tcp database/redis:6379/shop/cart: another policy decides
        expected   deny ingress by database/lockdown, at scenarios/three-tier.yaml:42
        predicted  deny ingress by database/default-deny, database/redis
        checks
          1. egress of shop/cart to database/redis, tcp port 6379
             allowed: no policy isolates shop/cart at egress
          2. ingress of database/redis from shop/cart, tcp port 6379
             denied: no rule allows it, and database/redis is isolated at ingress (default deny) by
                policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0]
                policies/default-deny.yaml:7  CiliumNetworkPolicy database/default-deny spec.ingress[0]
             the nearest rule that allows something is
                policies/redis.yaml:12
                  CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
                it fails on peer: app=backend is wanted, its label app is frontend
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/tcp database/redis:6379/shop/cart'

    ! three-tier/locked down/tcp database/redis:6379/client: differs
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
                policies/redis.yaml:12
                  CiliumNetworkPolicy database/redis spec.ingress[0].toPorts[0].ports[0]
                it fails on peer: app=backend is wanted, its label app is frontend
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/tcp database/redis:6379/client'

    ! three-tier/locked down/http GET backend/api:8080/api?page=1/frontend/worker: differs
        expected   allow, at scenarios/three-tier.yaml:42
        because    Cilium 1.18 differs: queries were not part of the path
        predicted  deny http
        checks
          1. egress of frontend/worker to backend/api-0, tcp port 3000
             allowed: no policy isolates frontend/worker at egress
          2. ingress of backend/api-0 from frontend/worker, tcp port 3000
             allowed by
                policies/api.yaml:11
                  CiliumNetworkPolicy backend/api spec.ingress[0].toPorts[0].ports[0]
          3. HTTP proxy of backend/api-0, GET /api?page=1
             denied: no rule of the proxy allows it; it was sent there by
                policies/api.yaml:11
                  CiliumNetworkPolicy backend/api spec.ingress[0].toPorts[0].ports[0]
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/http GET backend/api:8080/api?page=1/frontend/worker'

    ! three-tier/locked down/http GET backend/api:8080/api?page=1/shop/cart: differs
        expected   deny ingress by backend/api, at scenarios/three-tier.yaml:42
        predicted  allow by no policy
        checks
          1. egress of shop/cart to database/redis, tcp port 6379
             allowed: no policy isolates shop/cart at egress
          2. ingress of database/redis from shop/cart, tcp port 6379
             allowed: no policy isolates database/redis at ingress
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/http GET backend/api:8080/api?page=1/shop/cart'

    ? three-tier/locked down/http GET backend/api:8080/api?page=1/client: inconclusive
        expected   allow, at scenarios/three-tier.yaml:42
        predicted  inconclusive: the engine does not know what an Envoy filter of its own makes of it
        checks
          1. egress of shop/cart to database/redis, tcp port 6379
             allowed: the node's own traffic to its pods needs no rule
          2. ingress of database/redis from shop/cart, tcp port 6379
             the engine does not know what an Envoy filter of its own makes of it
                policies/envoy.yaml:15
                  CiliumNetworkPolicy backend/envoy spec.ingress[0].toPorts[0].listener
        again      verdikt run scenarios/three-tier.yaml --cilium 1.18 --filter 'three-tier/locked down/http GET backend/api:8080/api?page=1/client'

    not as expected:
      DIFFERS       three-tier/locked down: 11 cells, 4 differing, 1 inconclusive, 2 objects not as
                    expected
        tcp database/redis:6379 from shop/cart: expected deny ingress by database/lockdown, deny
          ingress by database/redis policies/redis.yaml:12
        tcp database/redis:6379 from client: expected allow, deny ingress by database/redis
          policies/redis.yaml:12
        http GET backend/api:8080/api?page=1 from frontend/worker: expected allow, deny http by
          backend/api policies/api.yaml:11
        http GET backend/api:8080/api?page=1 from shop/cart: expected deny ingress by backend/api,
          allow, by no policy
        http GET backend/api:8080/api?page=1 from client: expected allow, inconclusive: the engine
          does not know what an Envoy filter of its own makes of it

    backend model, Cilium 1.18
    DIFFERS: 1 scenario, 2 steps, 12 cells, 4 policy objects, 4 differing cells, 1 inconclusive cell, 2
    objects not as expected, 1 scenario skipped
    "#);
}

/// What a run warns of, and why it is not in the lab, stand at its end.
#[test]
fn the_end_says_where_and_what_to_look_at() {
    let mut events = run(Vec::new(), Vec::new());
    if let Event::RunStarted(run) = &mut events[0] {
        run.instead_of_lab = Some("user namespaces are forbidden".to_owned());
    }
    let place = Place { file: "policies/a.yaml".into(), line: 3, column: 1 };
    let warning = Diagnostic::warning(place, "selects-nothing", "no pod is selected").help("not shown");
    events.insert(1, Event::Warned(warning));
    let totals = Totals::of(&events);
    if let Some(Event::RunFinished(run)) = events.last_mut() {
        run.totals = totals;
    }
    insta::assert_snapshot!(shown(&events, 100, Detail::Short, false), @"
    skipped       newer: it holds for Cilium >=1.19, and this run is for 1.18
    ok            three-tier: 2 steps, 1 cell

    warnings:
      policies/a.yaml:3: no pod is selected [selects-nothing]

    backend model instead of lab (user namespaces are forbidden), Cilium 1.18
    as expected: 1 scenario, 2 steps, 1 cell, 0 policy objects, 1 scenario skipped, 1 warning
    ");
}

/// Attempts of which a table says the same have one column, even where one's target is another's source.
#[test]
fn equal_columns_are_one() {
    let free = |source: &str| at_redis(source, Answer::Allow, Finding::NotIsolated, None);
    let denied =
        |source: &str| at_redis(source, Answer::Deny(EnforcementPoint::Egress), no_rule_allows(), None);
    let [redis, api] = ["database/redis", "backend/api-0"];
    let mut cells = Vec::new();
    for (attempt, target) in [(tcp(redis, 6379), redis), (tcp(redis, 6380), redis), (tcp(api, 80), api)] {
        let sources = ["frontend/web", redis, api].into_iter().filter(|source| *source != target);
        cells.extend(sources.map(|source| cell(attempt.clone(), pod(source), "allow", free(source))));
    }
    let other = get("backend/api", 8080, "/");
    cells.push(cell(other.clone(), pod("frontend/web"), "deny egress", denied("frontend/web")));
    cells.push(cell(other, pod(redis), "allow", free(redis)));
    let text = shown(&run(Vec::new(), cells), 100, Detail::Tables, false);
    let start = text.find("scenarios/three-tier.yaml:30").unwrap();
    insta::assert_snapshot!(text[start..].split("\n      [1]").next().unwrap(), @"
    scenarios/three-tier.yaml:30

                       tcp database/redis:6379
                       tcp database/redis:6380
                       tcp backend/api-0:80      http GET backend/api:8080/
      backend/api-0    allow                     -
      database/redis   allow                     allow
      frontend/web     allow                     deny egress [1]

      [1] default deny  policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0]
          and           policies/default-deny.yaml:7
            CiliumNetworkPolicy database/default-deny spec.ingress[0]
      ·   no number: no policy isolates the source at egress or the target at ingress

    backend model, Cilium 1.18
    as expected: 1 scenario, 2 steps, 9 cells, 0 policy objects, 1 scenario skipped
    ");
}

#[test]
fn colours_repeat_the_words() {
    let events = run(objects(), cells());
    let coloured = shown(&events, 100, Detail::Tables, true);
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_ne!(coloured, plain);
    assert_eq!(plain, shown(&events, 100, Detail::Tables, false));
}

#[test]
fn nothing_is_kept_of_what_is_not_shown() {
    let [passing, failing] = [0, 5].map(|index: usize| Arc::new(cells().remove(index)));
    for (detail, kept) in [(Detail::Tables, [2, 2]), (Detail::Short, [2, 2]), (Detail::Differences, [1, 2])] {
        let options =
            TerminalOptions { width: 100, colour: false, detail, command: "verdikt run".to_owned() };
        let mut terminal = Terminal::new(options);
        for event in run(vec![], vec![]).iter().take(7) {
            terminal.push(event);
        }
        for cell in [&passing, &failing] {
            terminal.push(&Event::CellJudged(Arc::clone(cell)));
        }
        assert_eq!([&passing, &failing].map(Arc::strong_count), kept, "{detail:?}");
    }
}

#[test]
fn texts_of_files_do_not_control_the_terminal() {
    let mut events = run(objects(), cells());
    for event in &mut events {
        match event {
            Event::ScenarioStarted(scenario) => scenario.about = "two\nlines \u{1b}[2J".to_owned(),
            Event::StepStarted(step) => step.step = "\u{1b}[1A\u{7}".to_owned(),
            Event::CellJudged(cell) => {
                let cell = Arc::make_mut(cell);
                cell.step = "\u{1b}[1A".into();
                cell.because = Some("\r\u{9b}31m".into());
            }
            Event::ObjectJudged(object) => object.object.name = "\u{1b}]0;title\u{7}".to_owned(),
            _ => {}
        }
    }
    let text = shown(&events, 100, Detail::Tables, false);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
}

#[test]
fn a_log_that_was_cut_off_is_shown_as_far_as_it_goes() {
    let events = run(objects(), cells());
    for start in 0..events.len() {
        shown(&events[start..], usize::MAX, Detail::Tables, false);
        shown(&events[..start], usize::MAX, Detail::Differences, false);
    }
}

proptest! {
    /// No width is too small, and tables keep to what they can.
    #[test]
    fn every_width_is_shown(width in 0_usize..200, paths in prop::collection::vec("[/a-z表 ]{0,60}", 0..8)) {
        let redis = tcp("database/redis", 6379);
        let attempts = paths.iter().map(|path| get("shop/storefront", 80, path)).chain([redis]);
        let mut all = cells();
        for attempt in attempts {
            let prediction = at_redis("shop/cart", Answer::Allow, Finding::NotIsolated, None);
            all.push(cell(attempt, pod("shop/cart"), "deny egress", prediction));
        }
        let text = shown(&run(objects(), all), width, Detail::Tables, false);
        prop_assert!(!text.is_empty());
    }
}

/// More than three cells of one reason are explained once.
#[test]
fn one_reason_is_explained_once() {
    let denied = |source: &str| {
        let prediction = at_redis(
            source,
            Answer::Deny(EnforcementPoint::Ingress),
            Finding::NotIsolated,
            Some(no_rule_allows()),
        );
        cell(tcp("database/redis", 6379), pod(source), "allow", prediction)
    };
    let blocks = |count: usize| {
        let cells = (0..count).map(|number| denied(&format!("frontend/web-{number}"))).collect();
        shown(&run(Vec::new(), cells), 100, Detail::Differences, false)
    };
    assert_eq!(blocks(3).matches("checks").count(), 3);
    let shown = blocks(5);
    assert_eq!(shown.matches("checks").count(), 1, "{shown}");
    let rest = "tcp database/redis:6379 from frontend/web-1, frontend/web-2, frontend/web-3, frontend/web-4";
    assert!(shown.contains("and 4 cells more for the same reason:") && shown.contains(rest), "{shown}");
}
