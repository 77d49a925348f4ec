//! Functions that fit on a screen and are called without riddles: how long they are, how many arguments they take, and that
//! none of these is a bare `true` or `false`.
//!
//! What rustfmt writes can be read without a parser: a function begins with a line that has `fn`, its signature ends with
//! the first line that ends with `{` or `;`, and its body with the brace below its first letter.

use crate::{Source, none, production, sources};

const MOST_LINES: usize = 60;
const MOST_LINES_OF_TESTS: usize = 100;
const MOST_ARGUMENTS: usize = 8;

/// The functions that take a boolean all the same, by the end of the path and the name. No call of them says `true` or
/// `false`: each hands on a field or a question with a name of its own.
const TAKE_BOOLEANS: &[(&str, &str)] = &[
    // The trait of serde has it so.
    ("scenario/src/document.rs", "visit_bool"),
    ("scenario/src/file/words.rs", "visit_bool"),
    // `--yes`, as the command line has it.
    ("cli/src/commands/run/consent.rs", "ask"),
    // Whether somebody follows, whether all cells are as expected: found out where they are called.
    ("cli/src/commands/lab/shown.rs", "welcome"),
    ("report/src/terminal/step.rs", "shown_cell"),
    // `policyAuditMode`, which is on or off in a scenario, in the settings of Cilium and of each endpoint.
    ("runner/src/cluster/borrowing.rs", "unfit"),
    // Whether policies select nodes too: found out where it is called.
    ("cluster/src/settle/agents.rs", "have_realized"),
    // Whether the Cilium of this version has labels of topology in identities: a field of its behaviour.
    ("engine/src/label.rs", "enters_identity"),
    ("engine/src/label.rs", "is_identity_relevant"),
    // The field of an order that says whether the attempt speaks TLS.
    ("probe/src/attempt/http.rs", "host"),
    // Handed down a tree of nodes: whether one above is shared.
    ("scenario/src/rewrite/tree.rs", "table"),
];

/// A function of production code.
struct Function<'s> {
    name: &'s str,
    /// The number of its first line.
    line: usize,
    lines: usize,
    arguments: Vec<String>,
}

/// The name of the function that a line begins.
fn begun(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    if let Some(behind) = rest.strip_prefix("pub") {
        let behind = behind.strip_prefix('(').and_then(|it| it.split_once(')')).map_or(behind, |(_, it)| it);
        rest = behind.trim_start();
    }
    for word in ["const ", "async ", "unsafe ", "extern \"C\" "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let rest = rest.strip_prefix("fn ")?;
    Some(&rest[..rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))?])
}

/// The functions of a text, but for what stands inside others.
fn functions(text: &str) -> Vec<Function<'_>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = begun(line) else { continue };
        let ends = |line: &&str| line.ends_with('{') || line.ends_with(';') || line.ends_with('}');
        let Some(head) = lines[at..].iter().position(ends) else { continue };
        let signature = lines[at..=at + head].iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        let indent = &line[..line.len() - line.trim_start().len()];
        let close = format!("{indent}}}");
        let body = lines[at + head..].iter().take_while(|_| lines[at + head].ends_with('{'));
        let body = body.into_iter().position(|line| *line == close).unwrap_or_default();
        found.push(Function {
            name,
            line: at + 1,
            lines: head + body + 1,
            arguments: arguments(&signature, name),
        });
    }
    found
}

/// The arguments of a signature, without `self`.
fn arguments(signature: &str, name: &str) -> Vec<String> {
    let Some((_, rest)) = signature.split_once(&format!("fn {name}")) else { return Vec::new() };
    let (mut arguments, mut argument, mut open) = (Vec::new(), String::new(), Vec::new());
    let mut before = ' ';
    for c in rest.chars() {
        match c {
            '(' | '[' | '<' => open.push(c),
            ')' | ']' => drop(open.pop()),
            '>' if before != '-' => drop(open.pop()),
            ',' if open == ['('] => arguments.push(std::mem::take(&mut argument)),
            _ => {}
        }
        if open.is_empty() && c == ')' {
            break;
        }
        if open.first() == Some(&'(') && !(open == ['('] && matches!(c, '(' | ',')) {
            argument.push(c);
        }
        before = c;
    }
    arguments.push(argument);
    let arguments = arguments.into_iter().map(|argument| argument.trim().to_owned());
    arguments.filter(|it| !(it.is_empty() || it.ends_with("self") || it.starts_with("self:"))).collect()
}

/// `path:line: function: why` of each function that breaks a rule.
fn broken(breaks: impl Fn(&Source, &Function<'_>) -> Option<String>) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.is_production()) {
        for function in functions(production(&source.text)) {
            let Some(why) = breaks(source, &function) else { continue };
            broken.push(format!("{}:{}: {}: {why}", source.path, function.line, function.name));
        }
    }
    broken
}

#[test]
fn functions_are_short() {
    let long =
        broken(|_, function| (function.lines > MOST_LINES).then(|| format!("{} lines", function.lines)));
    none(&long, &format!("divide these functions, {MOST_LINES} lines are the most: one job for each"));
}

/// What a test expects counts too: a long text stands in a file of its own, beside the test.
#[test]
fn tests_are_short() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| source.is_rust()) {
        let skipped = if source.is_production() { production(&source.text) } else { "" };
        let before = skipped.lines().count();
        for function in functions(&source.text[skipped.len()..]) {
            if function.lines > MOST_LINES_OF_TESTS {
                let line = before + function.line;
                broken.push(format!("{}:{line}: {}: {} lines", source.path, function.name, function.lines));
            }
        }
    }
    none(
        &broken,
        &format!("divide these tests, {MOST_LINES_OF_TESTS} lines are the most: one question for each"),
    );
}

#[test]
fn functions_take_few_arguments() {
    let many = broken(|_, function| {
        let count = function.arguments.len();
        (count > MOST_ARGUMENTS).then(|| format!("{count} arguments"))
    });
    none(&many, &format!("bring arguments that belong together into a type, {MOST_ARGUMENTS} are the most"));
}

fn is_exception(source: &Source, function: &Function<'_>) -> bool {
    TAKE_BOOLEANS.iter().any(|(path, name)| source.path.ends_with(path) && function.name == *name)
}

fn boolean(function: &Function<'_>) -> Option<String> {
    function.arguments.iter().find(|argument| argument.ends_with(": bool")).cloned()
}

#[test]
fn functions_take_no_booleans() {
    let bare = broken(|source, function| boolean(function).filter(|_| !is_exception(source, function)));
    none(
        &bare,
        "say what `true` means by an enum, for who reads the call; what no call can write as a literal stands in `TAKE_BOOLEANS`",
    );
}

#[test]
fn exceptions_take_booleans() {
    let sources = sources();
    let is_needed = |(path, name): &(&str, &str)| {
        let mut here = sources.iter().filter(|source| source.path.ends_with(path));
        here.any(|source| {
            functions(production(&source.text)).iter().any(|it| it.name == *name && boolean(it).is_some())
        })
    };
    let gone = TAKE_BOOLEANS.iter().filter(|exception| !is_needed(exception));
    let gone: Vec<String> = gone.map(|(path, name)| format!("{path}: {name}")).collect();
    none(&gone, "these functions take no boolean: remove the exceptions");
}

#[test]
fn functions_are_read_as_they_are_written() {
    let text = "\
impl Kept {
    /// Doc.
    pub(crate) async fn two<'a, F: Fn(u8, u8) -> bool>(
        &'a mut self,
        (one, other): (u8, BTreeMap<u8, bool>),
        find: impl Fn(u8) -> bool,
        is_last: bool,
    ) -> io::Result<()> {
        if is_last {
        }
    }

    fn none();
}

const fn short(first: u8) -> u8 { first }
";
    let read: Vec<String> = functions(text)
        .iter()
        .map(|it| format!("{} {} {} {:?}", it.line, it.name, it.lines, it.arguments))
        .collect();
    let expected = [
        r#"3 two 9 ["(one, other): (u8, BTreeMap<u8, bool>)", "find: impl Fn(u8) -> bool", "is_last: bool"]"#,
        r"13 none 1 []",
        r#"16 short 1 ["first: u8"]"#,
    ];
    assert_eq!(read, expected);
}
