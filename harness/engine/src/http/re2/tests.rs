use proptest::prelude::*;
use regex::Regex;

use super::*;

#[test]
fn mistakes_read_like_the_agents() {
    let check = |text: &str, expected: &str| {
        let message = translate(text).unwrap_err().to_string();
        assert_eq!(message, format!("error parsing regexp: {expected}"), "{text}");
    };
    check("/api/**", "invalid nested repetition operator: `**`");
    check("a{2}{3}", "invalid nested repetition operator: `{2}{3}`");
    check("a+?+?", "invalid nested repetition operator: `+?+?`");
    check("*", "missing argument to repetition operator: `*`");
    check("a|+?b", "missing argument to repetition operator: `+?`");
    check("(*)", "missing argument to repetition operator: `*`");
    check(r"\Q\E*", "missing argument to repetition operator: `*`");
    check("x{1001}", "invalid repeat count: `{1001}`");
    check("x{9876543210987654321098}", "invalid repeat count: `{9876543210987654321098}`");
    check("x{2,1}", "invalid repeat count: `{2,1}`");
    check("(?:[a-z]{4}){0,251}", "invalid repeat count: `{0,251}`");
    check("((((((((((x{2}){2}){2}){2}){2}){2}){2}){2}){2}){2})", "invalid repeat count: `{2}`");
    check("a)(b", "unexpected ): `a)(b`");
    check("/(a", "missing closing ): `/(a`");
    check("/[", "missing closing ]: `[`");
    check("/[]a", "missing closing ]: `[]a`");
    check("[a-Z]", "invalid character class range: `a-Z`");
    check("[[:foo:]]", "invalid character class range: `[:foo:]`");
    check(r"\p{9}", r"invalid character class range: `\p{9}`");
    check(r"\pX", r"invalid character class range: `\pX`");
    check(r"\p", r"invalid character class range: `\p`");
    check(r"\p{Greek", r"invalid character class range: `\p{Greek`");
    check("(?=a)", "invalid or unsupported Perl syntax: `(?=`");
    check("(?!a)", "invalid or unsupported Perl syntax: `(?!`");
    check("(?x)a", "invalid or unsupported Perl syntax: `(?x`");
    check("(?i-)a", "invalid or unsupported Perl syntax: `(?i-)`");
    check("(?P<a-b>c)", "invalid named capture: `(?P<a-b>`");
    check("(?<=a)b", "invalid named capture: `(?<=a)b`");
    check(r"\1", r"invalid escape sequence: `\1`");
    check(r"\Z", r"invalid escape sequence: `\Z`");
    check(r"\C", r"invalid escape sequence: `\C`");
    check(r"\xg1", r"invalid escape sequence: `\xg1`");
    check(r"\x{110000}", r"invalid escape sequence: `\x{110000}`");
    check(r"[a-\d]", r"invalid escape sequence: `\d`");
    check("a\\", "trailing backslash at end of expression: ``");
}

fn whole(expression: &str) -> Regex {
    let translated = translate(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
    Regex::new(&format!("^(?:{translated})$")).unwrap_or_else(|error| panic!("{translated}: {error}"))
}

#[test]
fn texts_that_match_and_texts_that_do_not() {
    let check = |expression: &str, matching: &[&str], others: &[&str]| {
        let regex = whole(expression);
        for text in matching {
            assert!(regex.is_match(text), "{expression} {text:?}");
        }
        for text in others {
            assert!(!regex.is_match(text), "{expression} {text:?}");
        }
    };
    check("/items/{id}", &["/items/{id}"], &["/items/7", "/items/"]);
    check("x{,3}", &["x{,3}"], &["x", "xxx", ""]);
    check("x{01}", &["x{01}"], &["x"]);
    check("x{2,}", &["xx", "xxxx"], &["x"]);
    check("[a&&b]", &["a", "&", "b"], &["", "a&&b"]);
    check("[+--~~[c]", &["+", ",", "-", "~", "["], &["!"]);
    check("[]a-]", &["]", "a", "-"], &["b"]);
    check("[^]a]", &["b"], &["]", "a"]);
    check(r"\Aa\z", &["a"], &["ab"]);
    check(r"\Q.*[\E.", &[".*[x"], &["aa"]);
    check(r"\Qab", &["ab"], &["a"]);
    check(r"\d\w\s", &["1_ "], &["\u{663}_ ", "1é "]);
    check(r"[\d\W]+", &["1-"], &["a"]);
    check(r"\pN\p{Greek}\p{^L}\PL", &["1λ12"], &["aλ12", "1aa1"]);
    check("[[:alpha:]_]+", &["a_B"], &["é", "1"]);
    check(r"a\b-\B-b", &["a--b"], &["a-b"]);
    check(r"\x41\x{42}\103\_", &["ABC_"], &["AB"]);
    check("(?i)GET|(?-i:post)", &["get", "post"], &["POST"]);
    check("(?ii-si)a", &["a"], &["A"]);
    check("a(?i)*b", &["b", "aaB"], &["A"]);
    check(r"(?:a+\Q\E?)", &["", "aa"], &["b"]);
    check("(?P<name>a)(?<other>b)", &["ab"], &["a"]);
    check("a??b*?", &["ab", "bb", ""], &["aa"]);
    check("^*a$", &["a"], &["b"]);
    check("a||b", &["a", "", "b"], &["ab"]);
    check("", &[""], &["a"]);
}

proptest! {
    /// Whatever stands in a quotation matches itself alone.
    #[test]
    fn quoted_text_is_literal(text in "[ -~]{0,12}", other in "[ -~]{0,12}") {
        prop_assume!(!text.contains(r"\E") && !text.ends_with('\\'));
        let regex = whole(&format!(r"\Q{text}\E"));
        prop_assert!(regex.is_match(&text));
        prop_assert_eq!(regex.is_match(&other), text == other);
    }

    /// Any text is either a mistake or rewritten to something the compiler takes.
    #[test]
    fn what_is_taken_compiles(text in r"([a-c/\]\[(){}|*+?^$.,:<>P0-9&~-]|\\[AbBdwszQEnx.]|\[:alpha:\]|\(\?|\{[0-9],?\}){0,14}") {
        if let Ok(translated) = translate(&text) {
            let compiled = Regex::new(&translated);
            prop_assert!(compiled.is_ok(), "{} {} {:?}", text, translated, compiled);
        }
    }

    /// In the part that both dialects share, an expression matches the same texts as before.
    #[test]
    fn the_shared_part_means_the_same(
        expression in r"([ab/]|\[ab\]|\[\^a\]|\(a\|b\)|\(ab\)|[ab][*+?]|\(b\)\{2\}|\.){0,6}",
        texts in proptest::collection::vec("[abc/]{0,6}", 8),
    ) {
        let same = Regex::new(&format!("^(?:{expression})$")).unwrap();
        let regex = whole(&expression);
        for text in texts {
            prop_assert_eq!(regex.is_match(&text), same.is_match(&text), "{} {}", expression, text);
        }
    }
}
