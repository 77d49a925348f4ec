//! Odd files, what kubectl 1.36 does with each (`kubectl apply --dry-run=server`), and what is said of them here.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::{FileReach, Loader};
use super::{Folder, GOOD};

const HEAD: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n";

/// A policy as an item of a list, or of a list in a list.
fn item(name: &str, indent: &str) -> String {
    format!(
        "{indent}- apiVersion: networking.k8s.io/v1\n{indent}  kind: NetworkPolicy\n\
         {indent}  metadata: {{name: {name}, namespace: a}}\n{indent}  spec: {{podSelector: {{}}}}\n"
    )
}

/// The policies of a file with their selectors and annotations, and what is said of it.
fn read(bytes: &[u8]) -> String {
    let folder = Folder::new(&[]);
    folder.write("p.yaml", bytes);
    let paths = [folder.path("p.yaml")];
    let loaded = Loader::new(&paths, FileReach::Inside).policies(&paths, &BTreeSet::new());
    let mut told = String::new();
    for manifest in &loaded.manifests {
        let label = |key| manifest.root.at(&["spec", "podSelector", "matchLabels", key]);
        let labels = ["x", "y"].map(|key| label(key).and_then(|node| node.text()).unwrap_or("-"));
        let note = manifest.root.at(&["metadata", "annotations", "by"]).and_then(|node| node.text());
        let note = note.unwrap_or("-");
        writeln!(told, "  {} {labels:?} {note}", manifest.object()).unwrap();
    }
    for line in folder.lines(&loaded.diagnostics).lines() {
        writeln!(told, "  {line}").unwrap();
    }
    told
}

/// What becomes of each file, under its name and what kubectl does with it.
fn table(rows: &[(&str, &str, Vec<u8>)]) -> String {
    let mut told = String::new();
    for (name, kubectl, bytes) in rows {
        write!(told, "{name} (kubectl: {kubectl})\n{}", read(bytes)).unwrap();
    }
    told
}

#[test]
fn keys_that_stand_twice() {
    let policy = |spec: &str| format!("{HEAD}metadata: {{name: p, namespace: a}}\n{spec}\n").into_bytes();
    insta::assert_snapshot!(table(&[
        ("a section", "the last", policy("spec: {podSelector: {}}\nspec: {podSelector: {matchLabels: {x: a}}}")),
        ("a label", "the last", policy("spec: {podSelector: {matchLabels: {x: a, x: b}}}")),
        ("three times", "the last", policy("spec: {podSelector: {matchLabels: {x: a, x: b, x: c}}}")),
        ("in quotes", "the last", policy("spec: {podSelector: {matchLabels: {x: a, 'x': b}}}")),
        (
            "in JSON",
            "the last",
            br#"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": "a"},
"spec": {"podSelector": {}}, "spec": {"podSelector": {"matchLabels": {"x": "a"}}}}"#
                .to_vec(),
        ),
        ("beside a merge", "the one beside it", policy("spec: {podSelector: {matchLabels: {<<: {x: a, y: b}, x: c}}}")),
    ]), @r#"
    a section (kubectl: the last)
      NetworkPolicy a/p ["-", "-"] -
      p.yaml:5:1: duplicate mapping key: spec => line 4 has it already: keep one of them
    a label (kubectl: the last)
      NetworkPolicy a/p ["a", "-"] -
      p.yaml:4:42: duplicate mapping key: x => line 4 has it already: keep one of them
    three times (kubectl: the last)
      NetworkPolicy a/p ["a", "-"] -
      p.yaml:4:42: duplicate mapping key: x => line 4 has it already: keep one of them
      p.yaml:4:48: duplicate mapping key: x => line 4 has it already: keep one of them
    in quotes (kubectl: the last)
      NetworkPolicy a/p ["a", "-"] -
      p.yaml:4:42: duplicate mapping key: x => line 4 has it already: keep one of them
    in JSON (kubectl: the last)
      NetworkPolicy a/p ["-", "-"] -
      p.yaml:2:30: duplicate mapping key: spec => line 2 has it already: keep one of them
    beside a merge (kubectl: the one beside it)
      NetworkPolicy a/p ["c", "b"] -
    "#);
}

#[test]
fn bytes_that_are_not_utf8() {
    let noted = |note: &[u8]| {
        let head = format!("{HEAD}metadata: {{name: p, namespace: a, annotations: {{by: \"").into_bytes();
        [&head, note, b"\"}}\nspec: {podSelector: {}}\n"].concat()
    };
    let policy = String::from_utf8(noted("Zoë".as_bytes())).unwrap();
    let utf16 = |mark: &[u8], unit: fn(u16) -> [u8; 2]| {
        mark.iter().copied().chain(policy.encode_utf16().flat_map(unit)).collect::<Vec<u8>>()
    };
    let comment = [b"# Andr\xe9\n", policy.as_bytes()].concat();
    insta::assert_snapshot!(table(&[
        ("latin-1", "U+FFFD", noted(b"Andr\xe9 and Zo\xeb")),
        ("latin-1 in a comment", "takes it", comment),
        ("a sequence cut off", "U+FFFD", noted(b"x\xe2\x82")),
        ("U+FFFD itself", "takes it", noted("\u{fffd}".as_bytes())),
        ("a byte order mark", "takes it", [b"\xef\xbb\xbf", policy.as_bytes()].concat()),
        ("UTF-16, little end first", "takes it", utf16(b"\xff\xfe", u16::to_le_bytes)),
        ("UTF-16, big end first", "takes it", utf16(b"\xfe\xff", u16::to_be_bytes)),
        ("UTF-16 without a mark", "refuses it", utf16(b"", u16::to_le_bytes)),
        ("NUL", "refuses it", noted(b"a\0b")),
    ]), @r#"
    latin-1 (kubectl: U+FFFD)
      NetworkPolicy a/p ["-", "-"] Andr� and Zo�
      p.yaml:3:53: [not-utf8] not UTF-8: kubectl reads U+FFFD in place of each byte that is not text => save the file as UTF-8
    latin-1 in a comment (kubectl: takes it)
      NetworkPolicy a/p ["-", "-"] Zoë
    a sequence cut off (kubectl: U+FFFD)
      NetworkPolicy a/p ["-", "-"] x�
      p.yaml:3:53: [not-utf8] not UTF-8: kubectl reads U+FFFD in place of each byte that is not text => save the file as UTF-8
    U+FFFD itself (kubectl: takes it)
      NetworkPolicy a/p ["-", "-"] �
    a byte order mark (kubectl: takes it)
      NetworkPolicy a/p ["-", "-"] Zoë
    UTF-16, little end first (kubectl: takes it)
      NetworkPolicy a/p ["-", "-"] Zoë
    UTF-16, big end first (kubectl: takes it)
      NetworkPolicy a/p ["-", "-"] Zoë
    UTF-16 without a mark (kubectl: refuses it)
      p.yaml:1:1: `p.yaml` is a binary file
    NUL (kubectl: refuses it)
      p.yaml:1:1: `p.yaml` is a binary file
    "#);
}

#[test]
fn a_scenario_is_utf8() {
    let folder = Folder::new(&[]);
    folder.write("latin1.yaml", &[b"# caf\xe9\n", GOOD.as_bytes()].concat());
    let wide = GOOD.encode_utf16().flat_map(u16::to_le_bytes);
    folder.write("wide.yaml", &[0xff, 0xfe].into_iter().chain(wide).collect::<Vec<u8>>());
    let loaded = folder.load(&["latin1.yaml", "wide.yaml"]);
    insta::assert_snapshot!(folder.lines(&loaded.diagnostics), @"
    latin1.yaml:1:6: the scenario is not UTF-8 => save the file as UTF-8
    wide.yaml:1:1: the scenario is not UTF-8 => save the file as UTF-8
    ");
}

#[test]
fn lists_of_lists() {
    let list = |items: &str| format!("apiVersion: v1\nkind: List\n{items}").into_bytes();
    let beside = item("beside", "");
    let inner = item("inner", "  ");
    insta::assert_snapshot!(table(&[
        ("a list", "takes it", list(&format!("items:\n{beside}"))),
        (
            "a list in a list",
            "nothing of it",
            list(&format!("items:\n{beside}- apiVersion: v1\n  kind: List\n  items:\n{inner}")),
        ),
        (
            "a list of policies in a list",
            "nothing of it",
            list(&format!("items:\n- apiVersion: networking.k8s.io/v1\n  kind: NetworkPolicyList\n  items:\n{inner}{beside}")),
        ),
        (
            "behind a list in a list",
            "takes what is behind",
            [
                list(&format!("items:\n- apiVersion: v1\n  kind: List\n  items:\n{inner}")),
                format!("---\n{HEAD}metadata: {{name: behind, namespace: a}}\nspec: {{podSelector: {{}}}}\n").into_bytes(),
            ]
            .concat(),
        ),
        ("null beside a policy", "nothing of it", list(&format!("items:\n- null\n{beside}"))),
        ("text beside a policy", "nothing of it", list(&format!("items:\n- policy.yaml\n{beside}"))),
        ("no items", "refuses it", list("")),
        ("null as items", "refuses it", list("items: null\n")),
        ("an empty list", "has nothing to apply", list("items: []\n")),
        ("no version", "refuses it", format!("kind: List\nitems:\n{beside}").into_bytes()),
    ]), @r#"
    a list (kubectl: takes it)
      NetworkPolicy a/beside ["-", "-"] -
    a list in a list (kubectl: nothing of it)
      p.yaml:8:3: kubectl applies nothing of this `List`: this item is a list itself => put every object into one list, or into a document of its own
    a list of policies in a list (kubectl: nothing of it)
      p.yaml:4:3: kubectl applies nothing of this `List`: this item is a list itself => put every object into one list, or into a document of its own
    behind a list in a list (kubectl: takes what is behind)
      NetworkPolicy a/behind ["-", "-"] -
      p.yaml:4:3: kubectl applies nothing of this `List`: this item is a list itself => put every object into one list, or into a document of its own
    null beside a policy (kubectl: nothing of it)
      p.yaml:4:3: kubectl applies nothing of this `List`: this item is not an object => put every object into one list, or into a document of its own
    text beside a policy (kubectl: nothing of it)
      p.yaml:4:3: kubectl applies nothing of this `List`: this item is not an object => put every object into one list, or into a document of its own
    no items (kubectl: refuses it)
      p.yaml:1:1: the `items` of a `List` must be a list
    null as items (kubectl: refuses it)
      p.yaml:1:1: the `items` of a `List` must be a list
    an empty list (kubectl: has nothing to apply)
    no version (kubectl: refuses it)
      p.yaml:1:1: a `List` has `apiVersion: v1` => without it, nothing in the list is applied
    "#);
}
