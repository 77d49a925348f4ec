//! The vocabulary of the schema tables.

use verdikt_scenario::document::YamlNode;
use verdikt_scenario::version::CiliumVersion;

use crate::refusal::Refusal;
use crate::versions::{ALWAYS, NEVER, VersionSpan};

/// The schema of a mapping with known keys.
#[derive(Debug)]
pub(super) struct ObjectSchema {
    pub(super) fields: &'static [Field],
    /// Groups of keys, of which a certain number must be there.
    pub(super) groups: &'static [KeyGroup],
    /// A check that the schema cannot express.
    pub(super) extra: Option<MappingCheck>,
}

/// A check of a whole mapping, with its path.
pub(super) type MappingCheck = fn(&YamlNode, &str, CiliumVersion, &mut Vec<Refusal>);

/// One key of a mapping.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Type,
    pub(super) required: VersionSpan,
    /// The versions in which it exists.
    pub(super) exists: VersionSpan,
}

/// The type of a value.
#[derive(Debug)]
pub(super) enum Type {
    /// Anything; it has no unknown fields.
    Anything,
    /// `true` or `false`.
    Boolean,
    /// A whole number between two bounds.
    Integer(i64, i64),
    /// A text.
    Text(&'static [TextRule]),
    /// A number, or a text that follows these rules.
    IntegerOrText(&'static [TextRule]),
    /// A mapping from any key to a text.
    Texts(&'static [TextRule]),
    /// A list with a limit.
    List { element: &'static Type, most: SizeLimit },
    /// A mapping with known keys.
    Object(&'static ObjectSchema),
}

/// The largest and smallest number of elements of a list, if it is limited.
#[derive(Clone, Copy, Debug)]
pub(super) struct SizeLimit {
    pub(super) most: usize,
    pub(super) fewest: usize,
    /// The versions in which it holds.
    pub(super) versions: VersionSpan,
}

/// No limit.
pub(super) const ANY_LENGTH: SizeLimit = SizeLimit { most: usize::MAX, fewest: 0, versions: ALWAYS };

/// A rule for a text, and the versions that have it.
#[derive(Debug)]
pub(super) struct TextRule {
    pub(super) versions: VersionSpan,
    pub(super) form: TextForm,
}

/// The form of a text.
#[derive(Debug)]
pub(super) enum TextForm {
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A pattern: the test, and the regular expression as the API server shows it.
    Pattern(fn(&str) -> bool, &'static str),
    /// A named format: the test, and its name.
    Format(fn(&str) -> bool, &'static str),
    /// At most this many characters.
    AtMost(usize),
    /// At least one character.
    NotEmpty,
}

/// A group of keys, of which a certain number must be there.
#[derive(Debug)]
pub(super) struct KeyGroup {
    pub(super) rule: GroupRule,
    pub(super) keys: &'static [&'static str],
    pub(super) versions: VersionSpan,
}

/// How many keys of a group must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupRule {
    /// At least one (`anyOf`).
    AnyOf,
    /// Exactly one (`oneOf`).
    OneOf,
}

impl ObjectSchema {
    /// The field of a key, if it exists in the version.
    pub(super) fn field(&self, key: &str, version: CiliumVersion) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == key && field.exists.contain(version))
    }
}

/// An optional field.
pub(super) const fn optional(name: &'static str, kind: Type) -> Field {
    Field { name, kind, required: NEVER, exists: ALWAYS }
}

/// A required field.
pub(super) const fn required(name: &'static str, kind: Type) -> Field {
    Field { name, kind, required: ALWAYS, exists: ALWAYS }
}

/// A field of some versions.
pub(super) const fn in_versions(name: &'static str, kind: Type, exists: VersionSpan) -> Field {
    Field { name, kind, required: NEVER, exists }
}

/// A list without a limit.
pub(super) const fn list(element: &'static Type) -> Type {
    Type::List { element, most: ANY_LENGTH }
}

/// A mapping without further rules.
pub(super) const fn object(fields: &'static [Field]) -> ObjectSchema {
    ObjectSchema { fields, groups: &[], extra: None }
}
