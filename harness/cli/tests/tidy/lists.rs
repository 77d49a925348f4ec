//! The list of all variants of an enum is complete. The compiler asks for a new variant in every `match`, but not in a list.
//!
//! What rustfmt writes can be read without a parser: an `enum` and an `impl` end with the first brace at the start of a
//! line, and each variant begins after four spaces.

use std::collections::BTreeMap;

use crate::{none, production, sources};

/// The constants that list all variants of their type.
const LISTS: &[&str] = &["ALL", "WORDS"];

/// The variants of every enum that a text declares, each with what stands behind its name.
fn enums(text: &str) -> BTreeMap<&str, Vec<(&str, &str)>> {
    let mut found = BTreeMap::new();
    for (at, _) in text.match_indices("enum ") {
        let head = text[..at].rsplit('\n').next().unwrap_or_default();
        let Some((name, rest)) = text[at + "enum ".len()..].split_once(" {\n") else { continue };
        if !matches!(head, "" | "pub " | "pub(crate) " | "pub(super) ") {
            continue;
        }
        let body = rest.split("\n}").next().unwrap_or_default();
        let variants = body.lines().filter_map(|line| line.strip_prefix("    "));
        let variants = variants.filter(|line| line.starts_with(char::is_uppercase)).map(|line| {
            let end = line.find(|c: char| !c.is_alphanumeric()).unwrap_or(line.len());
            line.split_at(end)
        });
        found.insert(name, variants.collect());
    }
    found
}

/// The texts of the lists in the implementations of a type.
fn lists<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let head = format!("impl {name} {{\n");
    let blocks =
        text.match_indices(&head).filter_map(|(at, head)| text[at + head.len()..].split("\n}").next());
    let constants = blocks.flat_map(|block| block.split("const ").skip(1));
    constants
        .filter(|constant| LISTS.iter().any(|list| constant.starts_with(&format!("{list}:"))))
        .filter_map(|constant| constant.split_once(" =")?.1.split(';').next())
        .collect()
}

/// Whether a list names a value.
fn names(list: &str, value: &str) -> bool {
    list.match_indices(value)
        .any(|(at, _)| !list[at + value.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// The values of a variant that a list must name: one, or one for each variant of the enum that it holds.
fn wanted(variant: (&str, &str), enums: &BTreeMap<&str, Vec<(&str, &str)>>) -> Vec<String> {
    let (variant, fields) = variant;
    let held = fields.strip_prefix('(').and_then(|it| it.split_once(')')).map(|(held, _)| held);
    match held.and_then(|held| Some((held, enums.get(held)?))) {
        None => vec![format!("Self::{variant}")],
        Some((held, inner)) => {
            inner.iter().map(|(inner, _)| format!("Self::{variant}({held}::{inner})")).collect()
        }
    }
}

#[test]
fn lists_of_all_variants_are_complete() {
    let sources = sources();
    let ours: Vec<(&str, &str)> = sources
        .iter()
        .filter(|source| source.is_production())
        .map(|source| (source.path.as_str(), production(&source.text)))
        .collect();
    // Types have names of their own.
    let enums: BTreeMap<&str, Vec<(&str, &str)>> = ours.iter().flat_map(|(_, text)| enums(text)).collect();
    let (mut broken, mut seen) = (Vec::new(), 0);
    for (path, text) in ours {
        for (name, variants) in self::enums(text) {
            for list in lists(text, name) {
                seen += 1;
                let wanted = variants.iter().flat_map(|variant| wanted(*variant, &enums));
                let missing = wanted.filter(|value| !names(list, value));
                broken.extend(missing.map(|value| format!("{path}: {name}: {value}")));
            }
        }
    }
    assert!(seen > 5, "the lists are not found");
    none(&broken, "write these values into the list of all");
}

#[test]
fn variants_and_lists_are_read_as_they_are_written() {
    let text = "\
/// Doc.
pub enum Word {
    /// Doc.
    Allow,
    At(Point),
    Named { list: u8 },
}

enum Point {
    First,
    FirstAndLast,
}

impl Word {
    /// Doc.
    pub const ALL: [Self; 3] =
        [Self::Allow, Self::At(Point::FirstAndLast), Self::Named { list: 1 }];
    const NONE: [Self; 0] = [];
}
";
    let enums = enums(text);
    assert_eq!(enums["Word"].iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["Allow", "At", "Named"]);
    let list = lists(text, "Word").concat();
    let wanted = enums["Word"].iter().flat_map(|variant| wanted(*variant, &enums));
    let missing: Vec<String> = wanted.filter(|value| !names(&list, value)).collect();
    assert_eq!(missing, ["Self::At(Point::First)"]);
    assert_eq!(lists(text, "Point"), [""; 0]);
}
