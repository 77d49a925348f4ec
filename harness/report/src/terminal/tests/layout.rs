//! Tables that are too wide, in every layout there is for them.

use verdikt_scenario::prediction::{Answer, Decision, EnforcementPoint};

use super::{Detail, shown};
use crate::fixture::{at_redis, cell, get, no_rule_allows, pod, run};

/// The table of many requests from a few sources, without what surrounds it.
fn many_requests(width: usize, sources: &[&str]) -> String {
    let paths =
        ["/public", "/public/", "/public?page=1", "/publicity", "/admin/users/42/settings/of/the/user"];
    let free = |source| at_redis(source, Answer::Allow, Decision::NotIsolated, None);
    let denied = |source| at_redis(source, Answer::Deny(EnforcementPoint::Egress), no_rule_allows(), None);
    // No two columns are alike: those would be one.
    let cells = paths.iter().enumerate().flat_map(|(column, path)| {
        sources.iter().enumerate().map(move |(row, source)| {
            let (expected, prediction) = if column >> row & 1 == 1 {
                ("deny egress", denied(source))
            } else {
                ("allow", free(source))
            };
            cell(get("shop/storefront", 80, path), pod(source), expected, prediction)
        })
    });
    let text = shown(&run(Vec::new(), cells.collect()), width, Detail::Tables, false);
    let start = text.find("scenarios/three-tier.yaml:30").unwrap();
    let end = text.rfind("\nas expected").unwrap();
    text[start..end].to_owned()
}

#[test]
fn a_table_that_fits_when_turned_round() {
    insta::assert_snapshot!(many_requests(100, &["shop/cart", "shop/checkout", "shop/search"]), @"
    scenarios/three-tier.yaml:30

                                                    shop/cart         shop/checkout     shop/search
      http GET shop/storefront:80/public            allow             allow             allow
      http GET shop/storefront:80/public/           deny egress [1]   allow             allow
      http GET shop/storefront:80/public?page=1     allow             deny egress [1]   allow
      http GET shop/storefront:80/publicity         deny egress [1]   deny egress [1]   allow
      http GET                                      allow             allow             deny egress [1]
      shop/storefront:80/admin/users/42/settings/
      of/the/user

      [1] default deny  policies/redis.yaml:12  CiliumNetworkPolicy database/redis spec.ingress[0]
          and           policies/default-deny.yaml:7
            CiliumNetworkPolicy database/default-deny spec.ingress[0]
      ·   no number: no policy isolates the source at egress or the target at ingress

    backend model, Cilium 1.18
    ");
}

#[test]
fn a_table_that_fits_when_turned_round_and_folded() {
    insta::assert_snapshot!(many_requests(60, &["shop/cart", "shop/checkout"]), @"
    scenarios/three-tier.yaml:30

                             shop/cart         shop/checkout
      http GET               allow             allow
      shop/storefront:80/
      public
      http GET
      shop/storefront:80/
      admin/users/42/
      settings/of/the/user
      http GET               deny egress [1]   allow
      shop/storefront:80/
      public/
      http GET               allow             deny egress [1]
      shop/storefront:80/
      public?page=1
      http GET               deny egress [1]   deny egress [1]
      shop/storefront:80/
      publicity

      [1] default deny  policies/redis.yaml:12
            CiliumNetworkPolicy database/redis spec.ingress[0]
          and           policies/default-deny.yaml:7
            CiliumNetworkPolicy database/default-deny spec.ingress[0]
      ·   no number: no policy isolates the source at egress or
          the target at ingress

    backend model, Cilium 1.18
    ");
}

#[test]
fn a_table_in_blocks() {
    let sources =
        ["shop/cart", "shop/checkout", "shop/search", "shop/a-source-with-a-long-name", "shop/the-last"];
    insta::assert_snapshot!(many_requests(60, &sources), @"
    scenarios/three-tier.yaml:30

                            http GET
                            shop/storefront:80/
                            public
      shop/a-source-with-   allow
      a-long-name
      shop/cart             allow
      shop/checkout         allow
      shop/search           allow
      shop/the-last         allow

                            http GET
                            shop/storefront:80/
                            public/
      shop/a-source-with-   allow
      a-long-name
      shop/cart             deny egress [1]
      shop/checkout         allow
      shop/search           allow
      shop/the-last         allow

                            http GET
                            shop/storefront:80/
                            public?page=1
      shop/a-source-with-   allow
      a-long-name
      shop/cart             allow
      shop/checkout         deny egress [1]
      shop/search           allow
      shop/the-last         allow

                            http GET
                            shop/storefront:80/
                            publicity
      shop/a-source-with-   allow
      a-long-name
      shop/cart             deny egress [1]
      shop/checkout         deny egress [1]
      shop/search           allow
      shop/the-last         allow

                            http GET
                            shop/storefront:80/
                            admin/users/42/
                            settings/of/the/user
      shop/a-source-with-   allow
      a-long-name
      shop/cart             allow
      shop/checkout         allow
      shop/search           deny egress [1]
      shop/the-last         allow

      [1] default deny  policies/redis.yaml:12
            CiliumNetworkPolicy database/redis spec.ingress[0]
          and           policies/default-deny.yaml:7
            CiliumNetworkPolicy database/default-deny spec.ingress[0]
      ·   no number: no policy isolates the source at egress or
          the target at ingress

    backend model, Cilium 1.18
    ");
}

#[test]
fn a_table_as_a_list() {
    insta::assert_snapshot!(many_requests(24, &["shop/a-source-with-a-long-name", "shop/b"]), @"
    scenarios/three-tier.yaml:30

      http GET
      shop/storefront:80/
      public
      http GET
      shop/storefront:80/
      admin/users/42/
      settings/of/the/user
        shop/a-source-with-
        a-long-name
          allow
        shop/b
          allow

      http GET
      shop/storefront:80/
      public/
        shop/a-source-with-
        a-long-name
          deny egress [1]
        shop/b
          allow

      http GET
      shop/storefront:80/
      public?page=1
        shop/a-source-with-
        a-long-name
          allow
        shop/b
          deny egress [1]

      http GET
      shop/storefront:80/
      publicity
        shop/a-source-with-
        a-long-name
          deny egress [1]
        shop/b
          deny egress [1]

      [1] default deny  policies/redis.yaml:12
            CiliumNetworkPolicy database/redis spec.ingress[0]
          and           policies/default-deny.yaml:7
            CiliumNetworkPolicy database/default-deny spec.ingress[0]
      ·   no number: no
          policy isolates
          the source at
          egress or the
          target at ingress

    backend model, Cilium
    1.18
    ");
}
