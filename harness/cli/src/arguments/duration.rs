//! Durations as the command line writes them: `500ms`, `3s`, `2m`.

use std::time::Duration;

/// The units there are, each with its milliseconds.
const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// Reads a duration that is longer than 0 and no longer than a day.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let forms = "a duration is written as `500ms`, `3s` or `2m`";
    if unit.is_empty() && !number.is_empty() {
        return Err(format!("the unit is missing: {forms}"));
    }
    let unit = UNITS.iter().find(|(word, _)| *word == unit).map(|(_, milliseconds)| *milliseconds);
    let milliseconds = unit.and_then(|unit| number.parse::<u64>().ok()?.checked_mul(unit));
    match milliseconds {
        None => Err(forms.to_owned()),
        Some(0) => Err("it must be longer than 0".to_owned()),
        Some(long) if long > 86_400_000 => Err("it has to be no longer than a day, `24h`".to_owned()),
        Some(milliseconds) => Ok(Duration::from_millis(milliseconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let check = |text: &str, milliseconds: u64| {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        };
        check("500ms", 500);
        check("3s", 3_000);
        check("2m", 120_000);
        check("24h", 86_400_000);
        let wrong = |text: &str, part: &str| {
            let message = duration(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        };
        wrong("3000", "the unit is missing");
        wrong("3 s", "`3s`");
        wrong("", "`3s`");
        wrong("s", "`3s`");
        wrong("-3s", "`3s`");
        wrong("0s", "longer than 0");
        wrong("25h", "no longer than a day");
        wrong("99999999999999999999h", "`3s`");
    }
}
