//! `metav1.Duration`: Go's duration texts, in nanoseconds.

const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Parses a text such as `1h30m`; the errors are Go's.
pub(crate) fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_end).unwrap_or((after, ""));
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {text:?}"));
        }
        let (_, nanos) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| format!("time: unknown unit {unit:?} in duration {text:?}"))?;
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        // Digits beyond the fifteenth are less than a nanosecond of an hour.
        let fraction = fraction.get(..fraction.len().min(15)).unwrap_or_default();
        let scale = u32::try_from(fraction.len()).map_err(|_| invalid())?;
        let fraction: i128 = if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| invalid())? };
        let nanos = i128::from(*nanos);
        total = whole
            .checked_mul(nanos)
            .and_then(|value| value.checked_add(fraction * nanos / 10_i128.pow(scale)))
            .and_then(|value| value.checked_add(total))
            .ok_or_else(invalid)?;
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Prints nanoseconds as Go's `Duration.String` does.
pub(crate) fn format_duration(nanos: i64) -> String {
    if nanos == 0 {
        return "0s".into();
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let value = nanos.unsigned_abs();
    let fraction = |value: u64, unit: u64, suffix: &str| {
        let digits = unit.ilog10() as usize;
        let text = format!("{:0digits$}", value % unit);
        let text = text.trim_end_matches('0');
        let dot = if text.is_empty() || digits == 0 { "" } else { "." };
        let text = if digits == 0 { "" } else { text };
        format!("{}{dot}{text}{suffix}", value / unit)
    };
    if value < 1_000 {
        return format!("{sign}{}", fraction(value, 1, "ns"));
    }
    if value < 1_000_000 {
        return format!("{sign}{}", fraction(value, 1_000, "\u{b5}s"));
    }
    if value < 1_000_000_000 {
        return format!("{sign}{}", fraction(value, 1_000_000, "ms"));
    }
    let seconds = fraction(value % 60_000_000_000, 1_000_000_000, "s");
    let minutes = value / 60_000_000_000;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_round_trip_as_go_prints_them() {
        for (text, printed) in [
            ("0", "0s"),
            ("90s", "1m30s"),
            ("1.5h", "1h30m0s"),
            ("-2ms", "-2ms"),
            ("1500us", "1.5ms"),
            ("1h0.25s", "1h0m0.25s"),
            ("7ns", "7ns"),
        ] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), printed, "{text}");
        }
    }

    #[test]
    fn duration_errors_are_those_of_go() {
        assert_eq!(parse_duration("5").unwrap_err(), r#"time: missing unit in duration "5""#);
        assert_eq!(parse_duration("5d").unwrap_err(), r#"time: unknown unit "d" in duration "5d""#);
        assert_eq!(parse_duration("").unwrap_err(), r#"time: invalid duration """#);
    }
}
