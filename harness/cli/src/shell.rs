//! How each shell quotes the word that it asks to complete.

/// The environment variable that names the shell.
pub(crate) const VARIABLE: &str = "VERDIKT_COMPLETE";

/// Unquotes a word that a shell asks to complete. Most shells pass it as it was typed, with a quote that is still open.
pub(crate) fn meant(word: &str) -> String {
    if is_one_of(&["bash", "fish", "zsh"]) {
        unescape(word.trim_start_matches(['\'', '"']))
    } else {
        word.to_owned()
    }
}

/// Quotes a completion for a shell. All but bash quote it themselves.
pub(crate) fn offered(word: &str) -> String {
    if is_one_of(&["bash"]) { escape(word) } else { word.to_owned() }
}

fn is_one_of(shells: &[&str]) -> bool {
    std::env::var(VARIABLE).is_ok_and(|shell| shells.contains(&shell.as_str()))
}

/// Quotes a word for bash, which takes a colon for the end of a word.
fn escape(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    for c in word.chars() {
        if c.is_ascii() && !c.is_ascii_alphanumeric() && !"/-_.,+@%".contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// Removes quotes and escapes from a word.
fn unescape(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    let mut characters = word.chars();
    while let Some(c) = characters.next() {
        if c == '\\' { text.extend(characters.next()) } else { text.push(c) }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_is_meant_again() {
        for word in
            ["three-tier/locked down/tcp database/redis:6379/client", r"a\/b/it's (not) $HOME", "größe"]
        {
            assert_eq!(unescape(&escape(word)), word);
        }
        assert_eq!(escape("tcp shop/web:80"), r"tcp\ shop/web\:80");
    }
}
