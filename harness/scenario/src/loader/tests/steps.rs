//! What a step changes, and what differs between versions.

use super::each;

#[test]
fn changes_of_the_topology() {
    insta::assert_snapshot!(each(&[
        ("  policies: [lockdown]", "  policies: [lockdown]\n  remove: [shop/wbe]"),
        ("  policies: [lockdown]", "  policies: [lockdown]\n  remove: [shop/web, shop/web]"),
        ("  policies: [lockdown]", "  policies: [lockdown]\n  pods: {shop/web: {}}"),
        ("  policies: [lockdown]", "  policies: [lockdown]\n  pods: {nowhere/web: {}}"),
        ("  policies: [lockdown]", "  policies: [lockdown]\n  pods: {shop/front: {}}"),
        ("  policies: [lockdown]", "  policies: [lockdown]\n  labels: {namespace shpo: {a: b}}"),
        ("  policies: [lockdown]", "  policies: [lockdown]\n  labels: {pod shop/wbe: {a: b}}"),
        ("  policies: [lockdown]", "  policies: [lockdown]\n  labels: {shop/web: {a: b}}"),
        ("  policies: [lockdown]", "  policies: [lockdown]\n  labels: {pod shop/web: {ap: null, '': x, y: 'x y'}}"),
        ("  policies: [lockdown]", "  policies: [lockdown]\n  labels: {namespace shop: {kubernetes.io/metadata.name: x}}"),
        ("  policies: [lockdown]", "  policies: [lockdown]\n  remove: [shop/web]\n  labels: {namespace shop: {a: b}, pod shop/api: {app: null}}"),
    ]), @r"
    policies: [lockdown]\n  remove: [shop/wbe]
      s.yaml:21:12: no pod is called `shop/wbe` at this step => did you mean `shop/web`?
    policies: [lockdown]\n  remove: [shop/web, shop/web]
      s.yaml:21:22: no pod is called `shop/web` at this step => the pods are: `data/redis` and `shop/api`
    policies: [lockdown]\n  pods: {shop/web: {}}
      s.yaml:21:10: pod `shop/web` exists already => name it under `remove` if it is replaced
    policies: [lockdown]\n  pods: {nowhere/web: {}}
      s.yaml:21:10: namespace `nowhere` is not in the topology => declare it: `namespaces: {nowhere: {}}`
    policies: [lockdown]\n  pods: {shop/front: {}}
      nothing
    policies: [lockdown]\n  labels: {namespace shpo: {a: b}}
      s.yaml:21:12: namespace `shpo` is not in the topology => did you mean `shop`?
    policies: [lockdown]\n  labels: {pod shop/wbe: {a: b}}
      s.yaml:21:12: no pod is called `shop/wbe` at this step => did you mean `shop/web`?
    policies: [lockdown]\n  labels: {shop/web: {a: b}}
      s.yaml:21:12: `shop/web` does not say whose labels change => write `namespace NAME` or `pod NAMESPACE/NAME`
    policies: [lockdown]\n  labels: {pod shop/web: {ap: null, '': x, y: 'x y'}}
      s.yaml:21:27: pod shop/web has no label `ap` to remove => did you mean `app`?
      s.yaml:21:37: `` is not a label key => letters, digits, `-`, `_` and `.`, at most 63, beginning and ending with a letter or digit, and before it perhaps a DNS name and `/`
      s.yaml:21:47: `x y` is not a label value => letters, digits, `-`, `_` and `.`, at most 63, beginning and ending with a letter or digit
    policies: [lockdown]\n  labels: {namespace shop: {kubernetes.io/metadata.name: x}}
      s.yaml:21:29: Kubernetes sets the label `kubernetes.io/metadata.name` itself => leave it out
    policies: [lockdown]\n  remove: [shop/web]\n  labels: {namespace shop: {a: b}, pod shop/api: {app: null}}
      nothing
    ");
}

#[test]
fn differences_between_versions() {
    let cell = "deny ingress by data/lockdown: others\n";
    let differs = |text: &str| format!("{cell}  differs:\n{text}");
    let cases = [
        "  - {cilium: '<1.16', because: x, expect: {tcp data/redis:6379: {allow: client}}}\n",
        "  - {cilium: '<1.19', because: '', expect: {tcp data/redis:6379: {allow: client}}}\n",
        "  - {cilium: '<1.19', because: x}\n",
        "  - {cilium: '<1.19', because: x, see: elsewhere, expect: {tcp data/redis:6379: {allow: client}}}\n",
        "  - {cilium: '<1.19', because: x, expect: {tcp shop/web:80: {allow: client}}}\n",
        "  - {cilium: '<1.19', because: x, expect: {tcp data/redis:6379: {allow: [cleint, data/redis]}}}\n",
        "  - {cilium: '<1.19', because: x, expect: {tcp data/redis:6379: {allow: client}, 'tcp  data/redis:6379': {allow: host}}}\n",
        "  - {cilium: '<1.19', because: x, expect: {tcp data/redis:6379: {allow: client}}}\n  - {cilium: '1.18', because: x, expect: {tcp data/redis:6379: {deny: client}}}\n",
        "  - {cilium: '<1.19', because: x, rejected: {}}\n  - {cilium: '1.18', because: x, rejected: {}}\n",
        "  - {cilium: '<1.18', because: x, expect: {tcp data/redis:6379: {allow: others}}}\n",
    ];
    let cases: Vec<String> = cases.iter().map(|text| differs(text)).collect();
    let cases: Vec<(&str, &str)> = cases.iter().map(|text| (cell, text.as_str())).collect();
    insta::assert_snapshot!(each(&cases), @r"
    deny ingress by data/lockdown: others\n  differs:\n  - {cilium: '<1.16', because: x, expect: {tcp data/redis:6379: {allow: client}}}
      s.yaml:26:14: verdikt knows no Cilium version in `<1.16`
    deny ingress by data/lockdown: others\n  differs:\n  - {cilium: '<1.19', because: '', expect: {tcp data/redis:6379: {allow: client}}}
      s.yaml:26:32: `because` is empty
    deny ingress by data/lockdown: others\n  differs:\n  - {cilium: '<1.19', because: x}
      s.yaml:26:14: this difference has neither `expect` nor `rejected`
    deny ingress by data/lockdown: others\n  differs:\n  - {cilium: '<1.19', because: x, see: elsewhere, expect: {tcp data/redis:6379: {allow: client}}}
      s.yaml:26:40: `elsewhere` is not an address that begins with `https://`
    deny ingress by data/lockdown: others\n  differs:\n  - {cilium: '<1.19', because: x, expect: {tcp shop/web:80: {allow: client}}}
      s.yaml:26:44: the step's `expect` has no attempt `tcp shop/web:80` => its attempts are: `tcp data/redis:6379`
    deny ingress by data/lockdown: others\n  differs:\n  - {cilium: '<1.19', because: x, expect: {tcp data/redis:6379: {allow: [cleint, data/redis]}}}
      s.yaml:26:74: no source is called `cleint` => did you mean `client`?
      s.yaml:26:82: `data/redis` is the target, and not a source of this attempt
    deny ingress by data/lockdown: others\n  differs:\n  - {cilium: '<1.19', because: x, expect: {tcp data/redis:6379: {allow: client}, 'tcp  data/redis:6379': {allow: host}}}
      s.yaml:26:82: the attempt `tcp  data/redis:6379` is in this difference already => line 26 has it: merge the cells there
    deny ingress by data/lockdown: others\n  differs:\n  - {cilium: '<1.19', because: x, expect: {tcp data/redis:6379: {allow: client}}}\n  - {cilium: '1.18', because: x, expect: {tcp data/redis:6379: {deny: client}}}
      s.yaml:27:71: for Cilium 1.18, the cell of `client` is given twice => it is also given at line 26
    deny ingress by data/lockdown: others\n  differs:\n  - {cilium: '<1.19', because: x, rejected: {}}\n  - {cilium: '1.18', because: x, rejected: {}}
      s.yaml:27:14: for Cilium 1.18, `rejected` is given twice
    deny ingress by data/lockdown: others\n  differs:\n  - {cilium: '<1.18', because: x, expect: {tcp data/redis:6379: {allow: others}}}
      nothing
    ");
    insta::assert_snapshot!(each(&[(
        "steps:\n- step: open\n  expect:\n    tcp data/redis:6379: {allow: others}\n",
        "cilium: '>=1.19'\nsteps:\n- step: open\n  expect:\n    tcp data/redis:6379: {allow: others}\n  differs:\n  - {cilium: '1.16', because: x, expect: {tcp data/redis:6379: {deny: client}}}\n",
    )]), @r"
    cilium: '>=1.19'\nsteps:\n- step: open\n  expect:\n    tcp data/redis:6379: {allow: others}\n  differs:\n  - {cilium: '1.16', because: x, expect: {tcp data/redis:6379: {deny: client}}}
      s.yaml:21:14: `1.16` has no version in common with the scenario's `>=1.19`
    ");
}
