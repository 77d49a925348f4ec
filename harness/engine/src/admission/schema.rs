//! The words in which the tables of fields are written.

use verdikt_scenario::document::Node;
use verdikt_scenario::version::CiliumVersion;

use crate::refusal::Refusal;
use crate::versions::{ALWAYS, NEVER, Versions};

/// The schema of a mapping with known keys.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) fields: &'static [Field],
    /// Keys of which so many must be there.
    pub(super) groups: &'static [Group],
    /// What a schema cannot say.
    pub(super) extra: Option<Extra>,
}

/// A check of a whole mapping, with its path.
pub(super) type Extra = fn(&Node, &str, CiliumVersion, &mut Vec<Refusal>);

/// One key of a mapping.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Type,
    pub(super) required: Versions,
    /// In which versions it exists.
    pub(super) exists: Versions,
}

/// What a value must be.
#[derive(Debug)]
pub(super) enum Type {
    /// Anything; nothing in it is unknown.
    Anything,
    /// `true` or `false`.
    Boolean,
    /// A whole number between two bounds.
    Integer(i64, i64),
    /// A text.
    Text(&'static [TextRule]),
    /// A number, or a text under these rules.
    IntegerOrText(&'static [TextRule]),
    /// A mapping from any key to a text.
    Texts(&'static [TextRule]),
    /// A list with a limit.
    List { element: &'static Type, most: Limit },
    /// A mapping with known keys.
    Object(&'static Object),
}

/// The most and fewest elements of a list, where there is a limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) most: usize,
    pub(super) fewest: usize,
    /// Where it holds.
    pub(super) versions: Versions,
}

/// No limit.
pub(super) const ANY_LENGTH: Limit = Limit { most: usize::MAX, fewest: 0, versions: ALWAYS };

/// A rule for a text, and the versions that have it.
#[derive(Debug)]
pub(super) struct TextRule {
    pub(super) versions: Versions,
    pub(super) form: Form,
}

/// The form of a text.
#[derive(Debug)]
pub(super) enum Form {
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A pattern: the test, and the regular expression as the API server shows it.
    Pattern(fn(&str) -> bool, &'static str),
    /// A named format: the test, and its name.
    Format(fn(&str) -> bool, &'static str),
    /// At most so many characters.
    AtMost(usize),
    /// At least one character.
    NotEmpty,
}

/// Keys of which some must be there.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) rule: GroupRule,
    pub(super) keys: &'static [&'static str],
    pub(super) versions: Versions,
}

/// How many keys of a group must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupRule {
    /// At least one (`anyOf`).
    AnyOf,
    /// Exactly one (`oneOf`).
    OneOf,
}

impl Object {
    /// The field of a key, if it exists in the version.
    pub(super) fn field(&self, key: &str, version: CiliumVersion) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == key && field.exists.contain(version))
    }
}

/// A field that may be left out.
pub(super) const fn optional(name: &'static str, kind: Type) -> Field {
    Field { name, kind, required: NEVER, exists: ALWAYS }
}

/// A field that must be there.
pub(super) const fn required(name: &'static str, kind: Type) -> Field {
    Field { name, kind, required: ALWAYS, exists: ALWAYS }
}

/// A field of some versions.
pub(super) const fn in_versions(name: &'static str, kind: Type, exists: Versions) -> Field {
    Field { name, kind, required: NEVER, exists }
}

/// A list without a limit.
pub(super) const fn list(element: &'static Type) -> Type {
    Type::List { element, most: ANY_LENGTH }
}

/// A mapping without further rules.
pub(super) const fn object(fields: &'static [Field]) -> Object {
    Object { fields, groups: &[], extra: None }
}
