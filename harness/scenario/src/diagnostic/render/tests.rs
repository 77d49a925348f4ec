//! Drawing: the mark under the right characters, whatever the line.

use std::sync::Arc;

use proptest::prelude::*;
use rstest::rstest;

use super::{RenderStyle, render, render_in};
use crate::diagnostic::{Diagnostic, SourceTexts};
use crate::place::Place;

fn draw(text: &str, line: u32, column: u32, message: &str, help: Option<&str>) -> String {
    let file: Arc<str> = "a.yaml".into();
    let mut sources = SourceTexts::default();
    sources.add(&file, &text.into());
    let diagnostic = Diagnostic::error(Place { file, line, column }, message);
    render(&[Diagnostic { help: help.map(str::to_owned), ..diagnostic }], &sources)
}

#[test]
fn marks_stand_under_what_they_concern() {
    insta::assert_snapshot!(draw("x: 1\nallow: [a/b, c/d]\n", 2, 14, "no pod is called `c/d`", Some("did you mean `a/b`?")), @"
    error: no pod is called `c/d`
     --> a.yaml:2:14
      |
    2 | allow: [a/b, c/d]
      |              ^^^
      |
      = help: did you mean `a/b`?
    ");
    insta::assert_snapshot!(draw("  tcp a/b:80: {allow: x}\r\n", 1, 3, "wrong", None), @"
    error: wrong
     --> a.yaml:1:3
      |
    1 |   tcp a/b:80: {allow: x}
      |   ^^^^^^^^^^^
    ");
    insta::assert_snapshot!(draw("é: \"ü, ö\" # remark\n", 1, 4, "wrong", None), @r#"
    error: wrong
     --> a.yaml:1:4
      |
    1 | é: "ü, ö" # remark
      |    ^^^^^^
    "#);
    insta::assert_snapshot!(draw("\tx: y\n", 1, 1, "a tab", None), @"
    error: a tab
     --> a.yaml:1:1
      |
    1 |     x: y
      | ^^^^^^
    ");
    insta::assert_snapshot!(draw("", 1, 1, "empty", None), @"
    error: empty
    --> a.yaml:1:1
    ");
    insta::assert_snapshot!(draw("a\n", 9, 9, "beyond the end", None), @"
    error: beyond the end
    --> a.yaml:9:9
    ");
    insta::assert_snapshot!(draw(&format!("{}here, {}", "x".repeat(1000), "y".repeat(1000)), 1, 1001, "long", None), @"
    error: long
     --> a.yaml:1:1001
      |
     :::
    1 | ...xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxhere, yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy...
      |                                                                                    ^^^^
    ");
}

#[test]
fn diagnostics_are_sorted_and_drawn_once() {
    let at = |file: &str, line| Place { file: file.into(), line, column: 1 };
    let second = Diagnostic::error(at("b.yaml", 1), "second").help("do this");
    let first = Diagnostic::warning(at("a.yaml", 2), "selects-nothing", "first\nand more");
    let all = [second.clone(), first, second];
    insta::assert_snapshot!(render(&all, &SourceTexts::default()), @"
    warning[selects-nothing]: first and more
    --> a.yaml

    error: second
    --> b.yaml
     = help: do this
    ");
    assert_eq!(render(&[], &SourceTexts::default()), "");
    let style = RenderStyle { colour: true, width: 100 };
    assert!(render_in(&all, &SourceTexts::default(), style).contains("\u{1b}["));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_place_in_any_text_can_be_drawn(
        text in "(\\PC|\t|\r|\n|\u{1b}){0,300}", line in 0..5u32, column in any::<u16>(), message in "(.|\n){0,20}",
    ) {
        let small = u32::from(column % 40);
        draw(&text, line, small, &message, Some(&message));
        draw(&text, line, u32::from(column), &message, None);
        draw(&text, u32::MAX, u32::MAX, &message, None);
    }
}

/// What ten times the mistakes cost is little more: the text is walked once, and only the first are drawn.
#[rstest]
#[case::one_a_line(false)]
#[case::all_in_one_line(true)]
fn many_mistakes_are_counted_and_the_first_are_drawn(#[case] one_line: bool) {
    let draw = |mistakes: u32| {
        let file: Arc<str> = "a.yaml".into();
        let mut sources = SourceTexts::default();
        let key = format!("key{}: 1,", "é".repeat(100));
        let text = (0..mistakes)
            .map(|_| if one_line { key.clone() } else { format!("{key}\n") })
            .collect::<String>();
        sources.add(&file, &text.as_str().into());
        let width = u32::try_from(key.chars().count()).unwrap();
        let diagnostics: Vec<Diagnostic> = (0..mistakes)
            .map(|n| {
                let (line, column) = if one_line { (1, n * width + 1) } else { (n + 1, 1) };
                Diagnostic::error(Place { file: Arc::clone(&file), line, column }, "x".repeat(5000))
            })
            .collect();
        let drawn = render(&diagnostics, &sources);
        let mut lines = super::TextLines::of(&text);
        for diagnostic in &diagnostics[..100] {
            let (number, column) = (diagnostic.place.line as usize, diagnostic.place.column as usize);
            super::excerpt(&mut lines, number, column).unwrap();
        }
        (drawn, lines.steps, text.len())
    };
    let (few, many) = (draw(1000), draw(10_000));
    assert!(many.0.len() < few.0.len() + 1000, "{} and {} bytes are drawn", few.0.len(), many.0.len());
    assert!(many.1 <= 2 * many.2 + 200 * 1024, "{} steps over {} bytes", many.1, many.2);
    assert!(many.0.ends_with("\nand 9900 more mistakes, which are not shown: correct those above first\n"));
    assert_eq!(many.0.matches("--> a.yaml:").count(), 100);
}

#[test]
fn mistakes_come_before_warnings_where_there_are_too_many() {
    let file: Arc<str> = "a.yaml".into();
    let place = |line| Place { file: Arc::clone(&file), line, column: 1 };
    let warnings = (1..=150).map(|line| Diagnostic::warning(place(line), "code", "legal"));
    let mistakes = (151..=210).map(|line| Diagnostic::error(place(line), "wrong"));
    let all: Vec<Diagnostic> = warnings.chain(mistakes).collect();
    let drawn = render(&all, &SourceTexts::default());
    assert_eq!((drawn.matches("error: wrong").count(), drawn.matches("warning[code]").count()), (60, 40));
    assert!(
        drawn.ends_with("\nand 110 more warnings, which are not shown: correct those above first\n"),
        "{drawn}"
    );
    assert!(!render(&all[..100], &SourceTexts::default()).contains("not shown"));
}

#[test]
fn messages_are_as_wide_as_the_terminal() {
    let file: std::sync::Arc<str> = "s.yaml".into();
    let mut sources = SourceTexts::default();
    sources.add(&file, &"key: value\n".into());
    let place = Place { file, line: 1, column: 6 };
    let message = "a message that is longer than the terminal is wide, twice over";
    let warning = Diagnostic::warning(place, "long", message).help("advice that is just as long as that");
    insta::assert_snapshot!(render_in(&[warning], &sources, RenderStyle { colour: false, width: 40 }), @"
    warning[long]: a message that is longer
                   than the terminal is
                   wide, twice over
     --> s.yaml:1:6
      |
    1 | key: value
      |      ^^^^^
      |
      = help: advice that is just as long as
              that
    ");
}
