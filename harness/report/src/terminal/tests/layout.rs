//! Tables that are too wide, in every layout there is for them.

use verdikt_scenario::prediction::{Answer, Finding};

use super::shown;
use crate::fixture::{at_redis, cell, get, pod, run};

/// The table of many requests from a few sources, without what surrounds it.
fn many_requests(width: usize, sources: &[&str]) -> String {
    let paths =
        ["/public", "/public/", "/public?page=1", "/publicity", "/admin/users/42/settings/of/the/user"];
    let free = |source| at_redis(source, Answer::Allow, Finding::NotIsolated, None);
    let cells = paths.iter().flat_map(|path| {
        sources
            .iter()
            .map(|source| cell(get("shop/storefront", 80, path), pod(source), "allow", free(source)))
    });
    let text = shown(&run(Vec::new(), cells.collect()), width, false, false);
    let start = text.find("scenarios/three-tier.yaml:30").unwrap();
    let end = text.rfind("\nas expected").unwrap();
    text[start..end].to_owned()
}

#[test]
fn a_table_that_fits_when_turned_round() {
    insta::assert_snapshot!(many_requests(100, &["shop/cart", "shop/checkout", "shop/search"]), @"
    scenarios/three-tier.yaml:30

                                                               shop/cart   shop/checkout   shop/search
      http GET shop/storefront:80/public                       allow       allow           allow
      http GET shop/storefront:80/public/                      allow       allow           allow
      http GET shop/storefront:80/public?page=1                allow       allow           allow
      http GET shop/storefront:80/publicity                    allow       allow           allow
      http GET                                                 allow       allow           allow
      shop/storefront:80/admin/users/42/settings/of/the/user

      · no number: no policy isolates the source at egress or the target at ingress
    ");
}

#[test]
fn a_table_that_fits_when_turned_round_and_folded() {
    insta::assert_snapshot!(many_requests(60, &["shop/cart", "shop/checkout"]), @"
    scenarios/three-tier.yaml:30

                                      shop/cart   shop/checkout
      http GET                        allow       allow
      shop/storefront:80/public
      http GET                        allow       allow
      shop/storefront:80/public/
      http GET                        allow       allow
      shop/storefront:80/public?
      page=1
      http GET                        allow       allow
      shop/storefront:80/publicity
      http GET                        allow       allow
      shop/storefront:80/admin/
      users/42/settings/of/the/user

      · no number: no policy isolates the source at egress or
        the target at ingress
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
      shop/cart             allow
      shop/checkout         allow
      shop/search           allow
      shop/the-last         allow

                            http GET
                            shop/storefront:80/
                            public?page=1
      shop/a-source-with-   allow
      a-long-name
      shop/cart             allow
      shop/checkout         allow
      shop/search           allow
      shop/the-last         allow

                            http GET
                            shop/storefront:80/
                            publicity
      shop/a-source-with-   allow
      a-long-name
      shop/cart             allow
      shop/checkout         allow
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
      shop/search           allow
      shop/the-last         allow

      · no number: no policy isolates the source at egress or
        the target at ingress
    ");
}

#[test]
fn a_table_as_a_list() {
    insta::assert_snapshot!(many_requests(24, &["shop/a-source-with-a-long-name", "shop/b"]), @"
    scenarios/three-tier.yaml:30

      http GET
      shop/storefront:80/
      public
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
          allow
        shop/b
          allow

      http GET
      shop/storefront:80/
      public?page=1
        shop/a-source-with-
        a-long-name
          allow
        shop/b
          allow

      http GET
      shop/storefront:80/
      publicity
        shop/a-source-with-
        a-long-name
          allow
        shop/b
          allow

      http GET
      shop/storefront:80/
      admin/users/42/
      settings/of/the/user
        shop/a-source-with-
        a-long-name
          allow
        shop/b
          allow

      · no number: no policy
        isolates the source
        at egress or the
        target at ingress
    ");
}
