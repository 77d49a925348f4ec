//! Cases that are tests of their own: with `rstest` each has a name, and one that fails hides no other.

use crate::{Source, none, sources};

/// The lines with the loops over a written-out list that assert in their body. What rustfmt writes can be read without a
/// parser: the head of a loop ends with the first line as deep as it that ends with a brace.
fn loops_that_assert(text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let depth = |line: &str| line.len() - line.trim_start().len();
    let is_loop = |at: usize| {
        let line = lines[at].trim_start();
        let below = lines.get(at + 1).map_or("", |line| line.trim_start());
        let is_over_a_list = [" in [", " in &["].iter().any(|word| line.contains(word));
        line.starts_with("for ") && (is_over_a_list || line.ends_with(" in") && below.starts_with('['))
    };
    let asserts = |at: usize| {
        let is_as_deep = |line: &str| depth(line) == depth(lines[at]);
        let is_head = |line: &&str| is_as_deep(line) && line.ends_with('{');
        let Some(head) = lines[at..].iter().position(is_head) else { return false };
        let mut body = lines[at + head + 1..].iter().take_while(|line| line.is_empty() || !is_as_deep(line));
        body.any(|line| line.contains("assert"))
    };
    (0..lines.len()).filter(|at| is_loop(*at) && asserts(*at)).collect()
}

#[test]
fn loops_that_assert_are_found() {
    let text = "fn f() {\n    for a in [1, 2] {\n        assert!(a > 0);\n    }\n    for a in [1] {\n        g(a);\n    }\n    \
                for (a, b) in\n        [(1, 2)]\n    {\n        assert_eq!(a, b);\n    }\n    for a in [\n        1,\n    ] {\n        \
                if a > 0 {\n            assert!(g());\n        }\n    }\n}\n";
    assert_eq!(loops_that_assert(text), [1, 7, 12]);
}

#[test]
fn cases_are_tests_of_their_own() {
    let is_test = |source: &&Source| source.is_rust() && !source.is_production();
    let found: Vec<String> = sources()
        .iter()
        .filter(is_test)
        .flat_map(|source| {
            let loops = loops_that_assert(&source.text).into_iter();
            loops.map(|line| format!("{}:{}", source.path, line + 1)).collect::<Vec<_>>()
        })
        .collect();
    none(
        &found,
        "make the rows of these loops cases of `rstest`, or `#[values]`; where the rows are data of one test, map them, and \
         assert or snapshot the results together, so that every row that fails is shown",
    );
}
