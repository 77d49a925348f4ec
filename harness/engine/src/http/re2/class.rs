//! Character classes and escaped characters.

use super::{SyntaxError, consumed, error, literal};

/// Classes by a letter after a backslash, as the content of brackets. They are ASCII only.
const PERL: &[(char, &str)] = &[
    ('d', "0-9"),
    ('D', "^0-9"),
    ('s', r"\t\n\x0C\r\x20"),
    ('S', r"^\t\n\x0C\r\x20"),
    ('w', "0-9A-Za-z_"),
    ('W', "^0-9A-Za-z_"),
];

/// Classes by a POSIX name.
const POSIX: &[&str] = &[
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// The general categories of Unicode.
const CATEGORIES: &[&str] = &[
    "C", "Cc", "Cf", "Co", "Cs", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl",
    "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs",
];

/// Reads a class in brackets. Returns it rewritten, and the rest of the text.
pub(super) fn bracketed(text: &str) -> Result<(String, &str), SyntaxError> {
    let mut out = "[".to_owned();
    let mut rest = &text[1..];
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    let mut first = true;
    loop {
        // A bracket that comes first is literal.
        if let Some(after) = rest.strip_prefix(']').filter(|_| !first) {
            out.push(']');
            return Ok((out, after));
        }
        first = false;
        if let Some((class, after)) = posix(rest)? {
            out.push_str(&class);
            rest = after;
            continue;
        }
        if let Some((class, after)) = named(rest)? {
            out.extend(["[", &class, "]"]);
            rest = after;
            continue;
        }
        let (low, after) = character(rest, text)?;
        out.push_str(&literal(low));
        let range = after.strip_prefix('-').filter(|after| !after.is_empty() && !after.starts_with(']'));
        let Some(upper) = range else {
            rest = after;
            continue;
        };
        let (high, after) = character(upper, text)?;
        if high < low {
            return error("invalid character class range", consumed(rest, after));
        }
        out.push('-');
        out.push_str(&literal(high));
        rest = after;
    }
}

/// Reads `[:alpha:]` or `[:^alpha:]`.
fn posix(text: &str) -> Result<Option<(String, &str)>, SyntaxError> {
    let Some((inside, after)) = text.strip_prefix("[:").and_then(|rest| rest.split_once(":]")) else {
        return Ok(None);
    };
    let written = consumed(text, after);
    if POSIX.contains(&inside.strip_prefix('^').unwrap_or(inside)) {
        Ok(Some((written.to_owned(), after)))
    } else {
        error("invalid character class range", written)
    }
}

/// Reads `\d`, `\pL` or `\p{Greek}`, as the content of brackets; none if it is something else.
pub(super) fn named(text: &str) -> Result<Option<(String, &str)>, SyntaxError> {
    let mut characters = text.strip_prefix('\\').unwrap_or_default().chars();
    let Some(letter) = characters.next() else { return Ok(None) };
    let rest = characters.as_str();
    if let Some((_, class)) = PERL.iter().find(|(perl, _)| *perl == letter) {
        return Ok(Some(((*class).to_owned(), rest)));
    }
    if !matches!(letter, 'p' | 'P') {
        return Ok(None);
    }
    let (name, after) = match rest.strip_prefix('{') {
        Some(braced) => match braced.split_once('}') {
            Some(parts) => parts,
            None => return error("invalid character class range", text),
        },
        None => rest.split_at(rest.chars().next().map_or(0, char::len_utf8)),
    };
    let negated = (letter == 'P') != name.starts_with('^');
    let name = name.strip_prefix('^').unwrap_or(name);
    let letter = if negated { 'P' } else { 'p' };
    if name == "Any" || CATEGORIES.contains(&name) {
        return Ok(Some((format!(r"\{letter}{{{name}}}"), after)));
    }
    // Scripts, and names that only newer agents know. The compiler of the rewritten expression checks which of them
    // exist: it refuses unknown ones, and then the caller does not know either.
    if name.len() > 2 && name.bytes().all(|c| c.is_ascii_alphabetic() || c == b'_') {
        return Ok(Some((format!(r"\{letter}{{Script={name}}}"), after)));
    }
    error("invalid character class range", consumed(text, after))
}

fn character<'a>(text: &'a str, class: &str) -> Result<(char, &'a str), SyntaxError> {
    match text.chars().next() {
        None => error("missing closing ]", class),
        Some('\\') => escaped_character(text),
        Some(c) => Ok((c, &text[c.len_utf8()..])),
    }
}

/// Reads a backslash and the character after it.
pub(super) fn escaped_character(text: &str) -> Result<(char, &str), SyntaxError> {
    let mut characters = text[1..].chars();
    let Some(c) = characters.next() else { return error("trailing backslash at end of expression", "") };
    let rest = characters.as_str();
    let simple = match c {
        'a' => Some('\x07'),
        'f' => Some('\x0C'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\x0B'),
        _ if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(c),
        _ => None,
    };
    if let Some(simple) = simple {
        return Ok((simple, rest));
    }
    let octal = |text: &str| text.bytes().take(2).take_while(|c| matches!(c, b'0'..=b'7')).count();
    let number = match c {
        '0'..='7' if c == '0' || octal(rest) > 0 => {
            let (digits, after) = rest.split_at(octal(rest));
            return match u32::from_str_radix(&format!("{c}{digits}"), 8).ok().and_then(char::from_u32) {
                Some(c) => Ok((c, after)),
                None => error("invalid escape sequence", consumed(text, after)),
            };
        }
        'x' => hexadecimal(rest),
        _ => Err(rest),
    };
    match number {
        Ok(found) => Ok(found),
        Err(after) => error("invalid escape sequence", consumed(text, after)),
    }
}

/// Reads `41` or `{10FFFF}`; otherwise returns the text after the wrong part.
fn hexadecimal(text: &str) -> Result<(char, &str), &str> {
    let after_characters = |count| text.char_indices().nth(count).map_or("", |(index, _)| &text[index..]);
    let value = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    if let Some(braced) = text.strip_prefix('{') {
        let digits = braced.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (digits, after) = braced.split_at(digits);
        let Some(after) = after.strip_prefix('}') else {
            return Err(after.chars().next().map_or("", |c| &after[c.len_utf8()..]));
        };
        return value(digits).map(|c| (c, after)).ok_or(after);
    }
    let after = after_characters(2);
    let digits = consumed(text, after);
    let both = digits.len() == 2 && digits.bytes().all(|c| c.is_ascii_hexdigit());
    value(digits).filter(|_| both).map(|c| (c, after)).ok_or(after)
}
