//! No circles: of two modules side by side, one may know the other, or the other one; never both.
//!
//! Side by side are the children of one module, each with everything below it. What a child takes from its parent is not
//! counted: the parent's file is where siblings share their words.

use std::collections::{BTreeMap, BTreeSet};

use crate::{none, paths_below, production, sources};

/// The path of a module in its crate, from the path of its file.
fn module_of(path: &str) -> Option<(String, Vec<String>)> {
    let (package, inside) = path.strip_prefix("harness/")?.split_once("/src/")?;
    let inside = inside.strip_suffix(".rs")?;
    let parts: Vec<String> = inside.split('/').map(str::to_owned).collect();
    let is_root = matches!(inside, "lib" | "main") || inside.starts_with("bin/");
    Some((package.to_owned(), if is_root { Vec::new() } else { parts }))
}

/// The module that a path leads to from another one, as far as there is one.
fn resolve(from: &[String], path: &str, known: &BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    let mut words = path.split("::");
    let mut at = match words.next()? {
        "crate" => Vec::new(),
        "self" => from.to_vec(),
        "super" => from[..from.len().checked_sub(1)?].to_vec(),
        _ => return None,
    };
    for word in words {
        if word == "super" {
            at.pop()?;
            continue;
        }
        at.push(word.to_owned());
        if !known.contains(&at) {
            at.pop();
            break;
        }
    }
    Some(at)
}

/// Which of the children of each module name which others, with one place that does.
type Siblings = BTreeMap<Vec<String>, BTreeMap<(String, String), String>>;

fn siblings(package: &str) -> Siblings {
    let sources = sources();
    let of_package = sources.iter().filter(|source| source.is_production());
    let modules: Vec<(Vec<String>, &crate::Source)> = of_package
        .filter_map(|source| module_of(&source.path).map(|(of, module)| (of, module, source)))
        .filter(|(of, ..)| of == package)
        .map(|(_, module, source)| (module, source))
        .collect();
    let known: BTreeSet<Vec<String>> = modules.iter().map(|(module, _)| module.clone()).collect();
    let mut siblings = Siblings::new();
    for (module, source) in &modules {
        let code = production(&source.text).lines().filter(|line| !line.trim_start().starts_with("//"));
        let text = &code.collect::<Vec<_>>().join("\n");
        for path in ["crate::", "self::", "super::"].iter().flat_map(|head| paths_below(text, head)) {
            let Some(target) = resolve(module, &path, &known) else { continue };
            let shared = module.iter().zip(&target).take_while(|(own, other)| own == other).count();
            if let (Some(own), Some(other)) = (module.get(shared), target.get(shared)) {
                let named = siblings.entry(module[..shared].to_vec()).or_default();
                named.entry((own.clone(), other.clone())).or_insert_with(|| source.path.clone());
            }
        }
    }
    siblings
}

/// A way from a sibling back to itself.
fn circle<'e>(edges: &'e BTreeMap<(String, String), String>, first: &'e str) -> Option<Vec<&'e str>> {
    let mut ways = vec![vec![first]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        let last = *way.last()?;
        for (_, next) in edges.keys().filter(|(from, _)| from == last) {
            if next == first {
                return Some([way, vec![first]].concat());
            }
            if seen.insert(next) {
                ways.push([way.clone(), vec![next.as_str()]].concat());
            }
        }
    }
    None
}

#[test]
fn modules_know_each_other_one_way() {
    let packages: BTreeSet<String> =
        sources().iter().filter_map(|source| module_of(&source.path)).map(|(package, _)| package).collect();
    let mut broken = Vec::new();
    for package in packages {
        for (parent, edges) in siblings(&package) {
            let names: BTreeSet<&str> = edges.keys().map(|(from, _)| from.as_str()).collect();
            let mut circles: BTreeMap<BTreeSet<&str>, String> = BTreeMap::new();
            for way in names.into_iter().filter_map(|name| circle(&edges, name)) {
                let steps = way.windows(2).map(|pair| &edges[&(pair[0].to_owned(), pair[1].to_owned())]);
                let steps: Vec<&str> = steps.map(String::as_str).collect();
                let shown = format!("{} ({})", way.join(" -> "), steps.join(", "));
                circles.entry(way.into_iter().collect()).or_insert(shown);
            }
            let path = [vec![package.clone()], parent].concat().join("::");
            broken.extend(circles.into_values().map(|circle| format!("{path}: {circle}")));
        }
    }
    none(&broken, "move what both need below both, or to their parent");
}

/// What several commands need stands beside them, in a file of its own.
#[test]
fn commands_know_nothing_of_each_other() {
    let edges = siblings("cli").remove(&vec!["commands".to_owned()]).unwrap_or_default();
    let broken = edges.iter().map(|((from, to), path)| format!("{path}: {from} names {to}"));
    none(&broken.collect::<Vec<_>>(), "move what both need out of `commands`");
}

#[test]
fn paths_lead_to_modules() {
    let known = [vec!["a"], vec!["a", "b"], vec!["c"]];
    let known = known.map(|path| path.into_iter().map(str::to_owned).collect::<Vec<_>>()).into();
    let from: Vec<String> = ["a".to_owned(), "b".to_owned()].into();
    let check = |path: &str, expected: &[&str]| {
        assert_eq!(resolve(&from, path, &known).unwrap(), expected, "{path}");
    };
    check("crate::c::Type", &["c"]);
    check("super::super::c", &["c"]);
    check("self::inner", &["a", "b"]);
    check("super::Shared", &["a"]);
    assert_eq!(resolve(&from, "std::fs", &known), None);
}
